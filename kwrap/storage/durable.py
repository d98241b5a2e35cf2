"""Files that are there whole or not at all, and stay: temporary file, fsync, rename or link, fsync of the directory.

Knows paths and descriptors, no names of objects. `OSError`s leave as they are; `explained` makes errors of them that a
person can act on.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from kwrap.errors import NotFound, StorageError

T = TypeVar("T")

# What file systems answer that have no hard links (FAT, some FUSE and SMB mounts) or allow no more of them.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}
_KEPT = "what a run has recorded stays on its machine until 'kwrap recover' has sent it"
_DENIED = "check who may read and write there, or choose another repository with --repository"
_HINTS = {
    errno.ENOSPC: f"make room there; {_KEPT}",
    errno.EDQUOT: f"your quota there is used up, make room; {_KEPT}",
    errno.EROFS: "that file system is mounted read-only; choose another repository with --repository",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EIO: "the disk or the network file system failed; the system's log says more",
    errno.ESTALE: "the network file system has lost the file; try again",
    errno.ENOTDIR: "a file lies where a directory should be; choose another repository with --repository",
    errno.ENAMETOOLONG: "choose a repository with a shorter path",
}
_ATTEMPTS = 100  # to enter a directory that others remove, empty as it is, at the same time
_O_DIRECT: int = getattr(os, "O_DIRECT", 0)
_BLOCK_BYTES = 4096  # what every disk's blocks divide
_counter = itertools.count()


def explained(error: OSError, action: str, path: str) -> StorageError:
    """The error that says what could not be done, where, why, and what to do about it."""
    if error.errno in _MISSING and action == "read":
        return NotFound(f"there is no {path}")
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StorageError(f"cannot {action} {path}: {reason}", hint=_HINTS.get(error.errno or 0))


class Temporary:
    """A new file below `<root>/tmp` that vanishes on leaving, unless `replace` or `link` gave it a name.

    `direct`: past the system's cache, where the file system can and the data begins at a memory page, as `mmap`'s does.
    """

    def __init__(self, root: str, *, direct: bool = False) -> None:
        self._root = root
        self._direct = direct and _O_DIRECT != 0
        # Host, process and count: writers that share a directory never meet, and one can see whose leftovers lie there.
        name = f"{os.uname().nodename}.{os.getpid()}.{next(_counter)}.{os.urandom(4).hex()}"
        self._path = os.path.join(root, "tmp", name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = _in_directory(self._path, lambda: os.open(self._path, flags, 0o666))

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        if self._direct:
            view = view[self._write_direct(view) :]
        while view:
            view = view[os.write(self._descriptor, view) :]

    def _write_direct(self, view: memoryview) -> int:
        """Write whole blocks past the cache; how many bytes. The rest, and all that follows, takes the usual way."""
        import fcntl

        self._direct = False
        flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL)
        written, blocks = 0, len(view) - len(view) % _BLOCK_BYTES
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags | _O_DIRECT)
            while written < blocks:
                written += os.write(self._descriptor, view[written:blocks])
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags)
        return written

    def sync(self) -> None:
        """Make the bytes durable, and close the file."""
        os.fsync(self._descriptor)
        self._close()

    def replace(self, path: str, unsynced: set[str] | None = None) -> None:
        """Give it its name, in place of a file that has it. Durable after `sync_directory`.

        With `unsynced`, directories that had to be made are not durable either: what is to be synced is added there.
        """
        _in_directory(path, lambda: os.replace(self._path, path), unsynced=unsynced)

    def link(self, path: str, *, hard_links: bool = True) -> None:
        """Give it its name, or FileExistsError when a file has it already. Durable after `sync_directory`."""
        if hard_links:
            try:
                # Not O_EXCL: that makes the name before the bytes, so that readers, or a kill, find a torn file.
                _in_directory(path, lambda: os.link(self._path, path))
                return
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
        _in_directory(path, lambda: self._rename_to_nothing(path))

    def _rename_to_nothing(self, path: str) -> None:
        """Without hard links: a look and a rename, one process at a time. The lock ends with its process."""
        import fcntl

        lock = os.open(os.path.join(self._root, "tmp", "create.lock"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            os.rename(self._path, path)
        finally:
            os.close(lock)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def discard(self) -> None:
        """Close it, and remove the temporary name."""
        self._close()
        try:
            os.unlink(self._path)
        except OSError:
            pass  # it has its real name, or the directory cannot be written any more: nothing that matters is lost

    def __enter__(self) -> Temporary:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def _in_directory(path: str, action: Callable[[], T], attempts: int = _ATTEMPTS, unsynced: set[str] | None = None) -> T:
    """Do what needs the directory of `path`, which is made when it is missing, also when others just removed it."""
    try:
        return action()
    except FileNotFoundError:
        if not attempts:
            raise
    make_directories(os.path.dirname(path), unsynced)
    return _in_directory(path, action, attempts - 1, unsynced)


def make_directories(path: str, unsynced: set[str] | None = None, attempts: int = _ATTEMPTS) -> None:
    """Make a directory and those above it, durable, or once those in `unsynced` are synced."""
    parent = os.path.dirname(path)
    try:
        os.mkdir(path)
    except FileExistsError:
        if _is_something_else(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
    except FileNotFoundError:
        if not attempts:  # in /proc nothing can be made, and the system says that nothing is there
            raise
        make_directories(parent, unsynced, attempts - 1)
        make_directories(path, unsynced, attempts - 1)
    else:
        if unsynced is None:
            sync_directory(parent)
        else:
            unsynced.add(parent)


def _is_something_else(path: str) -> bool:
    """Whether something lies there that is no directory. One that another process has just removed is nothing."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISDIR(mode) or os.path.isdir(path))


def sync_directory(path: str) -> None:
    """Make names durable that were made or changed in a directory. One that was removed meanwhile needs nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network and FUSE mounts cannot, and need not
            raise
    finally:
        os.close(descriptor)
