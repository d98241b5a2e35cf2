"""The lock of a directory's writers: shared by who writes content until it is committed, held alone by who deletes
content without waiting.

Two files below `<root>/tmp`, locked by `flock`, which ends with its process. Whoever wants to be alone holds the
turnstile while it waits, so that writers who come one after the other cannot keep it waiting for ever.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kwrap.errors import StorageError
from kwrap.storage.durable import explained, make_directories

_TURNSTILE, _LOCK = "writers.turnstile", "writers.lock"
LOCK_FILES = frozenset({_TURNSTILE, _LOCK, "create.lock"})  # below tmp/, and there to stay
_ALONE_LIMIT_S = 60.0  # uploads may take hours; whoever would delete is told so, and not kept
_SHARED_LIMIT_S = 600.0
_PAUSE_FIRST_S, _PAUSE_MOST_S = 0.005, 0.2
# What file systems answer that have no such locks: Lustre, some FUSE mounts, NFS without its lock daemon.
_NO_LOCKS = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL}


@contextmanager
def writers_lock(root: str, *, shared: bool, limit_s: float | None = None) -> Iterator[bool]:
    """Hold the lock, and give whether it is held: False where the file system has no locks.

    Raises StorageError, transient, when others hold it for longer than the limit.
    """
    limit_s = (_SHARED_LIMIT_S if shared else _ALONE_LIMIT_S) if limit_s is None else limit_s
    lock = _acquire(root, shared, time.monotonic() + limit_s)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def _acquire(root: str, shared: bool, deadline_s: float) -> int | None:
    try:
        turnstile = _lock(root, _TURNSTILE, shared, deadline_s)
        try:
            return _lock(root, _LOCK, shared, deadline_s)
        finally:
            os.close(turnstile)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise explained(error, "lock", os.path.join(root, "tmp", _LOCK)) from error


def _lock(root: str, name: str, shared: bool, deadline_s: float) -> int:
    """The descriptor that holds the lock, of the file that has the name."""
    path = os.path.join(root, "tmp", name)
    while True:
        descriptor = _open(path)
        try:
            _wait(descriptor, shared, deadline_s, root)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # somebody emptied tmp/ meanwhile, and the next would lock another file


def _open(path: str) -> int:
    while True:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # noqa: PERF203 - others remove the directory at the same time
            make_directories(os.path.dirname(path))


def _wait(descriptor: int, shared: bool, deadline_s: float, root: str) -> None:
    import fcntl

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    pause_s = _PAUSE_FIRST_S
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline_s:
                raise _busy(root, shared) from None
        time.sleep(pause_s)  # not a blocking flock: that cannot be given a limit
        pause_s = min(_PAUSE_MOST_S, pause_s * 1.5)


def _busy(root: str, shared: bool) -> StorageError:
    if shared:
        return StorageError(
            f"'kwrap gc --now' has been at work in {root} for long",
            hint="try again when it has ended",
            transient=True,
        )
    return StorageError(
        f"somebody is storing content in {root} now",
        hint="try again later; 'kwrap gc' without --now needs nobody to stop",
        transient=True,
    )


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
