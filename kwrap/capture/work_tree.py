"""The files of a git work tree, as git itself lists them: tracked, and untracked but not ignored.

Owns what is added to git's list (empty directories, what cannot be read, what is no file) and taken from it (junk that
somebody tracks, paths below what is a symlink now); knows nothing of sizes and secrets.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable, Iterator

from kwrap.capture import junk
from kwrap.capture.git_process import Git
from kwrap.capture.ignore import GIT_IGNORE_FILE, IgnoreRules
from kwrap.capture.walk import (
    Directory,
    Listing,
    add_ignore_file,
    is_environment,
    join,
    read_directory,
    read_small_file,
)


def find_top(directory: bytes) -> bytes | None:
    """The nearest directory upward that is the top of a git work tree."""
    while True:
        if is_top(directory):
            return directory
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent


def is_top(directory: bytes) -> bool:
    """Whether a directory is the top of a work tree: a repository, a worktree or a submodule."""
    mark = directory.rstrip(b"/") + b"/.git"
    return os.path.isfile(mark) or os.path.isfile(mark + b"/HEAD")


def list_files(git: Git, root: bytes, start: bytes, rules: IgnoreRules, excluded: Collection[bytes]) -> Listing:
    """What git lists below `start` (relative to `root`), with the empty directories that it does not ignore.

    A directory is empty when nothing at all lies in it. It is looked for beside and below captured files only: not
    inside a directory whose files git ignores, which may be a million files of data.
    """
    paths = {join(start, path.rstrip(b"/")) for path in git.files(join(root, start))}
    known = _directories_of(paths, start)
    listing = Listing()
    present = {start}
    pruned: set[bytes] = set()
    candidates: list[bytes] = []
    special: list[bytes] = []
    for where in sorted(known):  # a directory comes before what lies in it
        parent, _, name = where.rpartition(b"/")
        if where != start and (parent in pruned or _is_pruned(where, name, present, excluded)):
            pruned.add(where)
            continue
        try:
            found = read_directory(join(root, where))
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                listing.unreadable.append(where)
            pruned.add(where)
            continue
        if where != start and is_environment(found):
            pruned.add(where)
            continue
        add_ignore_file(rules, root, where, found.others)
        children = [join(where, name) for name in found.directories]
        present.update(children)
        candidates += [path for path in children if path not in known and path not in paths]
        special += [path for path in (join(where, name) for name in found.special) if path not in paths]
    listing.paths = [path for path in paths if path.rpartition(b"/")[0] not in pruned]
    candidates = [path for path in candidates if path not in excluded and not _is_junk(path)]
    _add_beside(git, root, start, listing, candidates, special)
    return listing


def git_ignore_rules(top: bytes, project: bytes) -> IgnoreRules | None:
    """git's ignore rules as far as files tell, for a walk without git; None when they ignore the project itself."""
    inside = project[len(top) :].strip(b"/")
    rules = IgnoreRules((GIT_IGNORE_FILE,), prefix=inside + b"/" if inside else b"")
    excludes = read_small_file(top + b"/.git/info/exclude") or b""
    rules.add_outer(b"", excludes + b"\n" + (read_small_file(top + b"/.gitignore") or b""))
    parts = inside.split(b"/") if inside else []
    for count in range(1, len(parts)):
        outer = b"/".join(parts[:count])
        rules.add_outer(outer, read_small_file(join(join(top, outer), GIT_IGNORE_FILE)) or b"")
    return None if inside and rules.ignores(b"", directory=True) else rules


def _directories_of(paths: Iterable[bytes], start: bytes) -> set[bytes]:
    known = {start}
    for directory in {path.rpartition(b"/")[0] for path in paths}:
        while directory not in known:
            known.add(directory)
            directory = directory.rpartition(b"/")[0]
    return known


def _is_pruned(where: bytes, name: bytes, present: Collection[bytes], excluded: Collection[bytes]) -> bool:
    """Also what the index takes for a directory and is none any more: a symlink must not be followed."""
    return where not in present or where in excluded or junk.is_always_junk(name)


def _is_junk(path: bytes) -> bool:
    return junk.is_always_junk(path.rpartition(b"/")[2])


def _add_beside(
    git: Git, root: bytes, start: bytes, listing: Listing, candidates: list[bytes], special: list[bytes]
) -> None:
    """What git has no word for: empty directories, unreadable ones, FIFOs and their like; unless git ignores them."""
    top = join(root, start)
    skip = len(start) + 1 if start else 0

    def not_ignored(paths: list[bytes]) -> list[bytes]:
        ignored = git.ignored(top, [path[skip:] for path in paths]) if paths else ()
        return [path for path in paths if path[skip:] not in ignored]

    beside = not_ignored(candidates + special)
    of_special = set(special)
    listing.paths += [path for path in beside if path in of_special]
    tops = [path for path in beside if path not in of_special]
    empty = [path for one in tops for path in _empty_below(root, one, listing)]
    known_good = set(tops)
    deeper = set(not_ignored([path for path in empty if path not in known_good]))
    listing.empty_directories += [path for path in empty if path in known_good or path in deeper]


def _empty_below(root: bytes, path: bytes, listing: Listing) -> Iterator[bytes]:
    """The empty directories below one that holds no files."""
    try:
        found = read_directory(join(root, path))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            listing.unreadable.append(path)
        return
    if found == Directory([], [], []):
        yield path
    elif not found.others:
        for name in found.directories:
            if not junk.is_always_junk(name):
                yield from _empty_below(root, join(path, name), listing)
