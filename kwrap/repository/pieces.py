"""Large files as pieces: cut, named by the SHA-256 of their plain bytes, compressed where that pays, and read again.

Cut points are no part of the format: a manifest lists each piece with its length, so a later version may cut elsewhere.
"""

from __future__ import annotations

import hashlib
import io
import os
import queue
import threading
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from kwrap.errors import Damaged, NotFound
from kwrap.repository import compression, layout
from kwrap.repository.local_file import LocalFile
from kwrap.repository.trees import TreeEntry
from kwrap.storage.base import Batch, Storage

PIECE_BYTES = 4 << 20
_BUFFERS = 3
_LEVEL = 1


def has(storage: Storage, sha256: str) -> bool:
    return any(storage.size(layout.blob(sha256, compressed=compressed)) is not None for compressed in (False, True))


def write(target: Storage | Batch, sha256: str, data: memoryview) -> None:
    """Store a piece that is not there yet, compressed if that pays."""
    if compression.pays(data):
        packed = compression.compress(data, _LEVEL)
        if len(packed) < len(data):
            target.write(layout.blob(sha256, compressed=True), packed)
            return
    target.write(layout.blob(sha256, compressed=False), data)


def read(
    storage: Storage, sha256: str, length: int, path: bytes, *, compressed_first: bool = False
) -> tuple[bytes, bool]:
    """A piece's plain bytes, and whether it lies there compressed. Its length is checked, its hash is not."""
    for compressed in (compressed_first, not compressed_first):
        name = layout.blob(sha256, compressed=compressed)
        try:
            data = storage.read(name)
        except NotFound:
            continue
        except ValueError as error:
            raise Damaged(f"the manifest of '{os.fsdecode(path)}' names a piece by no hash: {error}") from error
        where = f"{storage.url}/{name}, a piece of '{os.fsdecode(path)}',"
        if compressed:
            data = compression.decompress(data, where)
        if len(data) != length:
            raise Damaged(f"{where} is damaged: {len(data)} bytes, and {length} were recorded")
        return data, compressed
    name = layout.blob(sha256, compressed=False)
    raise Damaged(f"{storage.url}/{name}, a piece of '{os.fsdecode(path)}', is missing")


class PieceReader(io.RawIOBase):
    """A file's bytes from its pieces, one in memory at a time. Seekable. With `verify`, hashes are checked."""

    def __init__(self, storage: Storage, entry: TreeEntry, *, verify: bool = False) -> None:
        super().__init__()
        self._storage = storage
        self._entry = entry
        self._verify = verify
        self._ends = list(accumulate(length for _, length in entry.pieces))
        if self._size() != entry.size_bytes:
            raise Damaged(f"the manifest of '{os.fsdecode(entry.path)}' does not name all of its bytes")
        self._position = 0
        self._number = -1
        self._piece = memoryview(b"")
        self._compressed = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def _size(self) -> int:
        return self._ends[-1] if self._ends else 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size()}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        number = bisect_right(self._ends, self._position)
        if number == len(self._ends):
            return 0
        self._load(number)
        inside = self._position - (self._ends[number] - len(self._piece))
        part = self._piece[inside : inside + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def _load(self, number: int) -> None:
        if number == self._number:
            return
        sha256, length = self._entry.pieces[number]
        data, self._compressed = read(
            self._storage, sha256, length, self._entry.path, compressed_first=self._compressed
        )
        if self._verify and hashlib.sha256(data).hexdigest() != sha256:
            name = layout.blob(sha256, compressed=self._compressed)
            raise Damaged(
                f"{self._storage.url}/{name}, a piece of '{os.fsdecode(self._entry.path)}', is damaged: "
                "its bytes are not those that its name says"
            )
        self._number, self._piece = number, memoryview(data)


class Cut:
    """A file's pieces, read one after the other into a few buffers, while a thread hashes the whole.

    Each piece is hashed twice, for itself and for the file; the second thread makes that as fast as once.
    """

    def __init__(self, file: LocalFile) -> None:
        self._file = file
        self._to_hash: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._hashed: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._whole = hashlib.sha256()
        self.size_bytes = 0

    def __iter__(self) -> Iterator[memoryview]:
        """The pieces; each is valid until the next is taken."""
        thread = threading.Thread(target=self._hash_whole, name="kwrap-hash", daemon=True)
        buffers = [memoryview(bytearray(PIECE_BYTES)) for _ in range(_BUFFERS)]
        thread.start()
        try:
            number = 0
            while True:
                if number >= _BUFFERS:
                    self._hashed.get()  # so the thread is done with the buffer that is filled now
                piece = self._file.fill(buffers[number % _BUFFERS])
                if not piece:
                    return
                self.size_bytes += len(piece)
                self._to_hash.put(piece)
                yield piece
                number += 1
        finally:
            self._to_hash.put(None)
            thread.join()

    def _hash_whole(self) -> None:
        while (piece := self._to_hash.get()) is not None:
            self._whole.update(piece)
            self._hashed.put(None)

    def sha256(self) -> str:
        """Of the whole file, once every piece was taken."""
        return self._whole.hexdigest()
