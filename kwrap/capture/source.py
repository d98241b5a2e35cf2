"""Which files of a project a code snapshot holds.

Owns the selection: git's list in a git work tree, else our own walk; then ignore files, secrets by name, the size
guard. Reads no file but ignore files, writes nothing, and starts nothing but git. Everything left out for a reason
that a person may want to know is named; junk and what ignore files leave out is not.

On the path to the child's start, so: standard library only.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import NamedTuple

from kwrap.capture import junk
from kwrap.capture.git_process import Git, GitFailed
from kwrap.capture.ignore import IgnoreRules
from kwrap.capture.walk import Listing, join, walk
from kwrap.capture.work_tree import find_top, git_ignore_rules, is_top, list_files
from kwrap.errors import KwrapError

MAX_FILE_BYTES = 10_000_000
MAX_TOTAL_BYTES = 200_000_000
# Far more than any source tree: someone runs in a data directory, and the child is waiting.
MAX_FILES = 100_000
GIT_LIMIT_S = 10.0

TOO_LARGE = "too large"
TOTAL_TOO_LARGE = "total too large"
TOO_MANY = "too many files"
SECRET = "secret"
CHECKPOINT = "checkpoint of an earlier run"
UNREADABLE = "unreadable"
NOT_REGULAR = "not a regular file"

_EFFECTIVE_IDS = os.access in os.supports_effective_ids


class SourceFile(NamedTuple):
    """One path to capture, relative to the project, as `lstat` saw it.

    `kind` is "file", "symlink" or "directory" (an empty one; its times and inode are 0: it has no content that
    could change). `mode` is the permission bits without set-user-id and the like.
    """

    path: bytes
    kind: str
    size_bytes: int
    mode: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class LeftOutFile(NamedTuple):
    """A path that is not captured, and why; a size of None is not known."""

    path: bytes
    size_bytes: int | None
    reason: str


class Selection(NamedTuple):
    """What to capture and what is left out, both in byte order of their paths. `notes` are sentences for a person."""

    files: list[SourceFile]
    left_out: list[LeftOutFile]
    notes: Sequence[str] = ()


def select(
    project_directory: bytes,
    *,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_total_bytes: int = MAX_TOTAL_BYTES,
    excluded: Sequence[bytes] = (),
    written: Collection[bytes] = (),
    max_files: int = MAX_FILES,
    git_limit_s: float = GIT_LIMIT_S,
) -> Selection:
    """The files of a project. `excluded` are absolute directories never captured, such as the repository; `written`
    are paths that earlier runs wrote as checkpoints.

    Raises KwrapError when the project directory cannot be read.
    """
    root = os.path.realpath(project_directory)
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise KwrapError(
            f"the project directory {os.fsdecode(project_directory)} cannot be read: {error.strerror}",
            hint="name another with --project-directory, or record without the code: --no-snapshot",
        ) from error
    try:
        lister = _Lister(root, _below(root, excluded), max_files, git_limit_s)
        found = _Found(descriptor, max_file_bytes, written)
        pending = [b""]
        for start in pending:  # grows while it is read: repositories inside the project are listed by themselves
            listing = lister.find(start)
            found.add(listing, lister.rules)
            pending += [path for path in found.take_directories() if lister.is_entered(path)]
        files = _within_total(found.files, found.left_out, max_total_bytes)
        return Selection(sorted(files), sorted(found.left_out, key=attrgetter("path")), lister.all_notes())
    finally:
        os.close(descriptor)


class _Lister:
    """Finds the paths below a directory of the project, by git or by walking."""

    def __init__(self, root: bytes, excluded: Collection[bytes], max_files: int, git_limit_s: float) -> None:
        self.rules = IgnoreRules()
        self.notes: list[str] = []
        self._root = root
        self._excluded = excluded
        self._left = max_files
        self._git: Git | None = Git(git_limit_s)

    def find(self, start: bytes) -> Listing:
        """The paths below `start`, cut to what is left of the limit."""
        listing = self._find(start)
        if len(listing.paths) > self._left:
            listing.paths.sort(key=lambda path: (path.count(b"/"), path))
            listing.too_many += listing.paths[self._left :]
            del listing.paths[self._left :]
        self._left -= len(listing.paths)
        return listing

    def is_entered(self, path: bytes) -> bool:
        """Whether a repository inside the project is captured."""
        if path in self._excluded or junk.is_always_junk(path.rpartition(b"/")[2]):
            return False
        return not self.rules.ignores(path, directory=True)

    def all_notes(self) -> list[str]:
        unreadable = [
            f"{os.fsdecode(path)} cannot be read, so its patterns do not count" for path in self.rules.unreadable
        ]
        return self.notes + unreadable

    def _find(self, start: bytes) -> Listing:
        here = join(self._root, start)
        top = here if is_top(here) else None if start else find_top(here)
        if top is None:
            return self._walk(start, [])
        if self._git is not None:
            try:
                listing = list_files(self._git, self._root, start, self.rules, self._excluded)
                if listing.paths or top == here or not self._git.ignored(here, [b""]):
                    return listing
                return self._walk(start, [])  # a project inside a directory that the repository around it ignores
            except GitFailed as error:
                self.notes.append(f"the files were found without git, by .gitignore files alone: {error}")
                self._git = None
        git_rules = git_ignore_rules(top, here)
        return self._walk(start, [git_rules] if git_rules is not None else [])

    def _walk(self, start: bytes, more: Sequence[IgnoreRules]) -> Listing:
        return walk(self._root, start, [self.rules, *more], self._excluded, self._left)


class _Found:
    """Sorts paths into files to capture and what is left out, by what `lstat` says."""

    def __init__(self, descriptor: int, max_file_bytes: int, written: Collection[bytes]) -> None:
        self.files: list[SourceFile] = []
        self.left_out: list[LeftOutFile] = []
        self._directories: list[bytes] = []
        self._descriptor = descriptor
        self._max_file_bytes = max_file_bytes
        self._written = written
        self._user = os.geteuid()

    def take_directories(self) -> list[bytes]:
        """Directories among the paths since the last call."""
        directories, self._directories = self._directories, []
        return directories

    def add(self, listing: Listing, rules: IgnoreRules) -> None:
        for path in [path for path in listing.paths if not rules.ignores(path)] if rules else listing.paths:
            self._add(path)
        for path in listing.empty_directories:
            if not rules.ignores(path, directory=True):
                self._add_directory(path)
        self.left_out += [LeftOutFile(path, None, TOO_MANY) for path in listing.too_many if not rules.ignores(path)]
        for path in listing.unreadable:
            if not rules.ignores(path, directory=True):
                self.left_out.append(LeftOutFile(path, None, UNREADABLE))

    def _add(self, path: bytes) -> None:
        try:
            found = os.lstat(path, dir_fd=self._descriptor)
        except PermissionError:
            self.left_out.append(LeftOutFile(path, None, UNREADABLE))
            return
        except OSError:  # tracked but deleted, or gone since it was listed
            return
        mode = found.st_mode
        if stat.S_ISREG(mode):
            reason = self._reason(path, found)
            if reason is not None:
                self.left_out.append(LeftOutFile(path, found.st_size, reason))
                return
            kind = "file"
        elif stat.S_ISLNK(mode):
            kind = "symlink"
        elif stat.S_ISDIR(mode):
            self._directories.append(path)
            return
        else:
            self.left_out.append(LeftOutFile(path, None, NOT_REGULAR))
            return
        self.files.append(
            SourceFile(path, kind, found.st_size, mode & 0o777, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        )

    def _add_directory(self, path: bytes) -> None:
        try:
            mode = os.lstat(path, dir_fd=self._descriptor).st_mode
        except OSError:
            return
        self.files.append(SourceFile(path, "directory", 0, mode & 0o777, 0, 0, 0))

    def _reason(self, path: bytes, found: os.stat_result) -> str | None:
        """Why a regular file is left out."""
        directory, _, name = path.rpartition(b"/")
        if junk.is_secret(directory, name):
            return SECRET
        if path in self._written:
            return CHECKPOINT
        if found.st_size > self._max_file_bytes:
            return TOO_LARGE
        own = found.st_uid == self._user and found.st_mode & stat.S_IRUSR
        if own or found.st_mode & 0o444 == 0o444:
            return None
        readable = os.access(path, os.R_OK, dir_fd=self._descriptor, effective_ids=_EFFECTIVE_IDS)
        return None if readable else UNREADABLE


def _within_total(files: list[SourceFile], left_out: list[LeftOutFile], max_total_bytes: int) -> list[SourceFile]:
    """Leaves out the largest files until the rest fits."""
    total = sum(file.size_bytes for file in files if file.kind == "file")
    if total <= max_total_bytes:
        return files
    dropped: set[bytes] = set()
    for file in sorted(files, key=lambda file: (-file.size_bytes, file.path)):
        if total <= max_total_bytes:
            break
        if file.kind == "file":
            total -= file.size_bytes
            dropped.add(file.path)
            left_out.append(LeftOutFile(file.path, file.size_bytes, TOTAL_TOO_LARGE))
    return [file for file in files if file.path not in dropped]


def _below(root: bytes, directories: Sequence[bytes]) -> frozenset[bytes]:
    """Those directories that lie inside the root, relative to it."""
    real = (os.path.realpath(directory) for directory in directories)
    prefix = root.rstrip(b"/") + b"/"
    return frozenset(path[len(prefix) :] for path in real if path.startswith(prefix))
