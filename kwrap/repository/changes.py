"""What restoring a snapshot's files into a directory would change, and what it must not.

Owns the comparison with what is there (by kind, size, then SHA-256 of the whole or of its pieces, then mode) and the
refusal of paths that would leave the target, also through a symlink that is already there. Changes nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from kwrap.errors import KwrapError, UnsafePath
from kwrap.repository.backup import describe_file, holds
from kwrap.repository.trees import TreeEntry, check_path


class Change(NamedTuple):
    """What restoring does to one path.

    `action`: "create"; "overwrite" (another content of the same kind); "replace" (something of another kind, or a file
    where a directory has to be); "mode" (only the permissions differ); "unchanged". `size_bytes` is what is written.
    """

    path: bytes
    action: str
    size_bytes: int


def plan(entries: Sequence[TreeEntry], target: str) -> list[Change]:
    """What `apply` would do, in the order of paths, by size and SHA-256 of what is there. Changes nothing.

    Of two entries with one path the later counts. Raises UnsafePath when a path would leave the target.
    """
    return compare(overlay(entries), os.fsencode(target))


def overlay(entries: Iterable[TreeEntry]) -> dict[bytes, TreeEntry]:
    """Entries by path, in order; checked, so that no file lies below another file or a symlink."""
    wanted = {entry.path: entry for entry in entries}
    checked: set[bytes] = set()
    for path in wanted:
        check_path(path)
        for parent in parents(path):
            if parent in checked:
                break
            checked.add(parent)
            above = wanted.get(parent)
            if above is not None and not above.directory:
                raise UnsafePath(
                    f"the snapshot holds both {os.fsdecode(parent)}, which is no directory, and {os.fsdecode(path)}"
                )
    return dict(sorted(wanted.items()))


def compare(wanted: dict[bytes, TreeEntry], root: bytes) -> list[Change]:
    """What putting these entries below `root` would change. Raises KwrapError when that cannot be told."""
    for place in (root, *parents(root)):
        if os.path.lexists(place):
            if not os.path.isdir(place):
                raise KwrapError(f"{os.fsdecode(place)} is no directory", hint="-o names a directory to check out into")
            break
    changes: set[Change] = set()
    known: dict[bytes, bool] = {b"": False}
    try:
        for path, entry in wanted.items():
            missing = _is_missing(os.path.dirname(path), root, known, changes)
            action = "create" if missing else _action(entry, os.path.join(root, path))
            changes.add(Change(path, action, entry.size_bytes))
    except OSError as error:
        raise KwrapError(
            f"{os.fsdecode(error.filename or root)} cannot be compared with the snapshot: {error.strerror}",
            hint="check its permissions, or check out into another directory with -o",
        ) from error
    return sorted(changes)


def _is_missing(directory: bytes, root: bytes, known: dict[bytes, bool], changes: set[Change]) -> bool:
    """Whether a directory does not exist yet; what stands in its place is noted as a change."""
    if directory not in known:
        missing = _is_missing(os.path.dirname(directory), root, known, changes)
        known[directory] = missing or _is_none(directory, root, changes)
    return known[directory]


def _is_none(directory: bytes, root: bytes, changes: set[Change]) -> bool:
    try:
        mode = os.lstat(os.path.join(root, directory)).st_mode
    except FileNotFoundError:
        return True
    if stat.S_ISLNK(mode):
        raise through_symlink(directory)
    if stat.S_ISDIR(mode):
        return False
    changes.add(Change(directory, "replace", 0))
    return True


def _action(entry: TreeEntry, place: bytes) -> str:
    try:
        found = os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return "create"
    if entry.target is not None:
        if not stat.S_ISLNK(found.st_mode):
            return "replace"
        return "unchanged" if os.readlink(place) == entry.target else "overwrite"
    if stat.S_IFMT(found.st_mode) != (stat.S_IFDIR if entry.directory else stat.S_IFREG):
        return "replace"
    if not entry.directory and (found.st_size != entry.size_bytes or not _holds(place, entry)):
        return "overwrite"
    return "unchanged" if stat.S_IMODE(found.st_mode) == entry.mode else "mode"


def _holds(place: bytes, entry: TreeEntry) -> bool:
    try:
        return holds(place, describe_file(entry.sha256, entry.pieces))
    except PermissionError:
        return False


def refuse_to_lose_directories(changes: Sequence[Change], root: bytes) -> None:
    for change in changes:
        place = os.path.join(root, change.path)
        if change.action == "replace" and os.path.isdir(place) and not os.path.islink(place) and os.listdir(place):
            raise KwrapError(
                f"{os.fsdecode(change.path)} is a directory with files in it, and the snapshot has a file there",
                hint="move it away, or check out with a backup",
            )


def parents(path: bytes) -> Iterator[bytes]:
    parent = _above(path)
    while parent and parent != path:
        yield parent
        path, parent = parent, _above(parent)


def _above(path: bytes) -> bytes:
    """As os.path.dirname, in a fifth of the time for what is below the working directory."""
    head, _, _ = path.rpartition(b"/")
    return os.path.dirname(path) if head.endswith(b"/") or (not head and path.startswith(b"/")) else head


def through_symlink(path: bytes) -> UnsafePath:
    return UnsafePath(
        f"{os.fsdecode(path)} is a symlink, and the snapshot has a directory there: its files would land elsewhere",
        hint="move the symlink away, or check out into another directory with -o",
    )
