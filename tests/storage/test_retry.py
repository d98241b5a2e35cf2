"""Trying again."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kwrap.errors import NotFound, StorageError, Unreachable
from kwrap.storage.base import Stored
from kwrap.storage.memory import MemoryStorage
from kwrap.storage.retry import Retrying, attempt


class Failing(MemoryStorage):
    """Fails so many times, one call after the other."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times
        self.calls = 0

    def fail(self) -> None:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise StorageError("slow down", transient=True)

    def read(self, name: str) -> bytes:
        self.fail()
        return super().read(name)

    def write(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None:
        self.fail()
        super().write(name, data)

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        for stored in super().list(prefix, after):
            self.fail()
            yield stored


def test_what_passes_is_tried_again() -> None:
    storage = Failing(3)
    Retrying(storage).write("a", b"1")
    assert storage.calls == 4
    assert Retrying(storage).read("a") == b"1"


def test_what_does_not_pass_is_told_at_once() -> None:
    storage = Failing(0)
    with pytest.raises(NotFound):
        Retrying(storage).read("missing")
    assert storage.calls == 1


def test_patience_ends() -> None:
    began = time.monotonic()
    with pytest.raises(StorageError, match="slow down"):
        Retrying(Failing(1000), patience_s=0.5).read("a")
    assert time.monotonic() - began < 2
    with pytest.raises(Unreachable):
        attempt(lambda: (_ for _ in ()).throw(Unreachable("nobody there")), patience_s=0)


def test_a_listing_names_everything_once_though_it_fails_again_and_again() -> None:
    storage = Failing(0)
    written = [f"log/{number:04}" for number in range(300)]
    for name in written:
        storage.write(name, b"")
    for times in (1, 2, 3):
        storage.left = times
        assert [stored.name for stored in Retrying(storage).list("log/")] == written


def test_a_short_stream_is_sent_again_and_a_long_one_passed_on() -> None:
    storage = Failing(2)
    Retrying(storage).write_stream("short", iter([b"a", b"b"]))
    assert storage.read("short") == b"ab"
    chunks = [bytes([number]) * 1_000_000 for number in range(20)]
    Retrying(storage).write_stream("long", iter(chunks))
    assert storage.read("long") == b"".join(chunks)


def test_a_batch_tries_again_each_of_its_writes() -> None:
    storage = Failing(7)
    with Retrying(storage).batch() as batch:
        for number in range(20):
            batch.write(str(number), b"x")
    assert len(list(storage.list(""))) == 20
