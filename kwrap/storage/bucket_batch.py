"""Many writes to a bucket at once: a request takes its time, so several are under way.

At most 16 requests and 128 MiB of data are under way or waiting; who writes more waits. One object larger than that
goes alone.
"""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType
from typing import Protocol

from kwrap.storage.base import check_name

REQUESTS = 16
LIMIT_BYTES = 128 << 20


class Write(Protocol):
    def __call__(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None: ...


class BucketBatch:
    """Threads `kwrap-bucket-…` begin as they are needed, and end when the block is left."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)  # something waits, or nothing will any more
        self._room = threading.Condition(self._lock)  # something was written, or failed
        self._waiting: deque[tuple[str, bytes, str | None]] = deque()
        self._pending_bytes = 0
        self._pending = 0
        self._idle = 0
        self._left = False
        self._threads: list[threading.Thread] = []
        self._error: Exception | None = None

    def write(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None:
        check_name(name)
        kept = bytes(data)  # no copy of what are bytes already
        with self._lock:
            self._room.wait_for(lambda: self._error is not None or self._has_room(len(kept)))
            if self._error:
                raise self._error
            self._pending += 1
            self._pending_bytes += len(kept)
            self._waiting.append((name, kept, sha256))
            if self._idle < len(self._waiting) and len(self._threads) < REQUESTS:
                self._begin_thread()
            self._work.notify()

    def _has_room(self, size: int) -> bool:
        return not self._pending or (self._pending < REQUESTS + 1 and self._pending_bytes + size <= LIMIT_BYTES)

    def _begin_thread(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"kwrap-bucket-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (item := self._next()) is not None:
            name, data, sha256 = item
            error: Exception | None = None
            try:
                self._write(name, data, sha256=sha256)
            except Exception as failed:  # the caller's, whatever it is
                error = failed
            with self._lock:
                self._error = self._error or error
                self._pending -= 1
                self._pending_bytes -= len(data)
                self._room.notify_all()
            del item, data

    def _next(self) -> tuple[str, bytes, str | None] | None:
        with self._lock:
            self._idle += 1
            self._work.wait_for(lambda: self._waiting or self._left or self._error)
            self._idle -= 1
            return self._waiting.popleft() if self._waiting and not self._error else None

    def __enter__(self) -> BucketBatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._left = True
            if error is not None:
                self._waiting.clear()  # what the caller gave up is not sent any more
            self._work.notify_all()
        for thread in self._threads:
            thread.join()
        if self._error and error is None:
            raise self._error
