"""Storage in memory, for tests: everything that a storage promises except to outlive the process."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import BinaryIO

from kwrap.errors import AlreadyExists, NotFound
from kwrap.storage.base import Stored, check_name


class MemoryStorage:
    """A dictionary behind a lock."""

    parallel = 1

    def __init__(self, url: str = "memory:") -> None:
        self.url = url
        self._objects: dict[str, tuple[bytes, int]] = {}
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes:
        with self._lock:
            found = self._objects.get(check_name(name))
        if found is None:
            raise NotFound(f"there is no {name} in {self.url}")
        return found[0]

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        return self.read(name)[offset : offset + length]

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self.read(name))

    def write(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None:
        with self._lock:
            self._objects[check_name(name)] = (bytes(data), time.time_ns())

    def create(self, name: str, data: bytes) -> None:
        with self._lock:
            if check_name(name) in self._objects:
                raise AlreadyExists(f"{name} exists already in {self.url}")
            self._objects[name] = (bytes(data), time.time_ns())

    def write_file(self, name: str, path: str | os.PathLike[str]) -> None:
        with open(path, "rb") as source:
            self.write(name, source.read())

    def write_stream(self, name: str, chunks: Iterable[bytes]) -> None:
        self.write(name, b"".join(chunks))

    def batch(self) -> MemoryStorage:
        return self

    def __enter__(self) -> MemoryStorage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing waits."""

    def size(self, name: str) -> int | None:
        with self._lock:
            found = self._objects.get(check_name(name))
        return None if found is None else len(found[0])

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        with self._lock:
            found = sorted(item for item in self._objects.items() if item[0].startswith(prefix) and item[0] > after)
        return (Stored(name, len(data), modified_ns) for name, (data, modified_ns) in found)

    def is_empty(self) -> bool:
        return not self._objects

    def delete(self, name: str) -> None:
        with self._lock:
            self._objects.pop(check_name(name), None)

    def now_ns(self) -> int:
        return time.time_ns()

    def writers_lock(self, *, shared: bool) -> AbstractContextManager[bool]:
        return nullcontext(False)
