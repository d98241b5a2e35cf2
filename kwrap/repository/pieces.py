"""One piece of a large file: named by the SHA-256 of its plain bytes, compressed where that pays, and read again.

`cuts.py` says where files are cut, `storing.py` stores many pieces at once, `fetching.py` reads them.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeVar

from kwrap.errors import Damaged, NotFound
from kwrap.repository import compression, layout
from kwrap.repository.cuts import MAX_PIECE_BYTES, PIECE_BYTES
from kwrap.storage.base import Batch, ReadsInto, Storage

# A piece of nothing but zeros, as in sparse files: told by comparing, thirty times faster than by hashing.
ZEROS = bytes(PIECE_BYTES)
_LEVEL = 1


class Piece(NamedTuple):
    """A piece that is wanted; `path` is the file that it is of, for messages."""

    sha256: str
    length: int
    path: bytes


@lru_cache(maxsize=1)
def zeros_sha256() -> str:
    return hashlib.sha256(ZEROS).hexdigest()


def has(storage: Storage, sha256: str, *, compressed_first: bool = False) -> bool:
    """Asks once when it lies there in the form that is looked for first."""
    forms = (compressed_first, not compressed_first)
    return any(storage.size(layout.blob(sha256, compressed=compressed)) is not None for compressed in forms)


def write(target: Storage | Batch, sha256: str, data: memoryview, *, compress: bool | None = None) -> None:
    """Store a piece, compressed if that pays. `compress`: what `compression.pays` said of it already."""
    if compression.pays(data) if compress is None else compress:
        packed = compression.compress(data, _LEVEL)
        if len(packed) < len(data):
            target.write(layout.blob(sha256, compressed=True), packed)
            return
    target.write(layout.blob(sha256, compressed=False), data, sha256=sha256)


def read(storage: Storage, piece: Piece, *, compressed_first: bool = False) -> tuple[bytes, bool]:
    """A piece's plain bytes, verified, and whether it lies there compressed. Raises Damaged."""

    def load(name: str, compressed: bool, where: str) -> bytes:
        data = storage.read(name)
        return compression.decompress(data, where, most=piece.length) if compressed else data

    return _read(storage.url, piece, load, ZEROS, compressed_first)


class Reader:
    """Reads pieces on any threads, each into memory of that thread's, where the storage can: the system clears memory
    before it gives it, which takes longer than reading what lies in its cache.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._into = storage if isinstance(storage, ReadsInto) else None
        self._of_thread = threading.local()
        self._compressed = False  # most of a file lie there in one form, which is then looked for first

    def read(self, piece: Piece) -> bytes | memoryview:
        """As `read` above. Valid until this thread reads the next piece."""

        def load(name: str, compressed: bool, where: str) -> bytes | memoryview:
            data = self._load(name, piece.length)
            return compression.decompress(data, where, most=piece.length) if compressed else data

        zeros: bytes | memoryview = ZEROS
        data, self._compressed = _read(self._storage.url, piece, load, zeros, self._compressed)
        return data

    def _load(self, name: str, length: int) -> bytes | memoryview:
        """A compressed piece is mostly, and need not be, shorter than a plain one."""
        if self._into is None or length > MAX_PIECE_BYTES:
            return self._storage.read(name)
        buffer: mmap.mmap | None = getattr(self._of_thread, "buffer", None)
        if buffer is None or len(buffer) < length:
            buffer = self._of_thread.buffer = mmap.mmap(-1, length)
        size_bytes = self._into.read_into(name, memoryview(buffer))
        return memoryview(buffer)[:size_bytes] if size_bytes <= len(buffer) else self._storage.read(name)


B = TypeVar("B", bound="bytes | memoryview")


def _read(
    url: str, piece: Piece, load: Callable[[str, bool, str], B], zeros: B, compressed_first: bool
) -> tuple[B, bool]:
    """What `load` gives of the piece's one form or the other, verified, and which of them it was."""
    if piece.length == PIECE_BYTES and piece.sha256 == zeros_sha256():
        return zeros, compressed_first
    of = f"a piece of '{os.fsdecode(piece.path)}',"
    for compressed in (compressed_first, not compressed_first):
        name = layout.blob(piece.sha256, compressed=compressed)
        where = f"{url}/{name}, {of}"
        try:
            data = load(name, compressed, where)
        except NotFound:
            continue
        except ValueError as error:
            raise Damaged(f"the manifest of '{os.fsdecode(piece.path)}' names a piece by no hash: {error}") from error
        if len(data) != piece.length:
            raise Damaged(f"{where} is damaged: {len(data)} bytes, and {piece.length} were recorded")
        if hashlib.sha256(data).hexdigest() != piece.sha256:
            raise Damaged(f"{where} is damaged: its bytes are not those that its name says")
        return data, compressed
    raise Damaged(f"{url}/{layout.blob(piece.sha256, compressed=False)}, {of} is missing")
