"""One piece of a large file: named by the SHA-256 of its plain bytes, compressed where that pays, and read again.

`cuts.py` says where files are cut, `storing.py` stores many pieces at once, `fetching.py` reads them.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from typing import NamedTuple

from kwrap.errors import Damaged, NotFound
from kwrap.repository import compression, layout
from kwrap.repository.cuts import PIECE_BYTES
from kwrap.storage.base import Batch, Storage

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
    if piece.length == PIECE_BYTES and piece.sha256 == zeros_sha256():
        return ZEROS, compressed_first
    of = f"a piece of '{os.fsdecode(piece.path)}',"
    for compressed in (compressed_first, not compressed_first):
        name = layout.blob(piece.sha256, compressed=compressed)
        try:
            data = storage.read(name)
        except NotFound:
            continue
        except ValueError as error:
            raise Damaged(f"the manifest of '{os.fsdecode(piece.path)}' names a piece by no hash: {error}") from error
        where = f"{storage.url}/{name}, {of}"
        if compressed:
            data = compression.decompress(data, where, most=piece.length)
        if len(data) != piece.length:
            raise Damaged(f"{where} is damaged: {len(data)} bytes, and {piece.length} were recorded")
        if hashlib.sha256(data).hexdigest() != piece.sha256:
            raise Damaged(f"{where} is damaged: its bytes are not those that its name says")
        return data, compressed
    raise Damaged(f"{storage.url}/{layout.blob(piece.sha256, compressed=False)}, {of} is missing")
