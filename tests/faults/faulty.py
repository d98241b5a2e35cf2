"""A storage that fails: the n-th call, whichever that is, goes wrong in one of the ways that disks and networks know.

Only what `storage/base.py` allows: an object appears whole or not at all, and what was left of a write that failed is
no object. It stands in front of any other storage, and counts its calls.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from enum import Enum
from types import TracebackType
from typing import Any, BinaryIO, TypeVar

from kwrap.errors import StorageError
from kwrap.storage.base import Batch, Storage, Stored

T = TypeVar("T")
_DELAY_S = 0.02


class Fault(Enum):
    """What happens at the n-th call; at OUTAGE, at that and at all that follow."""

    ERROR = "it fails and nothing was done"
    LOST_RESPONSE = "it is done and its answer lost"
    PARTIAL = "it is done in part: some chunks, some of a listing, some of a batch"
    DELAY = "it takes a while, and others go on meanwhile"
    DUPLICATE = "it is done twice, as by a network that sends again, and the second answer is heard"
    OUTAGE = "it and every later one fail"


class Faulty:
    """A storage whose call number `at`, counted from 1, goes wrong. `calls` tells how many there were."""

    def __init__(self, storage: Storage, fault: Fault | None = None, at: int = 0) -> None:
        self._storage = storage
        self._fault = fault
        self._at = at
        self._lock = threading.Lock()
        self.url = storage.url
        self.parallel = getattr(storage, "parallel", 1)
        self.calls = 0

    @property
    def has_failed(self) -> bool:
        return 0 < self._at <= self.calls

    def call(self, action: Callable[[], T], partly: Callable[[], object] | None = None) -> T:
        """Do it, or what the fault makes of it. `partly`: what of it may have been done when it fails half way."""
        with self._lock:
            self.calls += 1
            number = self.calls
        fault = self._fault if number == self._at or (self._fault is Fault.OUTAGE and 0 < self._at < number) else None
        if fault is None:
            return action()
        if fault is Fault.DELAY:
            time.sleep(_DELAY_S)
            return action()
        if fault is Fault.DUPLICATE:
            action()
            return action()
        if fault is Fault.LOST_RESPONSE:
            action()
        if fault is Fault.PARTIAL and partly is not None:
            partly()
        raise broken()

    def read(self, name: str) -> bytes:
        return self.call(lambda: self._storage.read(name))

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        return self.call(lambda: self._storage.read_range(name, offset, length))

    def open(self, name: str) -> BinaryIO:
        return self.call(lambda: self._storage.open(name))

    def size(self, name: str) -> int | None:
        return self.call(lambda: self._storage.size(name))

    def is_empty(self) -> bool:
        return self.call(self._storage.is_empty)

    def now_ns(self) -> int:
        return self.call(self._storage.now_ns)

    def delete(self, name: str) -> None:
        self.call(lambda: self._storage.delete(name))

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        found = list(self._storage.list(prefix, after))
        halfway = len(found) // 2
        try:
            found = self.call(lambda: found)
        except StorageError:
            if self._fault is Fault.PARTIAL:
                yield from found[:halfway]
            raise
        yield from found

    def create(self, name: str, data: bytes, **options: Any) -> None:
        self.call(lambda: self._storage.create(name, data, **options), lambda: self._leave_over(data))

    def write(self, name: str, data: bytes | memoryview, **options: Any) -> None:
        self.call(lambda: self._storage.write(name, data, **options), lambda: self._leave_over(data))

    def write_file(self, name: str, path: str | os.PathLike[str], **options: Any) -> None:
        self.call(lambda: self._storage.write_file(name, path, **options), lambda: self._leave_over(b"half a file"))

    def write_stream(self, name: str, chunks: Iterable[bytes], **options: Any) -> None:
        taken = list(chunks)
        self.call(lambda: self._storage.write_stream(name, taken, **options), lambda: self._leave_over(taken[0]))

    def writers_lock(self, **options: Any) -> AbstractContextManager[object]:
        return self._storage.writers_lock(**options)

    def batch(self) -> Batch:
        return _FaultyBatch(self, self._storage.batch())

    def _leave_over(self, data: bytes | memoryview) -> None:
        """What a process leaves that was killed, or a disk that was full: part of it in `tmp/`, and no object."""
        if os.path.isdir(self.url):
            os.makedirs(os.path.join(self.url, "tmp"), exist_ok=True)
            with open(os.path.join(self.url, "tmp", f"leftover.{self.calls}"), "wb") as file:
                file.write(bytes(data)[: len(data) // 2])


class _FaultyBatch:
    """Its writes and its end are calls like others. One that failed is told by a later write, or at the end."""

    def __init__(self, faulty: Faulty, batch: Batch) -> None:
        self._faulty = faulty
        self._batch = batch
        self._lost = False

    def write(self, name: str, data: bytes | memoryview, **options: Any) -> None:
        self._faulty.call(lambda: self._batch.write(name, data, **options), self._lose)

    def _lose(self) -> None:
        self._lost = True

    def __enter__(self) -> _FaultyBatch:
        self._batch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._batch.__exit__(kind, error, trace)
        if error is None:
            self._faulty.call(lambda: None)


def broken() -> StorageError:
    return StorageError("the storage is out of order", hint="it is meant to be: this is a test", transient=True)
