"""What this machine remembers of a project from run to run: nothing that cannot be lost.

The stat cache of its code snapshots, and which of its files its runs wrote as checkpoints: those are no code, and the
next snapshot leaves them out. On the path to the child's start: standard library only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable

from kwrap.rundir import state_directory


def index_file(project: bytes) -> str:
    """The stat cache."""
    return os.path.join(state_directory(), "index", hashlib.sha256(os.path.realpath(project)).hexdigest()[:32])


def written_checkpoints(project: bytes) -> frozenset[bytes]:
    """Paths, relative to the project, that earlier runs wrote as checkpoints."""
    try:
        with open(index_file(project) + ".checkpoints", "rb") as file:
            return frozenset(file.read().split(b"\0")[:-1])
    except OSError:
        return frozenset()


def add_written_checkpoints(project: bytes, paths: Iterable[bytes]) -> None:
    """Remember more of them. Raises OSError when the state directory cannot be written."""
    new = sorted(set(paths) - written_checkpoints(project))
    if not new:
        return
    path = index_file(project) + ".checkpoints"
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, b"".join(one + b"\0" for one in new))
    finally:
        os.close(descriptor)
