"""One tarball's way into pieces and packs, file by file.

Through a temporary directory, which holds the small files of the tarball and one large one at a time.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Collection
from typing import BinaryIO, NamedTuple

from kwrap.errors import StorageError
from kwrap.records import LeftOut
from kwrap.repository import trees
from kwrap.repository.content import Content
from kwrap.repository.keepsake import tarballs
from kwrap.repository.keepsake.tar import Member
from kwrap.repository.local_store import LocalStore, Pack
from kwrap.repository.trees import TreeEntry
from kwrap.storage.base import Storage

_SMALL_BYTES = 256 << 10  # smaller files share a pack
_STEP = 1 << 20

Progress = Callable[[int], None]


class Stored(NamedTuple):
    """A tarball's files as a repository has them now, and what was not fit to be one of them."""

    tree: str
    entries: tuple[TreeEntry, ...]
    refused: tuple[LeftOut, ...]


def store(
    source: Storage, tarball: str, target: Content, progress: Progress, *, again: Collection[str] = frozenset()
) -> Stored:
    """Store what is not there yet, and what `again` names. `progress` is told of bytes.

    The tarball has been read to its end before there is a tree that names anything. Raises Damaged and StorageError.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="kwrap-import-") as directory:
            storing = _Storing(target, directory, again)
            try:
                for member, stream in tarballs.walk(source, tarball):
                    storing.add(member, stream)
                    progress(member.size_bytes)
                entries = storing.finish()
            finally:
                storing.pack.discard()
    except OSError as error:
        raise StorageError(
            f"{tarball} cannot be taken apart below {tempfile.gettempdir()}: {error.strerror}",
            hint="TMPDIR names another directory",
        ) from error
    tree = target.store_tree(trees.encode(entries), again=again)
    return Stored(tree, entries, tuple(storing.refused))


class _Storing:
    def __init__(self, target: Content, directory: str, again: Collection[str]) -> None:
        self._target = target
        self._directory = directory
        self._again = again
        self._local = LocalStore(directory)
        self._found: dict[bytes, TreeEntry] = {}
        self.pack: Pack = self._local.new_pack()
        self.refused: list[LeftOut] = []

    def add(self, member: Member, stream: BinaryIO) -> None:
        """Of two files with one path the later counts."""
        if member.refused is not None:
            self._refuse(member.path, member.refused)
        elif member.size_bytes < _SMALL_BYTES:
            data = stream.read()
            sha256 = hashlib.sha256(data).hexdigest()
            if data and sha256 not in self.pack:
                self.pack.add(sha256, data)
            self._found[member.path] = TreeEntry(member.path, member.mode, member.size_bytes, sha256)
        else:
            path = os.path.join(self._directory, "large")
            with open(path, "wb") as file:
                while chunk := stream.read(_STEP):
                    file.write(chunk)
            self._found[member.path] = self._target.store_file(path, member.path, member.mode, again=self._again)

    def finish(self) -> tuple[TreeEntry, ...]:
        """Store the small files, and give all of them in their order."""
        for path in tarballs.below_files(self._found):
            del self._found[path]
            self._refuse(path, "below what is a file")
        small = [entry for entry in self._found.values() if entry.size_bytes and not entry.pieces]
        if small:
            sha256, _, offsets = self.pack.close()
            self._target.upload_pack(self._local.pack_path(sha256), sha256, again=self._again)
            for entry in small:
                self._found[entry.path] = entry._replace(pack=sha256, offset=offsets[entry.sha256 or ""])
        return tuple(sorted(self._found.values()))

    def _refuse(self, path: bytes, reason: str) -> None:
        self.refused.append(LeftOut(path=os.fsdecode(path), reason=reason))
