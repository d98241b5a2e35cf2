"""Content: trees, packs and pieces, all named by the SHA-256 of their plain bytes, so that nothing is stored twice.

Every write is durable on return, so that what names it may be written next. Writing what is there already writes
nothing. Knows nothing of experiments.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from kwrap.errors import Damaged, NotFound
from kwrap.repository import compression, layout, packs, pieces, trees
from kwrap.repository.local_file import LocalFile
from kwrap.repository.trees import TreeEntry
from kwrap.storage.base import Storage

_TREE_LEVEL = 3


class Content:
    """What trees, packs and pieces a repository holds, and how to add and read them."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def store_file(self, path: str, name: bytes, mode: int) -> TreeEntry:
        """Store a local file in pieces, and give its entry. Takes bounded memory: a few pieces.

        Raises Damaged when the file cannot be read, or changed while it was: what was read of it then may never have
        existed. Trying again does not help, as it may after a StorageError.
        """
        with LocalFile(path) as file:
            before = file.version()
            entry = self._store_whole(file, before[0]) if before[0] <= pieces.PIECE_BYTES else self._store_cut(file)
            if file.version() != before or entry.size_bytes != before[0]:
                raise Damaged(f"{path} changed while it was read")
        return entry._replace(path=name, mode=mode)

    def _store_whole(self, file: LocalFile, size_bytes: int) -> TreeEntry:
        data = file.fill(memoryview(bytearray(size_bytes + 1)))  # one more, to see that it grew
        sha256 = hashlib.sha256(data).hexdigest()
        if data and not self.has_blob(sha256):
            pieces.write(self._storage, sha256, data)
        return TreeEntry(path=b"", size_bytes=len(data), sha256=sha256, pieces=((sha256, len(data)),) if data else ())

    def _store_cut(self, file: LocalFile) -> TreeEntry:
        found: list[tuple[str, int]] = []
        written = set()
        cut = pieces.Cut(file)
        with self._storage.batch() as batch:
            for piece in cut:
                sha256 = hashlib.sha256(piece).hexdigest()
                found.append((sha256, len(piece)))
                if sha256 not in written and not self.has_blob(sha256):
                    pieces.write(batch, sha256, piece)
                    written.add(sha256)
        return TreeEntry(path=b"", size_bytes=cut.size_bytes, sha256=cut.sha256(), pieces=tuple(found))

    def store_tree(self, manifest: bytes) -> str:
        """Store a manifest's plain bytes, and give its name."""
        sha256 = hashlib.sha256(manifest).hexdigest()
        if not self.has_tree(sha256):
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

    def upload_pack(self, path: str, sha256: str) -> None:
        """Store a local plain tar, unless it is there. Raises Damaged when it cannot be read or its hash is another."""
        packs.upload(self._storage, path, sha256)

    def upload_blob(self, path: str, sha256: str) -> None:
        """Store a local plain piece, unless it is there. Raises Damaged as `upload_pack` does."""
        if self.has_blob(sha256):
            return
        with LocalFile(path) as file:
            data = file.fill(memoryview(bytearray(file.version()[0])))
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Damaged(f"{path} is damaged: its bytes are not those that its name says")
        pieces.write(self._storage, sha256, data)

    def open_entry(self, entry: TreeEntry) -> BinaryIO:
        """A seekable stream over a file's bytes, whose hash is not verified."""
        if entry.pack is not None:
            return io.BytesIO(packs.read_member(self._storage, entry))
        return io.BufferedReader(pieces.PieceReader(self._storage, entry))

    def read_entry(self, entry: TreeEntry) -> bytes:
        """A file's bytes, verified: raises Damaged when they are not those that were recorded."""
        _, stream = next(self.entries_in_pack_order([entry]))
        data = stream.read()
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise Damaged(f"'{os.fsdecode(entry.path)}' in {self._storage.url} is not what was recorded")
        return data

    def entries_in_pack_order(self, entries: Iterable[TreeEntry]) -> Iterator[tuple[TreeEntry, BinaryIO]]:
        """Regular files with their bytes, whose hashes are verified as they are read; each pack is decompressed once.

        A stream is valid until the next is taken. Symlinks and directories are passed over.
        """
        files = [entry for entry in entries if entry.target is None and not entry.directory]
        for entry, data in packs.members(self._storage, (entry for entry in files if entry.pack is not None)):
            yield entry, io.BytesIO(data)
        for entry in files:
            if entry.pack is None:
                yield entry, io.BufferedReader(pieces.PieceReader(self._storage, entry, verify=True))
