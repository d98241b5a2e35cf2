"""gzip, read forwards in bounded memory and checked to its very end: no byte of a file that was cut short is trusted.

Python's own reader would do, at a fifth of the speed for what does not compress.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from kwrap.errors import Damaged

_CHUNK_BYTES = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS  # checks length and CRC-32 at the end of each member


class Gunzip:
    """The plain bytes of a gzip file of one or several members."""

    def __init__(self, packed: BinaryIO, where: str) -> None:
        self._packed = packed
        self._where = where
        self._inflater = zlib.decompressobj(_GZIP)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end. Raises Damaged where it is no gzip, was changed, or was cut short."""
        while True:
            if self._inflater.eof:
                data = self._next_member()
                if not data:
                    return b""
                self._inflater = zlib.decompressobj(_GZIP)
            else:
                data = self._inflater.unconsumed_tail or self._packed.read(_CHUNK_BYTES)
            try:
                plain = self._inflater.decompress(data, size)
            except zlib.error as error:
                raise Damaged(f"{self._where} is damaged: {error}") from error
            if plain:
                return plain
            if not data and not self._inflater.eof:
                raise Damaged(f"{self._where} is damaged: its end is missing")

    def _next_member(self) -> bytes:
        """The beginning of what follows a member; zeros may, and nothing else that is no gzip."""
        data = self._inflater.unused_data.lstrip(b"\0")
        while not data:
            more = self._packed.read(_CHUNK_BYTES)
            if not more:
                return b""
            data = more.lstrip(b"\0")
        return data
