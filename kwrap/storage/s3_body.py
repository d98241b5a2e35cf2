"""Bytes as the body of a request."""

from __future__ import annotations

import io

# The timeout of a connection is for each piece of a body that is sent, not for all of it: with 16 requests in turn on a
# slow line, 16 MiB at once would not be gone in time.
_SENT_AT_ONCE = 1 << 18


class Body:
    """A file over bytes, without a copy. Read in pieces of 256 KiB, whatever is asked for."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._view = memoryview(data).cast("B")
        self._at = 0

    def __len__(self) -> int:
        return len(self._view)

    def read(self, size: int = -1) -> memoryview:
        piece = self._view[self._at : self._at + _SENT_AT_ONCE]
        self._at += len(piece)
        return piece

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}[whence]
        self._at = base + offset
        return self._at
