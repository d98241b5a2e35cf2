"""Storage in a directory: an object's name is its path below the root. Also on NFS and shared directories.

What is not finished lies in `<root>/tmp`, and is no object. Directories are made when they are needed and removed when
the last object in them is.
"""

from __future__ import annotations

import operator
import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

from kwrap.errors import AlreadyExists
from kwrap.storage.base import Batch, Stored, check_name, is_name
from kwrap.storage.durable import Temporary, explained, sync_directory

_CHUNK = 1 << 20
_AT_ONCE = 1 << 16  # nearly every record is smaller: one read gives all of it
_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0)  # Windows changes line ends without
_first = operator.itemgetter(0)


class DiskStorage:
    """A directory. `hard_links=False` does without them, as where the file system has none."""

    parallel = 2

    def __init__(self, root: str, *, hard_links: bool = True) -> None:
        self._root = os.path.abspath(root)
        self._hard_links = hard_links
        self.url = self._root

    def read(self, name: str) -> bytes:
        path = self._path(name)
        try:
            descriptor = os.open(path, _READING)
            try:
                data = os.read(descriptor, _AT_ONCE)
                if not os.read(descriptor, 1):  # a short read alone does not say that the file ends there
                    return data
                return _read(descriptor, 0, os.fstat(descriptor).st_size)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise explained(error, "read", path) from error

    def read_into(self, name: str, buffer: memoryview) -> int:
        """As ReadsInto says."""
        path = self._path(name)
        try:
            with open(path, "rb", buffering=0) as file:
                size_bytes = os.fstat(file.fileno()).st_size
                if size_bytes > len(buffer):
                    return size_bytes
                filled = 0
                while filled < size_bytes and (count := file.readinto(buffer[filled:size_bytes])):
                    filled += count
                return filled
        except OSError as error:
            raise explained(error, "read", path) from error

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        path = self._path(name)
        try:
            descriptor = os.open(path, _READING)
            try:
                return _read(descriptor, offset, length)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise explained(error, "read", path) from error

    def open(self, name: str) -> BinaryIO:
        path = self._path(name)
        try:
            return open(path, "rb")
        except OSError as error:
            raise explained(error, "read", path) from error

    def size(self, name: str) -> int | None:
        path = self._path(name)
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise explained(error, "read", path) from error
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def write(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None:
        self._replace(name, (data,))

    def write_stream(self, name: str, chunks: Iterable[bytes]) -> None:
        self._replace(name, chunks)

    def write_file(self, name: str, path: str | os.PathLike[str]) -> None:
        try:
            source = open(path, "rb", buffering=0)
        except OSError as error:
            raise explained(error, "read", os.fspath(path)) from error
        with source:
            self._replace(name, _chunks(source, os.fspath(path)))

    def _replace(self, name: str, chunks: Iterable[bytes | memoryview]) -> None:
        path = self._path(name)
        try:
            with Temporary(self._root) as temporary:
                for chunk in chunks:
                    temporary.write(chunk)
                temporary.sync()
                temporary.replace(path)
            sync_directory(os.path.dirname(path))
        except OSError as error:
            raise explained(error, "write", path) from error

    def create(self, name: str, data: bytes) -> None:
        path = self._path(name)
        try:
            with Temporary(self._root) as temporary:
                temporary.write(data)
                temporary.sync()
                temporary.link(path, hard_links=self._hard_links)
            sync_directory(os.path.dirname(path))
        except FileExistsError as error:
            raise AlreadyExists(f"{path} exists already") from error
        except OSError as error:
            raise explained(error, "write", path) from error

    def batch(self) -> Batch:
        from kwrap.storage.disk_batch import DiskBatch

        return DiskBatch(self._root, self._path)

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        return self._walk(prefix[: prefix.rfind("/") + 1], prefix, after)

    def _walk(self, folder: str, prefix: str, after: str) -> Iterator[Stored]:
        for name, entry in self._entries(folder):
            if not name.startswith(prefix) and not prefix.startswith(name):
                continue
            if name[-1] == "/":
                if name >= after[: len(name)] and is_name(name[:-1]):
                    yield from self._walk(name, prefix, after)
            elif name > after and name.startswith(prefix) and is_name(name):
                try:
                    found = entry.stat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(found.st_mode):
                    yield Stored(name, found.st_size, found.st_mtime_ns)

    def _entries(self, folder: str) -> Sequence[tuple[str, os.DirEntry[str]]]:
        """What lies in a folder, names with those of folders ending in `/`, which is how they sort among files."""
        path = self._root + "/" + folder
        try:
            with os.scandir(path) as found:
                entries = [(folder + entry.name + ("/" if entry.is_dir() else ""), entry) for entry in found]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise explained(error, "read", path) from error
        entries.sort(key=_first)
        return entries

    def is_empty(self) -> bool:
        try:
            with os.scandir(self._root) as found:
                return all(entry.name == "tmp" for entry in found)
        except FileNotFoundError:
            return True
        except OSError as error:
            raise explained(error, "use", self._root) from error

    def delete(self, name: str) -> None:
        path = self._path(name)
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise explained(error, "delete", path) from error
        self._remove_empty(os.path.dirname(path))

    def _remove_empty(self, folder: str) -> None:
        try:
            while folder != self._root:
                os.rmdir(folder)
                folder = os.path.dirname(folder)
        except OSError:
            pass  # another object lies there, or was just written; writers make what they miss

    def now_ns(self) -> int:
        return time.time_ns()

    def writers_lock(self, *, shared: bool) -> AbstractContextManager[bool]:
        from kwrap.storage.writers_lock import writers_lock

        return writers_lock(self._root, shared=shared)

    def _path(self, name: str) -> str:
        return f"{self._root}/{check_name(name)}"


def _read(descriptor: int, offset: int, length: int) -> bytes:
    """Up to `length` bytes: fewer only at the end of the file. Mostly in one piece, without a copy."""
    parts = []
    os.lseek(descriptor, offset, os.SEEK_SET)
    while length > 0 and (part := os.read(descriptor, length)):
        parts.append(part)
        length -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _chunks(source: BinaryIO, path: str) -> Iterator[bytes]:
    while True:
        try:
            chunk = source.read(_CHUNK)
        except OSError as error:
            raise explained(error, "read", path) from error
        if not chunk:
            return
        yield chunk
