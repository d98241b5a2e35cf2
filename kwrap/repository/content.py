"""Content: trees, packs and pieces, all named by the SHA-256 of their plain bytes, so that nothing is stored twice.

Every write is durable on return, so that what names it may be written next. Writing what is there already writes
nothing. Knows nothing of experiments.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from typing import BinaryIO, cast

from kwrap.errors import Damaged, NotFound
from kwrap.repository import compression, fetching, layout, packs, pieces, storing, trees
from kwrap.repository.local_file import LocalFile
from kwrap.repository.trees import TreeEntry
from kwrap.storage.base import Storage

_TREE_LEVEL = 3
_COMPARED_BYTES = 1 << 20


class Content:
    """What trees, packs and pieces a repository holds, and how to add and read them."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    # What `again` names is written though it is there: the collector has condemned what lies there.

    def store_file(self, path: str, name: bytes, mode: int, *, again: Collection[str] = frozenset()) -> TreeEntry:
        """Store a local file in pieces, and give its entry. Memory is bounded as `storing` says.

        Raises Damaged when the file cannot be read, or changed while it was: what was read of it then may never have
        existed. Trying again does not help, as it may after a StorageError.
        """
        with LocalFile(path) as file:
            before = file.version()
            found = storing.store_pieces(self._storage, file, before[0], again)
            if file.version() != before:
                raise Damaged(f"{path} changed while it was read")
        sha256 = found[0][0] if len(found) == 1 else None if found else fetching.EMPTY_SHA256
        return TreeEntry(path=name, mode=mode, size_bytes=before[0], sha256=sha256, pieces=found)

    def store_tree(self, manifest: bytes, *, again: Collection[str] = frozenset()) -> str:
        """Store a manifest's plain bytes, and give its name."""
        sha256 = hashlib.sha256(manifest).hexdigest()
        if sha256 in again or not self.has_tree(sha256):
            self._storage.write(layout.tree(sha256), compression.compress(manifest, _TREE_LEVEL))
        return sha256

    def has_tree(self, sha256: str) -> bool:
        return self._storage.size(layout.tree(sha256)) is not None

    def has_pack(self, sha256: str) -> bool:
        return self._storage.size(layout.pack(sha256)) is not None

    def has_blob(self, sha256: str) -> bool:
        return pieces.has(self._storage, sha256)

    def tree(self, sha256: str) -> tuple[TreeEntry, ...]:
        """The entries of a manifest. Raises Damaged when it is missing or not what its name says."""
        where = f"{self._storage.url}/{layout.tree(sha256)}"
        try:
            data = compression.decompress(self._storage.read(layout.tree(sha256)), where)
        except NotFound as error:
            raise Damaged(f"the manifest {where} is missing") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Damaged(f"{where} is damaged: its bytes are not those that its name says")
        return trees.decode(data)

    def upload_pack(self, path: str, sha256: str, *, again: Collection[str] = frozenset()) -> None:
        """Store a local plain tar, unless it is there. Raises Damaged when it cannot be read or its hash is another."""
        if sha256 in again or not self.has_pack(sha256):
            packs.upload(self._storage, path, sha256)

    def upload_blob(self, path: str, sha256: str, *, again: Collection[str] = frozenset()) -> None:
        """Store a local plain piece, unless it is there. Raises Damaged as `upload_pack` does."""
        if sha256 not in again and self.has_blob(sha256):
            return
        with LocalFile(path) as file:
            data = file.fill(memoryview(bytearray(file.version()[0])))
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Damaged(f"{path} is damaged: its bytes are not those that its name says")
        pieces.write(self._storage, sha256, data)

    def open_entry(self, entry: TreeEntry) -> BinaryIO:
        """A seekable stream over a file's bytes, verified piece by piece: reading raises Damaged."""
        if entry.pack is not None:
            return io.BytesIO(packs.read_member(self._storage, entry))
        return io.BufferedReader(fetching.PieceReader(self._storage, entry))

    def read_entry(self, entry: TreeEntry) -> bytes:
        """A file's bytes, verified: raises Damaged when they are not those that were recorded."""
        _, stream = next(self.entries_in_pack_order([entry]))
        return stream.read()

    def same_content(self, entry: TreeEntry, other: TreeEntry, there: Content | None = None) -> bool:
        """Whether two regular files hold the same, the other one in `there`. Read only where nothing else tells."""
        known = trees.same_content(entry, other)
        if known is not None:
            return known
        with self.open_entry(entry) as one, (there or self).open_entry(other) as two:
            while (data := one.read(_COMPARED_BYTES)) == two.read(_COMPARED_BYTES):
                if not data:
                    return True
        return False

    def entries_in_pack_order(self, entries: Iterable[TreeEntry]) -> Iterator[tuple[TreeEntry, BinaryIO]]:
        """Regular files with their bytes, verified while they are read; each pack is decompressed once.

        A stream is read forwards, and is valid until the next is taken. What comes next is fetched meanwhile, as
        `fetching` says. Symlinks and directories are passed over.
        """
        files = [entry for entry in entries if entry.target is None and not entry.directory]
        for entry, data in packs.members(self._storage, (entry for entry in files if entry.pack is not None)):
            yield entry, io.BytesIO(data)
        for entry, stream in fetching.streams(self._storage, (entry for entry in files if entry.pack is None)):
            yield entry, cast(BinaryIO, stream)

    def write_entries(
        self,
        entries: Iterable[TreeEntry],
        begin: Callable[[TreeEntry], int],
        progress: Callable[[int], None] | None = None,
    ) -> Generator[TreeEntry, None, None]:
        """Files in pieces, verified and written by several threads into empty files, as `fetching.write` says."""
        return fetching.write(self._storage, entries, begin, progress)
