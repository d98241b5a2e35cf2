"""A local file that is to be stored. What fails here is its fault and not the storage's: Damaged, not StorageError."""

from __future__ import annotations

import os
from types import TracebackType

from kwrap.errors import Damaged


class LocalFile:
    """Open for reading. Every method raises Damaged when the file cannot be read."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise self._unreadable(error) from error

    def version(self) -> tuple[int, int]:
        """Size and time of the last change: the same before and after when nothing was written meanwhile."""
        try:
            found = os.fstat(self._descriptor)
        except OSError as error:
            raise self._unreadable(error) from error
        return found.st_size, found.st_mtime_ns

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from an offset on; fewer where the file ends."""
        return bytes(self.read_into(memoryview(bytearray(length)), offset))

    def read_into(self, buffer: memoryview, offset: int) -> memoryview:
        """Fill the buffer from an offset on, as far as the file goes; what was read. Any thread may."""
        filled = 0
        try:
            while filled < len(buffer) and (count := os.preadv(self._descriptor, [buffer[filled:]], offset + filled)):
                filled += count
        except OSError as error:
            raise self._unreadable(error) from error
        return buffer[:filled]

    def fill(self, buffer: memoryview) -> memoryview:
        """Read on until the buffer is full or the file ends; what was read."""
        filled = 0
        try:
            while filled < len(buffer) and (count := os.readv(self._descriptor, [buffer[filled:]])):
                filled += count
        except OSError as error:
            raise self._unreadable(error) from error
        return buffer[:filled]

    def _unreadable(self, error: OSError) -> Damaged:
        return Damaged(f"{self.path} cannot be read: {os.strerror(error.errno or 0)}")

    def __enter__(self) -> LocalFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
