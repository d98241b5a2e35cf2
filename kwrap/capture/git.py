"""Where the code stood in git: commit, branch, remote, whether the work tree differed. Never an error, never a hang."""

from __future__ import annotations

import os
import re

from kwrap.capture.git_process import Git as Process
from kwrap.capture.git_process import GitFailed
from kwrap.records import Git

_LIMIT_S = 5.0
_USER = re.compile(r"^([a-z+]+://)[^/@]*@")


def capture(directory: str) -> Git | None:
    """None when the directory is in no git work tree, or git is not installed or does not answer."""
    if not _inside(directory):
        return None
    process = Process(_LIMIT_S)
    head = _ask(process, directory, b"rev-parse", b"HEAD", b"--abbrev-ref", b"HEAD")
    commit, _, branch = (head or "").partition("\n")
    status = _ask(process, directory, b"status", b"--porcelain", b"--untracked-files=no", b"--ignore-submodules=dirty")
    remote = _ask(process, directory, b"config", b"--get", b"remote.origin.url")
    if status is None and not commit:
        return None
    return Git(
        commit=commit or None,
        branch=None if branch in ("", "HEAD") else branch,
        remote=_USER.sub(r"\1", remote) if remote else None,
        dirty=bool(status) if status is not None else None,
    )


def _inside(directory: str) -> bool:
    place = os.path.abspath(directory)
    while not os.path.exists(os.path.join(place, ".git")):
        parent = os.path.dirname(place)
        if parent == place:
            return False
        place = parent
    return True


def _ask(process: Process, directory: str, *arguments: bytes) -> str | None:
    """What git prints; None when it fails."""
    try:
        status, output, _ = process.run(os.fsencode(directory), arguments)
    except GitFailed:
        return None
    return output.decode("utf-8", "replace").strip() if status == 0 else None
