"""What lies in a directory tree, by our own walk: the way for projects outside git, and when git cannot be used.

Owns the descent and what it skips by name; knows nothing of sizes, secrets or git's index. Symlinks are never
followed. Directories are read breadth first, so that what lies near the top comes in when there is too much.

On the path to the child's start, so: standard library only.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Sequence
from typing import NamedTuple

from kwrap.capture import junk
from kwrap.capture.ignore import IgnoreRules

# An ignore file beyond this is no ignore file.
_MAX_IGNORE_FILE_BYTES = 4 << 20


class Listing:
    """Paths relative to the project: everything that is no directory, empty directories, and what was not read.

    `paths` may also hold directories: repositories inside the project, which are to be listed by themselves.
    """

    __slots__ = ("empty_directories", "paths", "too_many", "unreadable")

    def __init__(self) -> None:
        self.paths: list[bytes] = []
        self.empty_directories: list[bytes] = []
        self.unreadable: list[bytes] = []
        self.too_many: list[bytes] = []


class Directory(NamedTuple):
    """The names in one directory. `others` is all but directories; `special` those that are FIFOs and the like."""

    directories: list[bytes]
    others: list[bytes]
    special: list[bytes]


def walk(
    root: bytes, start: bytes, rules: Sequence[IgnoreRules], excluded: Collection[bytes], max_files: int
) -> Listing:
    """All that lies below `start` (relative to `root`, `b""` for all of it) and is no junk and not ignored."""
    listing = Listing()
    pending = [start]
    for where in pending:  # grows while it is read: breadth first
        if len(listing.paths) >= max_files:
            listing.too_many.append(where)
            continue
        try:
            found = read_directory(join(root, where))
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                listing.unreadable.append(where)
            continue
        if where != start and not _is_entered(where, found):
            continue
        if where != start and (b".git" in found.directories or b".git" in found.others):
            listing.paths.append(where)
            continue
        if where and not found.directories and not found.others:
            listing.empty_directories.append(where)
        directories, others = _kept(root, where, found, rules)
        listing.paths += others
        pending += [path for path in directories if path not in excluded]
    return listing


def _kept(root: bytes, where: bytes, found: Directory, rules: Sequence[IgnoreRules]) -> tuple[list[bytes], list[bytes]]:
    """The paths of a directory's directories and of its other names that are no junk and not ignored."""
    for one in rules:
        add_ignore_file(one, root, where, found.others)
    directories = [join(where, name) for name in sorted(found.directories) if not junk.is_junk_directory(name)]
    others = [join(where, name) for name in sorted(found.others) if not junk.is_junk_file(name)]
    for one in rules:
        if one:
            directories = [path for path in directories if not one.ignores(path, directory=True)]
            others = [path for path in others if not one.ignores(path)]
    return directories, others


def read_directory(path: bytes) -> Directory:
    """The names in a directory, in no order. Raises OSError."""
    found = Directory([], [], [])
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found.directories.append(entry.name)
                continue
            found.others.append(entry.name)
            if not entry.is_file(follow_symlinks=False) and not entry.is_symlink():
                found.special.append(entry.name)
    return found


def add_ignore_file(rules: IgnoreRules, root: bytes, where: bytes, names: Collection[bytes]) -> None:
    """Read the ignore file among a directory's names, the first kind that is there, into the rules."""
    for name in rules.file_names:
        if name in names:
            path = join(where, name)
            text = read_small_file(join(root, path))
            if text is None:
                rules.unreadable.append(path)
            else:
                rules.add(where, text)
            return


def read_small_file(path: bytes) -> bytes | None:
    """A regular file's bytes; None when it is none or cannot be read. Never blocks on a FIFO, follows no symlink."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return os.read(descriptor, _MAX_IGNORE_FILE_BYTES)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def join(directory: bytes, name: bytes) -> bytes:
    """`directory/name`; either may be empty."""
    return directory + b"/" + name if directory and name else directory or name


def is_environment(found: Directory) -> bool:
    """Whether a directory with these names is a Python environment."""
    return any(mark in found.others or mark in found.directories for mark in junk.ENVIRONMENT_MARKS)


def _is_entered(where: bytes, found: Directory) -> bool:
    if is_environment(found):
        return False
    return not junk.is_record_directory(where.rpartition(b"/")[2]) or b"__init__.py" in found.others
