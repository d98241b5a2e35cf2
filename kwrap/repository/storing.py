"""A large file, stored: cut, and its pieces read, hashed, compressed and handed on by a few threads at once.

Twice as many threads as reads are worth it, since some of them wait for the disk while others hash. Each holds one
piece of up to 16 MiB and its compressed form, so memory is no more than 128 MiB for a directory and 256 MiB for a
bucket, whatever the file's size, besides what the storage's batch holds.
"""

from __future__ import annotations

import hashlib
import mmap
import threading
from collections.abc import Collection, Iterator, Sequence

from kwrap.errors import Damaged
from kwrap.repository import compression, cuts, layout, pieces
from kwrap.repository.local_file import LocalFile
from kwrap.repository.workers import in_order
from kwrap.storage.base import Batch, Storage

_MOST_THREADS = 8
# A storage that is far is asked for one name with a request, or two. Of fewer pieces that is done by a few threads
# before a listing has told how many names there are.
_FEW = 16
# A listing comes page by page, one after the other, each in about the time of two such requests; which eight threads
# make at once. So of so many pieces a page of all names is worth it.
_PIECES_A_PAGE = 16
_MOST_LISTED = 500_000  # fits into 100 MB
_NAMES_A_REQUEST = 1000
_PREFIXES = 256
_ONE_BY_ONE = 2  # reads at once of a storage that answers at once


def store_pieces(
    storage: Storage, file: LocalFile, size_bytes: int, again: Collection[str] = frozenset()
) -> tuple[tuple[str, int], ...]:
    """Store what of a file is not there yet, durable on return; its pieces, in order.

    Cut off at any point, what was stored by then is not written again by the next. Raises Damaged when the file turns
    out to be shorter.
    """
    lengths = cuts.plan(size_bytes, file.read_at)
    with storage.batch() as batch:
        storing = _Storing(file, batch, Presence(storage, len(lengths)), again)
        threads = min(2 * storage.parallel, _MOST_THREADS, len(lengths))
        return tuple(in_order(storing.store, _places(lengths), threads=threads, most=2 * threads))


def _places(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    offset = 0
    for length in lengths:
        yield offset, length
        offset += length


class _Storing:
    """What the threads share."""

    def __init__(self, file: LocalFile, batch: Batch, presence: Presence, again: Collection[str]) -> None:
        self._file = file
        self._batch = batch
        self._presence = presence
        self._again = again
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._of_thread = threading.local()

    def store(self, place: tuple[int, int]) -> tuple[str, int]:
        """The piece of these bytes, stored unless it is there."""
        offset, length = place
        data = self._file.read_into(self._buffer(length), offset)
        if len(data) != length:
            raise Damaged(f"{self._file.path} changed while it was read")
        sha256 = pieces.zeros_sha256() if _is_zeros(data) else hashlib.sha256(data).hexdigest()
        with self._lock:
            if sha256 in self._seen:
                return sha256, length
            self._seen.add(sha256)
        compress = compression.pays(data)
        if sha256 in self._again or not self._presence.has(sha256, compressed_first=compress):
            pieces.write(self._batch, sha256, data, compress=compress)
        return sha256, length

    def _buffer(self, length: int) -> memoryview:
        """This thread's. It begins at a memory page, so that a disk can take what is in it directly."""
        buffer: mmap.mmap | None = getattr(self._of_thread, "buffer", None)
        if buffer is None or len(buffer) < length:
            buffer = self._of_thread.buffer = mmap.mmap(-1, length)
        return memoryview(buffer)[:length]


def _is_zeros(data: memoryview) -> bool:
    # Holes are read and compared, not asked for: file systems have been wrong about them (OpenZFS before 2.2.2).
    return len(data) == len(pieces.ZEROS) and not any(data[:64]) and bytes(data) == pieces.ZEROS


class Presence:
    """Which pieces a storage has, asked by several threads. `count`: how many will be asked for."""

    def __init__(self, storage: Storage, count: int) -> None:
        self._storage = storage
        self._listed: list[set[str] | None] = [None] * _PREFIXES
        self._locks = [threading.Lock() for _ in range(_PREFIXES)]
        self._lists = count >= _FEW and storage.parallel > _ONE_BY_ONE and self._is_listing_less(count)

    def has(self, sha256: str, *, compressed_first: bool) -> bool:
        if self._lists:
            return sha256 in self._names(int(sha256[:2], 16))
        return pieces.has(self._storage, sha256, compressed_first=compressed_first)

    def _is_listing_less(self, count: int) -> bool:
        """Judged by the first prefix: hashes are spread evenly. When all names are few they are listed at once, else
        each prefix by the thread that needs it.
        """
        names = len(self._names(0)) * _PREFIXES
        pages = names // _NAMES_A_REQUEST + 1
        if pages <= count // _PIECES_A_PAGE:
            self._list_all()
            return True
        return names <= _MOST_LISTED and pages + _PREFIXES < count

    def _list_all(self) -> None:
        found: list[set[str]] = [set() for _ in range(_PREFIXES)]
        for one in self._storage.list(layout.BLOBS):
            sha256 = layout.content_hash(one.name)
            if sha256 is not None:
                found[int(sha256[:2], 16)].add(sha256)
        self._listed = list(found)

    def _names(self, prefix: int) -> set[str]:
        with self._locks[prefix]:
            names = self._listed[prefix]
            if names is None:
                found = self._storage.list(f"{layout.BLOBS}{prefix:02x}/")
                names = {one.name.rpartition("/")[2].partition(".")[0] for one in found}
                self._listed[prefix] = names
            return names
