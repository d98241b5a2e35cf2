"""A TCP proxy on loopback that misbehaves: loses answers after the server has done its work, stalls, or cuts off.

What the client sends always reaches the server first; so a lost answer is the answer to something that was done.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType

# What becomes of the answer to a request, asked when its first bytes come from the server: its head so far.
PASS, DROP, STALL, CUT, RESET = "pass", "drop", "stall", "cut", "reset"

Decide = Callable[[bytes], str]


class Proxy:
    """`with Proxy(port) as proxy:` listens on `proxy.port`. `decide(request)` says what to do with each answer.

    `request` is the first line and head of the request that is answered. PASS: nothing. DROP: the connection is closed
    instead of answered. CUT: closed in the middle of the answer. RESET: the same, rudely. STALL: never answered, until
    the proxy ends. May be changed at any time. `refuse`: nobody listens any more, connections are closed at once.
    `slow_bytes_s`: so many bytes a second go to the server, on each connection.
    """

    def __init__(self, server_port: int, decide: Decide = lambda request: PASS) -> None:
        self.decide = decide
        self.refuse = False
        self.slow_bytes_s: float | None = None
        self.requests: list[bytes] = []
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ended = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Proxy:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        _close(self._listener)
        self.cut_all()
        for thread in self._threads:
            thread.join(timeout=10)

    def cut_all(self) -> None:
        """Cut every connection there is."""
        for one in list(self._sockets):
            _close(one)

    def _spawn(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuse or self._ended.is_set():
                _close(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                _close(client)
                continue
            pair = _Pair(self, client, server)
            self._sockets |= {client, server}
            self._spawn(pair.carry_requests)
            self._spawn(pair.carry_answers)

    def forget(self, *gone: socket.socket) -> None:
        self._sockets.difference_update(gone)

    def wait_for_end(self) -> None:
        self._ended.wait()


class _Pair:
    """One connection, and the same on the other side. A client sends no request before the last is answered."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._request = b""
        self._answered = True
        self._lock = threading.Lock()

    def carry_requests(self) -> None:
        while data := _received(self._client):
            with self._lock:
                if self._answered:
                    self._request, self._answered = b"", False
                if b"\r\n\r\n" not in self._request:
                    self._request += data
            if self._proxy.slow_bytes_s:
                time.sleep(len(data) / self._proxy.slow_bytes_s)
            if not _sent(self._server, data):
                break
        self._close()

    def carry_answers(self) -> None:
        while data := _received(self._server):
            with self._lock:
                first, self._answered = not self._answered, True
                head = self._request.partition(b"\r\n\r\n")[0]
            fate = self._fate(head) if first else PASS
            if fate == STALL:
                self._proxy.wait_for_end()
            if fate in (CUT, RESET):
                _sent(self._client, data[: max(1, len(data) - 20)])
            if fate == RESET:
                self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            if fate != PASS or not _sent(self._client, data):
                break
        self._close()

    def _fate(self, head: bytes) -> str:
        self._proxy.requests.append(head)
        return self._proxy.decide(head)

    def _close(self) -> None:
        _close(self._client)
        _close(self._server)
        self._proxy.forget(self._client, self._server)


def _received(one: socket.socket) -> bytes:
    try:
        return one.recv(1 << 18)
    except OSError:
        return b""


def _sent(one: socket.socket, data: bytes) -> bool:
    try:
        one.sendall(data)
    except OSError:
        return False
    return True


def _close(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    one.close()
