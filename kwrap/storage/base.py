"""Storage: bytes under names. Trees, tars and JSON belong above it.

Every kind of storage keeps the promises written here, and `tests/storage/test_contract.py` holds every kind to them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import BinaryIO, NamedTuple, Protocol, runtime_checkable

# What every file system and every bucket takes, and no shell and no URL changes.
_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=+@~,-/"
_LONGEST = 1024  # bytes of a name; S3 and GCS allow no more
_LONGEST_PART = 255  # bytes; file systems allow no more
_RESERVED = "/tmp/"  # a storage may keep there what is not finished


class Stored(NamedTuple):
    """One object, as a listing shows it. `modified_ns` is by the storage's own clock."""

    name: str
    size_bytes: int
    modified_ns: int


class Batch(Protocol):
    """Writes that wait together. Whole or not at all one by one, and all of them durable once the block is left.

    Until then they may be seen or not. A failed write is raised by a later one, or on leaving. Any thread may write.
    """

    def write(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None:
        """Store an object; the data may be changed again on return. `sha256` as in Storage.write."""

    def __enter__(self) -> Batch: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Storage(Protocol):
    """What every kind of storage can do. Each call may raise StorageError; names that are no names raise ValueError."""

    url: str
    parallel: int  # so many reads at once are worth their threads

    def read(self, name: str) -> bytes:
        """The whole object. Raises NotFound."""

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """Bytes from offset; fewer than `length` where the object ends. Raises NotFound."""

    def open(self, name: str) -> BinaryIO:
        """A stream over the object, to be closed by the caller. Raises NotFound."""

    def write(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None:
        """Store an object, in place of one of that name. Whole or not at all, and durable on return.

        `sha256`: of exactly these bytes, in hex, when the caller has it. A storage that can have them checked on the
        other side does; no other looks at it.
        """

    def create(self, name: str, data: bytes) -> None:
        """Store an object that must not exist yet: of several callers one wins, the others get AlreadyExists."""

    def write_file(self, name: str, path: str | os.PathLike[str]) -> None:
        """Store a local file's bytes, in bounded memory; as `write` otherwise."""

    def write_stream(self, name: str, chunks: Iterable[bytes]) -> None:
        """Store what the chunks are together, in bounded memory. Nothing is stored when taking a chunk raises."""

    def batch(self) -> Batch:
        """Many writes, faster than one after the other."""

    def size(self, name: str) -> int | None:
        """The object's size in bytes; None when there is none."""

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """Objects whose names begin with the prefix and sort after `after`, in the order of their names' bytes.

        A server may compare folder by folder instead (SeaweedFS). Where no folder's name begins with the whole name of
        one beside it, and none has characters that sort before `/`, that is the same.
        What was there throughout is listed once; what comes or goes meanwhile may be or not. Whatever lies there
        under something that is no name is passed over.
        """

    def is_empty(self) -> bool:
        """Whether nothing lies here: no object, and nothing foreign either."""

    def delete(self, name: str) -> None:
        """Remove an object. One that does not exist is no error."""

    def now_ns(self) -> int:
        """The time by the clock that `Stored.modified_ns` is by, in ns since 1970. To about a second."""

    def writers_lock(self, *, shared: bool) -> AbstractContextManager[bool]:
        """Held, shared, by who writes content until it is committed, and alone by who deletes without waiting.

        Gives whether it is held: False where no such lock can be had, as in buckets. Raises StorageError, transient,
        when others hold it for long.
        """


@runtime_checkable
class ReadsInto(Protocol):
    """What a storage may do besides, where reading takes so little that fresh memory for it is what costs."""

    def read_into(self, name: str, buffer: memoryview) -> int:
        """Read the object into the buffer; its size, and where that is more than the buffer holds nothing is read.

        Raises as `read` does.
        """


def check_name(name: str) -> str:
    """The name again, or ValueError.

    A name is relative, `/`-separated, ASCII without blanks, without empty, `.` or `..` parts, and not below `tmp/`.
    """
    if not is_name(name):
        raise ValueError(f"{name!r} is no name of an object")
    return name


def is_name(name: str) -> bool:
    path = f"/{name}/"
    return (
        len(name) <= _LONGEST
        and name.isascii()
        and not name.encode().translate(None, _CHARACTERS)
        and not path.startswith(_RESERVED)
        and "//" not in path
        and "/./" not in path
        and "/../" not in path
        and (len(name) <= _LONGEST_PART or all(len(part) <= _LONGEST_PART for part in name.split("/")))
    )
