"""The files of a repository of Keepsake's, in the shape that everything else reads files in.

A tree is a tarball, and is named by it. It is read twice when it is restored: once to see what is in it, and that all
of it is there, before anything is put anywhere; and once to put it there.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import BinaryIO, cast

from kwrap.errors import Damaged, StorageError, UnsafePath
from kwrap.repository.content import Content
from kwrap.repository.keepsake import tarballs
from kwrap.repository.trees import TreeEntry
from kwrap.storage.base import Storage

_STEP = 1 << 20
_TREES_KEPT = 16  # a command looks at a few; whoever goes through a repository does not come back to one
_IN_MEMORY_BYTES = 64 << 20  # of a file that is read at will; a larger one lies in a temporary file


class KeepsakeContent(Content):
    """What tarballs hold. Writing is refused by the storage."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage)
        self._known: dict[str, tuple[TreeEntry, ...]] = {}

    def has_tree(self, sha256: str) -> bool:
        return self._storage.size(sha256) is not None

    def tree(self, sha256: str) -> tuple[TreeEntry, ...]:
        """The files of a tarball, which is read for it. Raises Damaged; UnsafePath when any must not be restored."""
        if sha256 not in self._known:
            found = tarballs.contents(self._storage, sha256)
            if found.refused:
                more = f", and {len(found.refused) - 1} more like it" if len(found.refused) > 1 else ""
                raise UnsafePath(
                    f"{found.refused[0]}{more}", hint="Keepsake writes none such; nothing of this tarball is restored"
                )
            if len(self._known) >= _TREES_KEPT:
                del self._known[next(iter(self._known))]
            self._known[sha256] = found.entries
        return self._known[sha256]

    def open_entry(self, entry: TreeEntry) -> BinaryIO:
        """A seekable stream over a file's verified bytes."""
        spooled = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)
        try:
            for _, stream in self.entries_in_pack_order([entry]):
                while chunk := stream.read(_STEP):
                    spooled.write(chunk)
            spooled.seek(0)
        except OSError as error:
            raise StorageError(
                f"'{os.fsdecode(entry.path)}' finds no room below {tempfile.gettempdir()}: {error.strerror}",
                hint="TMPDIR names another directory",
            ) from error
        return cast(BinaryIO, spooled)

    def read_entry(self, entry: TreeEntry) -> bytes:
        with self.open_entry(entry) as stream:
            return stream.read()

    def entries_in_pack_order(self, entries: Iterable[TreeEntry]) -> Iterator[tuple[TreeEntry, BinaryIO]]:
        """Files with their bytes, whose hashes are verified at their end; each tarball is read once."""
        files = sorted((entry for entry in entries), key=lambda entry: (entry.pack or "", entry.offset))
        for tarball, of_tarball in groupby(files, key=lambda entry: entry.pack or ""):
            for entry, stream in tarballs.files(self._storage, tarball, list(of_tarball)):
                yield entry, cast(BinaryIO, _Verified(stream, entry, f"{self._storage.url}/{tarball}"))


class _Verified:
    """A file's bytes; raises Damaged at their end when they are not those that were there at the first look."""

    def __init__(self, stream: BinaryIO, entry: TreeEntry, where: str) -> None:
        self._stream = stream
        self._entry = entry
        self._where = where
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._digest.update(data)
        if (size < 0 or (size and not data)) and self._digest.hexdigest() != self._entry.sha256:
            raise Damaged(f"{self._where} has changed: '{os.fsdecode(self._entry.path)}' is not what it was")
        return data
