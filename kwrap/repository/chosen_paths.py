"""Which of a snapshot's files a person means by `--path`."""

from __future__ import annotations

import difflib
import fnmatch
import os
import re
from collections.abc import Sequence

from kwrap.errors import KwrapError
from kwrap.repository.changes import parents
from kwrap.repository.trees import TreeEntry


def select_paths(entries: Sequence[TreeEntry], patterns: Sequence[str]) -> list[TreeEntry]:
    """The entries that any pattern names: a file, a directory with all below it, or a glob over whole paths, in which
    `*` crosses directories as in git's pathspecs. Raises KwrapError for a pattern that names none.
    """
    chosen: set[bytes] = set()
    for pattern in patterns:
        found = _matching(entries, pattern)
        if not found:
            raise KwrapError(f"no file in the snapshot matches '{pattern}'", hint=_near(entries, pattern))
        chosen |= found
    return [entry for entry in entries if entry.path in chosen]


def _matching(entries: Sequence[TreeEntry], pattern: str) -> set[bytes]:
    wanted = os.fsencode(pattern)
    while wanted.startswith(b"./"):
        wanted = wanted[2:]
    wanted = wanted.rstrip(b"/")
    if wanted in (b"", b"."):
        return {entry.path for entry in entries} if pattern else set()
    below = wanted + b"/"
    found = {entry.path for entry in entries if entry.path == wanted or entry.path.startswith(below)}
    if found:
        return found
    glob = re.compile(fnmatch.translate(wanted.decode("latin-1")).encode("latin-1"), re.DOTALL)
    return {entry.path for entry in entries if any(glob.match(part) for part in (entry.path, *parents(entry.path)))}


def _near(entries: Sequence[TreeEntry], pattern: str) -> str:
    names = {os.fsdecode(entry.path) for entry in entries}
    names |= {os.fsdecode(parent) + "/" for entry in entries for parent in parents(entry.path)}
    near = difflib.get_close_matches(pattern, sorted(names), n=3, cutoff=0.5)
    last = os.path.basename(pattern.rstrip("/"))
    near += [name for name in sorted(names) if os.path.basename(name.rstrip("/")) == last and name not in near][:3]
    if near:
        return "near: " + ", ".join(near)
    return "it holds " + (", ".join(sorted(names)[:3]) + (" …" if len(names) > 3 else "") if names else "no files")
