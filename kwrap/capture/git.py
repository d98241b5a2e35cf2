"""Where the code stood in git: commit, branch, remote, whether the work tree differed. Never an error, never a hang."""

from __future__ import annotations

import os
import re

from kwrap.records import Git

_LIMIT_S = 5.0
_USER = re.compile(r"^([a-z+]+://)[^/@]*@")


def capture(directory: str) -> Git | None:
    """None when the directory is in no git work tree, or git is not installed or does not answer."""
    if not _inside(directory):
        return None
    answer = _git(directory, "rev-parse", "HEAD", "--abbrev-ref", "HEAD")
    commit, branch = (answer or "").split("\n")[:2] if answer and answer.count("\n") >= 1 else (None, None)
    status = _git(directory, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty")
    remote = _git(directory, "config", "--get", "remote.origin.url")
    if status is None and commit is None:
        return None
    return Git(
        commit=commit,
        branch=None if branch in (None, "HEAD") else branch,
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


def _git(directory: str, *arguments: str) -> str | None:
    """What git prints; None when it fails. It asks nobody for a password and takes no locks."""
    import subprocess  # outside git nobody pays for it

    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        answer = subprocess.run(
            ["git", "-C", directory, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.decode("utf-8", "replace").strip() if answer.returncode == 0 else None
