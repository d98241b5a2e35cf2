"""What differs between two code snapshots, file by file.

Reads a file's bytes only where its hash says that they differ, and shows them as text where they are text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from kwrap.analysis.lines import Hunk, hunks
from kwrap.repository.trees import TreeEntry, pieces_sha256

# Files with their bytes, in any order: they lie together in packs, so that many at once cost little more than one.
Read = Callable[[Sequence[TreeEntry]], Iterable[tuple[TreeEntry, bytes]]]
# Whether two files, one of each snapshot, hold the same.
Same = Callable[[TreeEntry, TreeEntry], bool]

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
    read_left: Read,
    read_right: Read,
    same: Same,
    *,
    context: int = 3,
    max_bytes: int = 1_000_000,
) -> list[FileDifference]:
    """The paths that differ, in byte order. Lines of a file longer than `max_bytes` are never compared.

    Added and removed files come with all their lines, so that the hunks make a whole patch.
    """
    pairs = _differing(_by_path(left, right), _by_path(right, left), same)
    compared = [pair for pair in pairs if pair.has_lines and pair.size_bytes <= max_bytes]
    contents: dict[str, bytes] = {}
    _read_into(contents, [pair.left for pair in compared if pair.left], read_left)
    _read_into(contents, [pair.right for pair in compared if pair.right], read_right)
    found = []
    for pair in pairs:
        difference = _difference(pair)
        if pair.has_lines:
            too_large = pair.size_bytes > max_bytes
            difference = replace(difference, too_large=True) if too_large else _with_lines(pair, contents, context)
        found.append(difference)
    return found


class _Pair(NamedTuple):
    """What is at one path, or of a renamed file at two; at least one of them is there."""

    change: FileChange
    left: TreeEntry | None
    right: TreeEntry | None

    @property
    def has_lines(self) -> bool:
        """Whether it is a file whose content is not the same."""
        changed = self.change in (FileChange.ADDED, FileChange.REMOVED, FileChange.MODIFIED)
        return changed and _kind(self.entry) is FileKind.FILE

    @property
    def entry(self) -> TreeEntry:
        """The right one, where there is one."""
        there = self.left if self.right is None else self.right
        assert there is not None
        return there

    @property
    def size_bytes(self) -> int:
        """Of the larger one."""
        return max(_size(self.left) or 0, _size(self.right) or 0)


def _differing(lefts: dict[bytes, TreeEntry], rights: dict[bytes, TreeEntry], same: Same) -> list[_Pair]:
    removed = {path: entry for path, entry in lefts.items() if _kind_at(rights, path) != _kind(entry)}
    added = {path: entry for path, entry in rights.items() if _kind_at(lefts, path) != _kind(entry)}
    found = [_Pair(FileChange.RENAMED, removed.pop(old), added.pop(new)) for old, new in _renames(removed, added)]
    found += [_Pair(FileChange.REMOVED, entry, None) for entry in removed.values()]
    found += [_Pair(FileChange.ADDED, None, entry) for entry in added.values()]
    for path, entry in rights.items():
        if _kind_at(lefts, path) == _kind(entry):
            change = _change(lefts[path], entry, same)
            found += [_Pair(change, lefts[path], entry)] if change else []
    # A path that is removed and comes anew, as a file of another kind or under a new name, is removed first.
    return sorted(found, key=lambda one: (one.entry.path, one.change is not FileChange.REMOVED))


def _change(left: TreeEntry, right: TreeEntry, same: Same) -> FileChange | None:
    """How two entries of one path and one kind differ."""
    if left.target != right.target:
        return FileChange.SYMLINK
    if _kind(left) is FileKind.FILE and not same(left, right):
        return FileChange.MODIFIED
    return FileChange.MODE if left.target is None and left.mode != right.mode else None


def _read_into(contents: dict[str, bytes], entries: Sequence[TreeEntry], read: Read) -> None:
    """What the entries hold, by its hash; of what is binary, only as much as shows that."""
    missing = {_identity(entry): entry for entry in entries if entry.size_bytes and _identity(entry) not in contents}
    for entry, data in read(list(missing.values())):
        contents[_identity(entry)] = data[:_LOOKED_AT_BYTES] if _is_binary(data) else data


def _with_lines(pair: _Pair, contents: Mapping[str, bytes], context: int) -> FileDifference:
    difference = _difference(pair)
    left, right = (contents.get(_identity(one), b"") if one else b"" for one in (pair.left, pair.right))
    if _is_binary(left) or _is_binary(right):
        return replace(difference, binary=True)
    found = hunks(_text(left), _text(right), context=context)
    return replace(
        difference,
        hunks=found,
        removed_lines=sum(line.startswith("-") for hunk in found for line in hunk.lines),
        added_lines=sum(line.startswith("+") for hunk in found for line in hunk.lines),
    )


def _renames(removed: dict[bytes, TreeEntry], added: dict[bytes, TreeEntry]) -> list[tuple[bytes, bytes]]:
    """Pairs of a removed and an added file of the same content; of several, those of the same file name first.

    Empty files are all alike, which says nothing.
    """
    origins: dict[str, list[bytes]] = {}
    for path, entry in sorted(removed.items()):
        if entry.size_bytes and _kind(entry) is FileKind.FILE:
            origins.setdefault(_identity(entry), []).append(path)
    pairs: list[tuple[bytes, bytes]] = []
    for same_name in (True, False):
        taken = {new for _, new in pairs}
        for path, entry in sorted(added.items()):
            if path in taken or _kind(entry) is not FileKind.FILE:
                continue
            candidates = origins.get(_identity(entry), [])
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


def _identity(entry: TreeEntry) -> str:
    """What is equal only for equal content."""
    return entry.sha256 or pieces_sha256(entry.pieces) or ""


def _difference(pair: _Pair) -> FileDifference:
    return FileDifference(
        path=_text(pair.entry.path),
        change=pair.change,
        kind=_kind(pair.entry),
        old_path=_text(pair.left.path) if pair.left and pair.change is FileChange.RENAMED else None,
        left_mode=_mode(pair.left),
        right_mode=_mode(pair.right),
        left_size_bytes=_size(pair.left),
        right_size_bytes=_size(pair.right),
        left_target=_target(pair.left),
        right_target=_target(pair.right),
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


def _name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]
