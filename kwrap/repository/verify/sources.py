"""Bytes of content that lie on this machine outside the repository: the local store, pinned checkpoints, working files.

Nothing is trusted by its name: whoever asks for a hash gets bytes that have it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping

from kwrap.errors import Damaged
from kwrap.repository.local_file import LocalFile
from kwrap.repository.local_store import LocalStore
from kwrap.repository.trees import TreeEntry
from kwrap.rundir import all_run_directories, store_directory


class Sources:
    """Where hashes may be found. `entries`: files of trees that need them, each with its project's directory."""

    def __init__(self, entries: Iterable[tuple[str | None, TreeEntry]], wanted: Collection[str]) -> None:
        self._local = LocalStore(store_directory())
        self._places: dict[str, list[tuple[str, int, int]]] = {}
        self._packs: dict[str, dict[str, list[tuple[str, int]]]] = {}
        pinned = _pinned_by_size()
        for project, entry in entries:
            paths = [os.path.join(project, os.fsdecode(entry.path))] if project else []
            paths += pinned.get(entry.size_bytes, [])
            offset = 0
            for sha256, length in entry.pieces:
                if sha256 in wanted:
                    self._places.setdefault(sha256, []).extend((path, offset, length) for path in paths)
                offset += length
            if entry.pack in wanted and entry.pack is not None and entry.sha256 is not None:
                members = self._packs.setdefault(entry.pack, {})
                members.setdefault(entry.sha256, []).extend((path, entry.size_bytes) for path in paths)

    def tree(self, sha256: str) -> bytes | None:
        return _whole(self._local.tree_path(sha256), sha256)

    def piece(self, sha256: str) -> bytes | None:
        found = _whole(self._local.blob_path(sha256), sha256)
        if found is not None:
            return found
        parts = (_part(path, offset, length) for path, offset, length in self._places.get(sha256, ()))
        return next((part for part in parts if hashlib.sha256(part).hexdigest() == sha256), None)

    def packs(self, sha256: str) -> Iterator[str]:
        """Paths of plain tars that may be it: the local store's, and one made anew from the files that are in it."""
        yield self._local.pack_path(sha256)
        members = {one: _member(one, places) for one, places in self._packs.get(sha256, {}).items()}
        found = {one: data for one, data in members.items() if data is not None}
        if found and len(found) == len(members):
            with tempfile.TemporaryDirectory() as directory:
                yield _packed(directory, found)


def _packed(directory: str, members: Mapping[str, bytes]) -> str:
    store = LocalStore(directory)
    pack = store.new_pack()
    for sha256, data in members.items():
        pack.add(sha256, data)
    sha256, _, _ = pack.close()
    return store.pack_path(sha256)


def _member(sha256: str, places: Iterable[tuple[str, int]]) -> bytes | None:
    parts = (_part(path, 0, size_bytes) for path, size_bytes in places)
    return next((part for part in parts if hashlib.sha256(part).hexdigest() == sha256), None)


def _whole(path: str, sha256: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == sha256 else None


def _part(path: str, offset: int, length: int) -> bytes:
    """As much as there is of it; nothing of a file that cannot be read."""
    try:
        with LocalFile(path) as file:
            return file.read_at(offset, length)
    except Damaged:
        return b""


def _pinned_by_size() -> dict[int, list[str]]:
    """Checkpoint files that runs of this machine have yet to store."""
    found: dict[int, list[str]] = {}
    for run_directory in all_run_directories():
        for place, _, names in os.walk(run_directory.spool):
            for name in names:
                path = os.path.join(place, name)
                try:
                    found.setdefault(os.stat(path).st_size, []).append(path)
                except OSError:
                    continue
    return found
