"""A storage that is read and not written: of a repository that a newer kwrap made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, NoReturn

from kwrap.errors import KwrapError
from kwrap.storage.base import Batch, Storage, Stored


class ReadOnly:
    """Reads as the storage within; every write raises the error given."""

    def __init__(self, storage: Storage, error: KwrapError) -> None:
        self.url = storage.url
        self.parallel = storage.parallel
        self._storage = storage
        self._error = error

    def _refuse(self) -> NoReturn:
        raise self._error

    def read(self, name: str) -> bytes:
        return self._storage.read(name)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        return self._storage.read_range(name, offset, length)

    def open(self, name: str) -> BinaryIO:
        return self._storage.open(name)

    def size(self, name: str) -> int | None:
        return self._storage.size(name)

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        return self._storage.list(prefix, after)

    def is_empty(self) -> bool:
        return self._storage.is_empty()

    def now_ns(self) -> int:
        return self._storage.now_ns()

    def write(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None:
        self._refuse()

    def create(self, name: str, data: bytes) -> None:
        self._refuse()

    def write_file(self, name: str, path: str | os.PathLike[str]) -> None:
        self._refuse()

    def write_stream(self, name: str, chunks: Iterable[bytes]) -> None:
        self._refuse()

    def batch(self) -> Batch:
        self._refuse()

    def delete(self, name: str) -> None:
        self._refuse()

    def writers_lock(self, *, shared: bool) -> AbstractContextManager[bool]:
        self._refuse()
