"""What lies in a directory besides objects: files that were never finished, and what others have put there.

Only directories have such; of every other kind of storage nothing is said.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from kwrap.storage.base import Storage, is_name
from kwrap.storage.disk import DiskStorage
from kwrap.storage.writers_lock import LOCK_FILES

_TEMPORARY = "tmp"


class Leftover(NamedTuple):
    """A file, by its path below the root."""

    path: str
    size_bytes: int
    modified_ns: int


def unfinished(storage: Storage) -> Iterator[Leftover]:
    """What writers have begun and not finished. Some of them may still be at work."""
    if isinstance(storage, DiskStorage):
        for found in _files(storage.url, _TEMPORARY):
            if found.path.removeprefix(f"{_TEMPORARY}/") not in LOCK_FILES:
                yield found


def strangers(storage: Storage) -> Iterator[Leftover]:
    """Files that no object can be: of another kind, or with another name."""
    if isinstance(storage, DiskStorage):
        for found in _files(storage.url, ""):
            if not found.path.startswith(f"{_TEMPORARY}/") and (not is_name(found.path) or found.size_bytes < 0):
                yield found


def remove_unfinished(storage: Storage, before_ns: int) -> int:
    """Remove what was begun before a time, and never finished; the bytes that were freed."""
    freed_bytes = 0
    for found in unfinished(storage):
        if found.modified_ns < before_ns:
            try:
                os.unlink(os.path.join(storage.url, found.path))
                freed_bytes += max(found.size_bytes, 0)
            except OSError:
                continue  # another collector was quicker, or it is not ours to remove
    return freed_bytes


def _files(root: str, below: str) -> Iterator[Leftover]:
    """Everything but directories; the size of what is no regular file is -1."""
    try:
        with os.scandir(os.path.join(root, below)) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _files(root, path)
            continue
        try:
            status = entry.stat()
        except OSError:
            yield Leftover(path, -1, 0)  # a symlink to nowhere, most likely
            continue
        yield Leftover(path, status.st_size if stat.S_ISREG(status.st_mode) else -1, status.st_mtime_ns)
