"""Files in pieces, read: pieces are fetched ahead, verified and decompressed by a few threads, and come in order.

Memory: there is one piece that is being read here, and one for each of the storage's `parallel` reads under way or
ready, of up to 16 MiB, or more and smaller ones of as much; while one is decompressed, its compressed form too, which
is no longer. So 48 MiB from a directory and 128 MiB from a bucket, twice that at the very worst.
"""

from __future__ import annotations

import hashlib
import io
import os
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import accumulate, islice
from typing import Any

from kwrap.errors import Damaged
from kwrap.repository import pieces
from kwrap.repository.cuts import MAX_PIECE_BYTES
from kwrap.repository.pieces import Piece
from kwrap.repository.trees import TreeEntry
from kwrap.repository.workers import in_order
from kwrap.storage.base import Storage

_MOST_AHEAD_BYTES = 128 << 20
_HOLE_BYTES = 1 << 20  # of zeros at least, to be left out
# At once: for 16 MiB the system looks for so much memory in one piece (0.4-2.0 s of its time a GB; 0.4-0.6 s this way).
_WRITE_BYTES = 1 << 20
EMPTY_SHA256 = hashlib.sha256().hexdigest()


def fetch(storage: Storage, wanted: Iterable[Piece]) -> Generator[bytes, None, None]:
    """The bytes of pieces, verified, in the order they are wanted in. Raises Damaged in the turn of the damaged one."""
    compressed = False  # most of a file lie there in one form, which is then looked for first

    def read(piece: Piece) -> bytes:
        nonlocal compressed
        data, compressed = pieces.read(storage, piece, compressed_first=compressed)
        return data

    most = min((storage.parallel + 1) * MAX_PIECE_BYTES, _MOST_AHEAD_BYTES)
    return in_order(read, wanted, threads=storage.parallel, most=most, weight=lambda piece: piece.length)


def streams(storage: Storage, entries: Iterable[TreeEntry]) -> Iterator[tuple[TreeEntry, io.BufferedIOBase]]:
    """Files in pieces with their bytes, one after the other; each stream is valid until the next is taken."""
    entries = list(entries)
    for entry in entries:
        _check(entry)
    found = fetch(storage, (piece for entry in entries for piece in _pieces(entry)))
    for entry in entries:
        stream = _Sequential(len(entry.pieces), found)
        yield entry, stream
        stream.skip()


def write(
    storage: Storage,
    entries: Iterable[TreeEntry],
    begin: Callable[[TreeEntry], int],
    progress: Callable[[int], None] | None = None,
) -> Generator[TreeEntry, None, None]:
    """Files in pieces, each into the empty file whose descriptor `begin` gives; an entry once all of it is written.

    The threads that read a piece also write it, where it belongs; pieces of nothing but zeros are left as holes. Other
    files are begun before one is done. Once the generator is closed nothing is written any more. Raises as `fetch`, and
    OSError.
    """
    entries = [entry for entry in entries if entry.pieces]
    for entry in entries:
        _check(entry)
    reader = pieces.Reader(storage)

    def places() -> Iterator[tuple[int, int, Piece]]:
        for entry in entries:
            descriptor, offset = begin(entry), 0
            os.ftruncate(descriptor, entry.size_bytes)
            for piece in _pieces(entry):
                yield descriptor, offset, piece
                offset += piece.length

    def put(place: tuple[int, int, Piece]) -> int:
        descriptor, offset, piece = place
        data = reader.read(piece)
        if not _is_hole(data):
            _write_at(descriptor, data, offset)
        return piece.length

    most = min((storage.parallel + 1) * MAX_PIECE_BYTES, _MOST_AHEAD_BYTES)
    with closing(
        in_order(put, places(), threads=storage.parallel, most=most, weight=lambda place: place[2].length)
    ) as written:
        for entry in entries:
            for length in islice(written, len(entry.pieces)):
                if progress is not None:
                    progress(length)
            yield entry


def _is_hole(data: bytes | memoryview) -> bool:
    if data is pieces.ZEROS:
        return True
    return len(data) >= _HOLE_BYTES and not any(data[:64]) and bytes(data) == bytes(len(data))


def _write_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        count = os.pwrite(descriptor, rest[:_WRITE_BYTES], offset)
        rest, offset = rest[count:], offset + count


def _check(entry: TreeEntry) -> None:
    """Raise Damaged unless its pieces are all of a file."""
    whole = sum(length for _, length in entry.pieces) == entry.size_bytes
    if not whole or any(length <= 0 for _, length in entry.pieces):
        raise Damaged(f"the manifest of '{os.fsdecode(entry.path)}' does not name all of its bytes")
    if len(entry.pieces) < 2 and entry.sha256 not in (None, entry.pieces[0][0] if entry.pieces else EMPTY_SHA256):
        raise Damaged(f"the manifest of '{os.fsdecode(entry.path)}' says two things of what it holds")


def _pieces(entry: TreeEntry) -> Iterator[Piece]:
    return (Piece(sha256, length, entry.path) for sha256, length in entry.pieces)


class _Sequential(io.BufferedIOBase):
    """The next `count` pieces as a stream that is read once; `read1` gives the rest of a piece without copying."""

    def __init__(self, count: int, found: Iterator[bytes]) -> None:
        self._left = count
        self._found = found
        self._piece = b""
        self._position = 0

    def readable(self) -> bool:
        return True

    def read1(self, size: int | None = -1, /) -> bytes:
        """What is left of a piece, or `size` bytes of that; nothing at the end."""
        if self._position == len(self._piece) and self._left:
            self._piece, self._position = next(self._found), 0
            self._left -= 1
        start = self._position
        end = len(self._piece) if size is None or size < 0 else min(start + size, len(self._piece))
        self._position = end
        return self._piece[start:end]  # of the whole, the same object again

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = None if size is None or size < 0 else size
        parts = []
        while wanted is None or wanted > 0:
            part = self.read1(-1 if wanted is None else wanted)
            if not part:
                break
            parts.append(part)
            wanted = None if wanted is None else wanted - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def skip(self) -> None:
        """Pass over what was not read."""
        self._piece, self._position = b"", 0
        while self._left:
            next(self._found)
            self._left -= 1


class PieceReader(io.RawIOBase):
    """A file's bytes from its pieces, verified and seekable; fetched ahead while it is read on."""

    def __init__(self, storage: Storage, entry: TreeEntry) -> None:
        super().__init__()
        self._storage = storage
        _check(entry)
        self._pieces = list(_pieces(entry))
        self._ends = list(accumulate(piece.length for piece in self._pieces))
        self._ahead: Generator[bytes, None, None] | None = None
        self._position = 0
        self._number = -1
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        size = self._ends[-1] if self._ends else 0
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: size}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        number = bisect_right(self._ends, self._position)
        if number == len(self._ends):
            return 0
        if number != self._number:
            self._load(number)
        inside = self._position - (self._ends[number] - len(self._piece))
        part = self._piece[inside : inside + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def close(self) -> None:
        self._stop()
        super().close()

    def _load(self, number: int) -> None:
        """Once a piece is followed by the next, those after it are fetched ahead, until somewhere else is read."""
        if number != self._number + 1 or number == 0:
            self._stop()
            data, _ = pieces.read(self._storage, self._pieces[number])
        else:
            if self._ahead is None:
                self._ahead = fetch(self._storage, self._pieces[number:])
            data = next(self._ahead)
        self._number, self._piece = number, memoryview(data)

    def _stop(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None
