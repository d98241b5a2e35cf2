"""A storage that tries again what may pass: the same shape around any storage.

Only errors that say so of themselves (`StorageError.transient`) are tried again, with waits that double, never all at
the same moment, and end. What was stored although its answer was lost is stored again with the same bytes; a create
then finds its own object, and whoever called settles that.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import chain
from typing import BinaryIO, TypeVar

from kwrap.errors import StorageError
from kwrap.storage.base import Batch, Storage, Stored
from kwrap.storage.bucket_batch import BucketBatch
from kwrap.storage.ranges import open_ranges
from kwrap.storage.timeouts import PATIENT

T = TypeVar("T")

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 4.0
_IN_ONE_PIECE = 8 << 20  # bytes of a stream that are held, so that they can be sent again


def attempt(action: Callable[[], T], patience_s: float = PATIENT.patience_s) -> T:
    """What the action gives, tried again while it fails in a way that may pass, until `patience_s` are over."""
    deadline = time.monotonic() + patience_s
    wait_s = _FIRST_WAIT_S
    while True:
        try:
            return action()
        except StorageError as error:
            if not error.transient or time.monotonic() + wait_s > deadline:
                raise
        time.sleep(wait_s * random.uniform(0.5, 1.0))
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


class Retrying:
    """Tries again what the storage within could not do, for `patience_s` a call."""

    def __init__(self, storage: Storage, patience_s: float = PATIENT.patience_s) -> None:
        self.url = storage.url
        self.parallel = storage.parallel
        self._storage = storage
        self._patience_s = patience_s

    def _attempt(self, action: Callable[[], T]) -> T:
        return attempt(action, self._patience_s)

    def read(self, name: str) -> bytes:
        return self._attempt(lambda: self._storage.read(name))

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        return self._attempt(lambda: self._storage.read_range(name, offset, length))

    def open(self, name: str) -> BinaryIO:
        return open_ranges(lambda offset, length: self.read_range(name, offset, length))

    def write(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None:
        self._attempt(lambda: self._storage.write(name, data, sha256=sha256))

    def create(self, name: str, data: bytes) -> None:
        self._attempt(lambda: self._storage.create(name, data))

    def write_file(self, name: str, path: str | os.PathLike[str]) -> None:
        self._attempt(lambda: self._storage.write_file(name, path))

    def write_stream(self, name: str, chunks: Iterable[bytes]) -> None:
        """A stream cannot be taken twice: a short one is held, and of a long one the storage within repeats parts."""
        rest = iter(chunks)
        held: list[bytes] = []
        held_bytes = 0
        for chunk in rest:
            held.append(chunk)
            held_bytes += len(chunk)
            if held_bytes > _IN_ONE_PIECE:
                return self._storage.write_stream(name, chain(_given_up(held), rest))
        return self.write(name, b"".join(held))

    def batch(self) -> Batch:
        return BucketBatch(self.write)

    def size(self, name: str) -> int | None:
        return self._attempt(lambda: self._storage.size(name))

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        while True:
            listed = self._storage.list(prefix, after)
            try:
                for stored in listed:
                    yield stored
                    after = stored.name
                return
            except StorageError as error:
                if not error.transient:
                    raise
            # Where the same place fails again, the call below raises once patience is over.
            head = self._attempt(lambda after=after: list(_few(self._storage.list(prefix, after))))  # type: ignore[misc]
            if not head:
                return
            yield from head
            after = head[-1].name

    def is_empty(self) -> bool:
        return self._attempt(self._storage.is_empty)

    def delete(self, name: str) -> None:
        self._attempt(lambda: self._storage.delete(name))

    def now_ns(self) -> int:
        return self._attempt(self._storage.now_ns)

    def writers_lock(self, *, shared: bool) -> AbstractContextManager[bool]:
        return self._storage.writers_lock(shared=shared)


def _given_up(held: list[bytes]) -> Iterator[bytes]:
    """Each once, and not kept here any longer."""
    held.reverse()
    while held:
        yield held.pop()


def _few(listed: Iterable[Stored], count: int = 100) -> Iterator[Stored]:
    for number, stored in enumerate(listed, 1):
        yield stored
        if number == count:
            return
