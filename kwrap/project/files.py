"""Files of snapshots and checkpoints: laid over each other, and found by a path or by the end of one."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import BinaryIO

from kwrap.errors import AmbiguousId, UnknownId
from kwrap.repository.content import Content
from kwrap.repository.trees import TreeEntry

_LINKS_FOLLOWED = 10


def overlaid(below: Sequence[TreeEntry], above: Sequence[TreeEntry]) -> list[TreeEntry]:
    """Both, in path order; where both have a path, what lies above.

    A file above takes the place of a directory below, and with it of all that was in there, and the other way round.
    """
    entries = {entry.path: entry for entry in above}
    filled = {parent for path in entries for parent in _parents(path)}
    for entry in below:
        hidden = (
            entry.path in entries or entry.path in filled or any(_is_file(entries, at) for at in _parents(entry.path))
        )
        if not hidden:
            entries[entry.path] = entry
    return sorted(entries.values())


def open_file(content: Content, trees: Sequence[Sequence[TreeEntry]], wanted: str, where: str) -> BinaryIO:
    """A seekable stream of a file from the first of the trees that has it, symlinks being followed within the tree.

    A path that no tree has in full may be the last parts of exactly one. Raises UnknownId and AmbiguousId.
    """
    path = os.fsencode(posixpath.normpath(wanted))
    for tree in trees:
        by_path = {entry.path: entry for entry in tree if not entry.directory}
        found = _followed(by_path, path) if path in by_path else _by_ending(by_path, path, wanted, where)
        if found is not None:
            return content.open_entry(found)
    raise _not_there([entry for tree in trees for entry in tree], wanted, where)


def without_links(entries: Sequence[TreeEntry]) -> tuple[list[TreeEntry], list[TreeEntry]]:
    """Regular files only: a symlink to a file of the tree becomes a copy of it; and the symlinks that lead to none."""
    by_path = {entry.path: entry for entry in entries if not entry.directory}
    files: list[TreeEntry] = []
    left_out: list[TreeEntry] = []
    for path, entry in by_path.items():
        found = _followed(by_path, path)
        if found is None:
            left_out.append(entry)
        else:
            files.append(found._replace(path=path))
    return files, left_out


def _by_ending(by_path: Mapping[bytes, TreeEntry], path: bytes, wanted: str, where: str) -> TreeEntry | None:
    matching = [one for one in by_path if one.endswith(b"/" + path)]
    if len(matching) > 1:
        raise AmbiguousId(
            f"'{wanted}' means {len(matching)} files of {where}: {', '.join(map(os.fsdecode, matching[:5]))}",
            hint="give more of the path",
        )
    return _followed(by_path, matching[0]) if matching else None


def _followed(by_path: Mapping[bytes, TreeEntry], path: bytes) -> TreeEntry | None:
    """The regular file that a path leads to within its tree; None where it leads out of it or nowhere."""
    for _ in range(_LINKS_FOLLOWED):
        entry = by_path.get(path)
        if entry is None or entry.target is None:
            return entry
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.target))
    return None


def _not_there(entries: Sequence[TreeEntry], wanted: str, where: str) -> UnknownId:
    paths = sorted({os.fsdecode(entry.path) for entry in entries if not entry.directory})
    names = {posixpath.basename(path): path for path in paths}
    near = get_close_matches(wanted, paths, n=3) or [names[one] for one in get_close_matches(wanted, names, n=3)]
    hint = f"did you mean {' or '.join(near)}?" if near else "'kwrap show' lists the files of its checkpoints"
    return UnknownId(f"{where} has no file '{wanted}'", hint=hint)


def _parents(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:depth]) for depth in range(1, len(parts))]


def _is_file(entries: Mapping[bytes, TreeEntry], path: bytes) -> bool:
    return path in entries and not entries[path].directory
