"""A stream over an object of a bucket, in ranges: each is a request of its own, and can be asked for again."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from typing_extensions import Buffer

RANGE_BYTES = 8 << 20  # of an open stream, this much is held

Fetch = Callable[[int, int], bytes]


def open_ranges(fetch: Fetch) -> BinaryIO:
    """The stream over what `fetch(offset, length)` gives; fewer bytes than asked for are the object's last."""
    return cast(BinaryIO, io.BufferedReader(_Ranges(fetch), 1 << 16))


class _Ranges(io.RawIOBase):
    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._at = 0  # in the object, of the next byte to give
        self._start = 0  # in the object, of the held range
        self._held = fetch(0, RANGE_BYTES)  # asked for now: what is not there is told on opening
        self._end: int | None = len(self._held) if len(self._held) < RANGE_BYTES else None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self._at
        elif whence == io.SEEK_END:
            raise io.UnsupportedOperation("the end of an object in a bucket is not known before it is read")
        if offset < 0:
            raise ValueError(f"negative seek position {offset}")
        self._at = offset
        return offset

    def readinto(self, buffer: Buffer) -> int:
        if self._end is not None and self._at >= self._end:
            return 0
        if not self._start <= self._at < self._start + len(self._held):
            self._start = self._at
            self._held = self._fetch(self._at, RANGE_BYTES)
            if len(self._held) < RANGE_BYTES:
                self._end = self._start + len(self._held)
        view = memoryview(buffer).cast("B")
        begin = self._at - self._start
        count = min(len(view), len(self._held) - begin)
        view[:count] = memoryview(self._held)[begin : begin + count]
        self._at += count
        return count
