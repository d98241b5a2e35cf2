"""The child's output: read in big pieces, appended to the log, relayed. Never decoded, never waiting for anything else.

- The log fails (full disk): go on reading and relaying, and count what is not in the log.
- The relay fails (`| head`): go on reading and logging. Its disk is full: count what it did not get, and go on trying.
- The relay is slow: read no more from that stream until it has taken what was read, as a pipe would do. Memory stays
  at one piece a stream.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import struct
import termios
import time
from collections.abc import Iterable

from kwrap.rundir import INDEX_RECORD
from kwrap.supervisor.stdio import PIPE_BYTES

# A source that is read again within the first time, in pieces smaller than the second, is left to gather for the third:
# hundreds of times fewer turns for a child that prints without pause. Its pipe takes 2 GB/s meanwhile.
_BUSY_S, _SMALL_BYTES, _GATHER_S = 0.001, PIPE_BYTES // 4, 0.0005
# Chunks that follow each other on one stream within this time share an index record.
_INDEX_RESOLUTION_NS = 2_000_000
# What a pipe or a socket that says it can be written surely takes without waiting (PIPE_BUF, pipe(7)).
_SURELY_TAKEN_BYTES = 4096
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class OutputLog:
    """output.log and output.idx. The index record is written first: a log byte always has its time and stream."""

    def __init__(self, output_path: str, index_path: str, started_ns: int) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._output = os.open(output_path, flags, 0o600)
        self._index = os.open(index_path, flags, 0o600)
        self._started_ns = started_ns
        self.lost_bytes = 0
        self.resume()

    def resume(self) -> None:
        """Find the ends of both files, wherever the last writer left them."""
        self._index_bytes = os.fstat(self._index).st_size // INDEX_RECORD.size * INDEX_RECORD.size
        os.ftruncate(self._index, self._index_bytes)  # a record that was torn would shift all that follow
        self._last_stream = 0
        self._last_ns = 0
        self.written_bytes = os.fstat(self._output).st_size

    def append(self, data: memoryview, stream: int) -> None:
        """Write what the disk takes; what it does not take is counted as lost, and the next call tries again."""
        written = 0
        try:
            self._mark(stream)
            while written < len(data):
                written += os.write(self._output, data[written:])
        except OSError:
            self.lost_bytes += len(data) - written
            self._last_stream = 0  # after a gap the next piece gets a record of its own
        self.written_bytes += written

    def close(self) -> None:
        os.close(self._output)
        os.close(self._index)

    def _mark(self, stream: int) -> None:
        now_ns = time.monotonic_ns()
        if stream == self._last_stream and now_ns - self._last_ns < _INDEX_RESOLUTION_NS:
            return
        record = INDEX_RECORD.pack(self.written_bytes, max(0, now_ns - self._started_ns), stream)
        if os.write(self._index, record) != len(record):
            os.ftruncate(self._index, self._index_bytes)
            raise OSError(errno.ENOSPC, "the index takes no more")
        self._index_bytes += len(record)
        self._last_stream, self._last_ns = stream, now_ns


class _Stream:
    """One source with the place it is relayed to, and what that place has not taken yet."""

    def __init__(self, source: int, number: int, sink: int) -> None:
        os.set_blocking(source, False)
        self.source: int | None = source
        self.number = number
        self.sink, self._may_wait = _independent(sink)
        self.broken = False
        self.lost_bytes = 0
        self.pending = memoryview(b"")

    def send(self, data: memoryview) -> None:
        self.pending = memoryview(b"")
        if self.broken:
            return
        sent = 0
        try:
            while sent < len(data):
                sent += self._write(data[sent:])
        except BlockingIOError:
            rest = data[sent:]
            self.pending = rest if rest.readonly else memoryview(bytes(rest))
        except OSError as error:
            if error.errno in _FULL:
                self.lost_bytes += len(data) - sent
            else:
                self.broken = True

    def close(self) -> None:
        if self.source is not None:
            os.close(self.source)
            self.source = None
        os.close(self.sink)

    def _write(self, data: memoryview) -> int:
        if not self._may_wait:
            return os.write(self.sink, data)
        poll = select.poll()
        poll.register(self.sink, select.POLLOUT)
        if not poll.poll(0):
            raise BlockingIOError
        return os.write(self.sink, data[:_SURELY_TAKEN_BYTES])


class Pump:
    """Carries every stream of the child until each has ended."""

    def __init__(self, sources: Iterable[tuple[int, int, int]], log: OutputLog | None) -> None:
        self._streams = [_Stream(*source) for source in sources]
        self._buffer = memoryview(bytearray(PIPE_BYTES))
        self._log = log
        self._moved_at_s = 0.0
        self.reading = True
        self.carried_bytes = 0

    @property
    def ended(self) -> bool:
        """Every source has ended, and all that was read has been passed on."""
        return all(stream.source is None and not stream.pending for stream in self._streams)

    @property
    def relay_broken(self) -> bool:
        return any(stream.broken for stream in self._streams)

    @property
    def relay_lost_bytes(self) -> int:
        """What a full disk did not take of the relay."""
        return sum(stream.lost_bytes for stream in self._streams)

    @property
    def relayed(self) -> bool:
        """All that was read has been passed on."""
        return not any(stream.pending for stream in self._streams)

    def stop_relaying(self) -> None:
        """Wait no longer for a reader that does not read."""
        for stream in self._streams:
            stream.broken, stream.pending = True, memoryview(b"")

    def unread_bytes(self) -> int:
        """What lies in the sources now."""
        return sum(_unread(stream.source) for stream in self._streams if stream.source is not None)

    def interests(self) -> list[tuple[int, int]]:
        """Descriptors to poll, each with its events."""
        wanted = []
        for stream in self._streams:
            if stream.pending:
                wanted.append((stream.sink, select.POLLOUT))
            elif stream.source is not None and self.reading:
                wanted.append((stream.source, select.POLLIN))
        return wanted

    def step(self, ready: dict[int, int]) -> None:
        """Carry what can be carried without waiting. `ready` is what poll said."""
        before = self.carried_bytes
        for stream in self._streams:
            if stream.pending and stream.sink in ready:
                stream.send(stream.pending)
            elif stream.source is not None and not stream.pending and stream.source in ready:
                self._read(stream)
        if self.carried_bytes > before:
            self._gather(self.carried_bytes - before)

    def _gather(self, moved_bytes: int) -> None:
        now_s = time.monotonic()
        if now_s - self._moved_at_s < _BUSY_S and moved_bytes < _SMALL_BYTES:
            time.sleep(_GATHER_S)
            now_s += _GATHER_S
        self._moved_at_s = now_s

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
        self._streams = []

    def take_over(self) -> None:
        """In another process that carries on: since the fork the log has grown, and what was pending is passed on."""
        for stream in self._streams:
            stream.pending = memoryview(b"")
        if self._log is not None:
            self._log.resume()

    def leave_behind(self) -> None:
        """In a process that only relays, for what is still written to; the place of an ended stream is let go."""
        self._log = None
        for stream in self._streams:
            if stream.source is None:
                stream.close()
        self._streams = [stream for stream in self._streams if stream.source is not None]

    def run(self) -> None:
        """Carry until every stream has ended; for a process or thread that has nothing else to do."""
        self.reading = True
        while not self.ended:
            poll = select.poll()
            for descriptor, events in self.interests():
                poll.register(descriptor, events)
            self.step(dict(poll.poll()))

    def _read(self, stream: _Stream) -> None:
        assert stream.source is not None
        try:
            count = os.readv(stream.source, [self._buffer])
        except BlockingIOError:
            return
        except OSError:
            count = 0  # a pseudo-terminal whose last writer is gone answers EIO
        if not count:
            os.close(stream.source)
            stream.source = None
            return
        data = self._buffer[:count]
        self.carried_bytes += count
        if self._log is not None:
            self._log.append(data, stream.number)
        stream.send(data)


def _independent(descriptor: int) -> tuple[int, bool]:
    """A descriptor of our own for the same place, and whether writing to it may have to wait.

    O_NONBLOCK belongs to the open file, which the caller's other processes share: so a pipe or terminal is opened anew.
    That cannot be done with a socket, nor with what belongs to another user (`su`). Regular files need none of it.
    """
    may_wait = False
    try:
        mode = os.fstat(descriptor).st_mode
        may_wait = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)
        if may_wait:
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY), False
    except OSError:
        pass
    return os.dup(descriptor), may_wait


def _unread(descriptor: int | None) -> int:
    if descriptor is None:
        return 0
    answer = bytearray(4)
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, answer)
    except OSError:
        return 0
    return int(struct.unpack("i", answer)[0])
