"""What differs between two code snapshots, file by file.

Reads a file's bytes only where its hash says that they differ, and shows them as text where they are text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from kwrap.analysis.lines import Hunk, hunks
from kwrap.repository.trees import TreeEntry

Read = Callable[[TreeEntry], bytes]

# Where a NUL makes a file binary; git looks as far.
_LOOKED_AT_BYTES = 8000


class FileChange(str, Enum):
    ADDED = "added"
    REMOVED = "removed"
    MODIFIED = "modified"
    RENAMED = "renamed"
    MODE = "mode"
    SYMLINK = "symlink"


class FileKind(str, Enum):
    FILE = "file"
    SYMLINK = "symlink"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDifference:
    """One path that differs. What belongs to a side that is not there is None.

    `mode`: only the permissions changed; `symlink`: only where it points; `renamed`: the same content, `old_path` being
    the left's. A path whose kind changed is removed and added. Modes are octal, as in a manifest. `binary` and
    `too_large` say why there are no hunks; the counts of lines are then unknown.
    """

    path: str
    change: FileChange
    kind: FileKind = FileKind.FILE
    old_path: str | None = None
    left_mode: str | None = None
    right_mode: str | None = None
    left_size_bytes: int | None = None
    right_size_bytes: int | None = None
    left_target: str | None = None
    right_target: str | None = None
    binary: bool = False
    too_large: bool = False
    removed_lines: int | None = None
    added_lines: int | None = None
    hunks: tuple[Hunk, ...] = ()


def code_differences(
    left: Sequence[TreeEntry],
    right: Sequence[TreeEntry],
    read: Read,
    *,
    context: int = 3,
    max_bytes: int = 1_000_000,
) -> list[FileDifference]:
    """The paths that differ, in byte order. A file longer than `max_bytes` is never read.

    Added and removed files come with all their lines, so that the hunks make a whole patch.
    """
    lefts, rights = _by_path(left, right), _by_path(right, left)
    removed = {path: entry for path, entry in lefts.items() if _kind_at(rights, path) != _kind(entry)}
    added = {path: entry for path, entry in rights.items() if _kind_at(lefts, path) != _kind(entry)}
    compare = _Comparison(read, context, max_bytes)
    found = [_renamed(removed.pop(old), added.pop(new)) for old, new in _renames(removed, added)]
    found += [compare.removed(entry) for entry in removed.values()]
    found += [compare.added(entry) for entry in added.values()]
    for path, entry in rights.items():
        if _kind_at(lefts, path) == _kind(entry):
            found += compare.kept(lefts[path], entry)
    # A path that is removed and comes anew, as a file of another kind or under a new name, is removed first.
    return sorted(found, key=lambda one: (_bytes(one.path), one.change is not FileChange.REMOVED))


class _Comparison:
    """Compares one path at a time."""

    def __init__(self, read: Read, context: int, max_bytes: int) -> None:
        self.read = read
        self.context = context
        self.max_bytes = max_bytes

    def removed(self, entry: TreeEntry) -> FileDifference:
        return self.with_lines(FileChange.REMOVED, entry, None)

    def added(self, entry: TreeEntry) -> FileDifference:
        return self.with_lines(FileChange.ADDED, None, entry)

    def kept(self, left: TreeEntry, right: TreeEntry) -> Iterator[FileDifference]:
        """The difference of two entries of one path and one kind, if there is any."""
        if left.target != right.target:
            yield _difference(FileChange.SYMLINK, left, right)
        elif left.target is None and not _same_content(left, right):
            yield self.with_lines(FileChange.MODIFIED, left, right)
        elif left.target is None and left.mode != right.mode:
            yield _difference(FileChange.MODE, left, right)

    def with_lines(self, change: FileChange, left: TreeEntry | None, right: TreeEntry | None) -> FileDifference:
        difference = _difference(change, left, right)
        if difference.kind is not FileKind.FILE:
            return difference
        if max(difference.left_size_bytes or 0, difference.right_size_bytes or 0) > self.max_bytes:
            return replace(difference, too_large=True)
        left_bytes, right_bytes = self.bytes_of(left), self.bytes_of(right)
        if _is_binary(left_bytes) or _is_binary(right_bytes):
            return replace(difference, binary=True)
        found = hunks(_text(left_bytes), _text(right_bytes), context=self.context)
        return replace(
            difference,
            hunks=found,
            removed_lines=sum(line.startswith("-") for hunk in found for line in hunk.lines),
            added_lines=sum(line.startswith("+") for hunk in found for line in hunk.lines),
        )

    def bytes_of(self, entry: TreeEntry | None) -> bytes:
        return self.read(entry) if entry is not None and entry.size_bytes else b""


def _renames(removed: dict[bytes, TreeEntry], added: dict[bytes, TreeEntry]) -> list[tuple[bytes, bytes]]:
    """Pairs of a removed and an added file of the same content; of several, those of the same file name first.

    Empty files are all alike, which says nothing.
    """
    origins: dict[str, list[bytes]] = {}
    for path, entry in sorted(removed.items()):
        if entry.sha256 and entry.size_bytes and _kind(entry) is FileKind.FILE:
            origins.setdefault(entry.sha256, []).append(path)
    pairs: list[tuple[bytes, bytes]] = []
    for same_name in (True, False):
        taken = {new for _, new in pairs}
        for path, entry in sorted(added.items()):
            if path in taken or _kind(entry) is not FileKind.FILE:
                continue
            candidates = origins.get(entry.sha256 or "", [])
            chosen = next((old for old in candidates if not same_name or _name(old) == _name(path)), None)
            if chosen is not None:
                candidates.remove(chosen)
                pairs.append((chosen, path))
    return pairs


def _by_path(entries: Iterable[TreeEntry], others: Iterable[TreeEntry]) -> dict[bytes, TreeEntry]:
    """The entries by path, in byte order, without the empty directories that hold something on the other side."""
    filled: set[bytes] = set()
    for other in others:
        parts = other.path.split(b"/")
        filled.update(b"/".join(parts[:depth]) for depth in range(1, len(parts)))
    return {entry.path: entry for entry in sorted(entries) if not (entry.directory and entry.path in filled)}


def _kind(entry: TreeEntry) -> FileKind:
    if entry.target is not None:
        return FileKind.SYMLINK
    return FileKind.DIRECTORY if entry.directory else FileKind.FILE


def _kind_at(entries: dict[bytes, TreeEntry], path: bytes) -> FileKind | None:
    return _kind(entries[path]) if path in entries else None


def _same_content(left: TreeEntry, right: TreeEntry) -> bool:
    return (left.sha256, left.size_bytes) == (right.sha256, right.size_bytes) or not (
        left.size_bytes or right.size_bytes
    )


def _renamed(left: TreeEntry, right: TreeEntry) -> FileDifference:
    return replace(_difference(FileChange.RENAMED, left, right), old_path=_text(left.path))


def _difference(change: FileChange, left: TreeEntry | None, right: TreeEntry | None) -> FileDifference:
    present = right if right is not None else left
    assert present is not None
    return FileDifference(
        path=_text(present.path),
        change=change,
        kind=_kind(present),
        left_mode=_mode(left),
        right_mode=_mode(right),
        left_size_bytes=_size(left),
        right_size_bytes=_size(right),
        left_target=_target(left),
        right_target=_target(right),
    )


def _mode(entry: TreeEntry | None) -> str | None:
    return None if entry is None or entry.target is not None else f"{entry.mode:o}"


def _size(entry: TreeEntry | None) -> int | None:
    return None if entry is None or _kind(entry) is not FileKind.FILE else entry.size_bytes


def _target(entry: TreeEntry | None) -> str | None:
    return None if entry is None or entry.target is None else _text(entry.target)


def _is_binary(data: bytes) -> bool:
    return b"\0" in data[:_LOOKED_AT_BYTES]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]
