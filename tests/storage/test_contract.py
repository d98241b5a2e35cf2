"""What every kind of storage promises, tried on every kind: buckets on real servers. A new kind is a line in KINDS."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from servers import Server

from kwrap.errors import AlreadyExists, NotFound
from kwrap.storage import bucket_url
from kwrap.storage.base import Storage, is_name
from kwrap.storage.disk import DiskStorage
from kwrap.storage.gcs import GCSStorage
from kwrap.storage.memory import MemoryStorage
from kwrap.storage.open import open_storage
from kwrap.storage.retry import Retrying
from kwrap.storage.s3 import S3Storage


@dataclass
class Kind:
    """How to make one, over a server of that fixture if it needs any. `bound_bytes`: of memory for a large object."""

    make: Callable[[Path, str], Storage]
    server: str | None = None
    bound_bytes: int = 8_000_000
    by_folder: bool = False  # lists folder by folder: not told from the promised order where no name has - or .

    def comparable(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if not self.by_folder or not set("-.") & set(name)]


def bare(path: Path, url: str) -> Storage:
    """Without what tries again: each call as the server answers it."""
    where = bucket_url.parse(url)
    return S3Storage(where) if where.scheme == "s3" else GCSStorage(where)


_BUCKET_BOUND = 80_000_000  # four parts under way, one being read, each once more in the HTTP library
KINDS = {
    "disk": Kind(lambda path, url: DiskStorage(str(path / "repository"))),
    "disk-without-links": Kind(lambda path, url: DiskStorage(str(path / "repository"), hard_links=False)),
    "disk-odd-path": Kind(lambda path, url: DiskStorage(str(path / "a b" / "Modèle №7 ☃ 'x' $y"))),
    "memory": Kind(lambda path, url: MemoryStorage()),
    "retrying": Kind(lambda path, url: Retrying(DiskStorage(str(path / "repository"))), bound_bytes=30_000_000),
    "s3": Kind(bare, "s3", _BUCKET_BOUND),
    "s3-retrying": Kind(lambda path, url: open_storage(url, base="."), "s3", _BUCKET_BOUND),
    "seaweed": Kind(bare, "seaweed", _BUCKET_BOUND, by_folder=True),
    "gcs": Kind(bare, "gcs", _BUCKET_BOUND),
    "gcs-retrying": Kind(lambda path, url: open_storage(url, base="."), "gcs", _BUCKET_BOUND),
}
BAD_NAMES = [
    "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a b", "é", "a\nb", "a\0b", "a\\b", "a:b", "a*",
    "tmp", "tmp/x", "x" * 256, "/".join(["x" * 200] * 6),
]  # fmt: skip


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def storage(
    kind: Kind, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Storage]:
    url = ""
    if kind.server:
        server: Server = request.getfixturevalue(kind.server)
        server.enter(monkeypatch)
        url = server.fresh_url()
    yield kind.make(tmp_path, url)


def names(storage: Storage, prefix: str = "", after: str = "") -> list[str]:
    return [stored.name for stored in storage.list(prefix, after)]


def test_what_is_written_is_read(storage: Storage) -> None:
    storage.write("a/b/c.json", b"one")
    assert storage.read("a/b/c.json") == b"one"
    assert storage.size("a/b/c.json") == 3


def test_a_later_write_takes_the_place_of_an_earlier(storage: Storage) -> None:
    storage.write("a", b"a long first text")
    storage.write("a", b"short")
    assert storage.read("a") == b"short"


@pytest.mark.parametrize("size", [0, 1, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 5_000_000])
def test_objects_of_every_size_come_back(storage: Storage, size: int) -> None:
    data = os.urandom(size)
    storage.write("sized", data)
    assert storage.read("sized") == data
    assert storage.size("sized") == size
    assert names(storage) == ["sized"]


def test_what_is_not_there_is_not_found(storage: Storage) -> None:
    storage.write("folder/object", b"")
    for name in ("missing", "folder", "folder/missing", "folder/object/missing"):
        assert storage.size(name) is None
        with pytest.raises(NotFound):
            storage.read(name)
        with pytest.raises(NotFound):
            storage.read_range(name, 0, 1)
        with pytest.raises(NotFound):
            storage.open(name).read()


def test_a_name_that_is_none_is_refused_everywhere(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for name in BAD_NAMES:
        refuses(storage, name, file)
    assert names(storage) == []


def refuses(storage: Storage, name: str, file: Path) -> None:
    for call in (
        lambda: storage.write(name, b""),
        lambda: storage.create(name, b""),
        lambda: storage.write_file(name, file),
        lambda: storage.write_stream(name, [b""]),
        lambda: storage.batch().write(name, b""),
        lambda: storage.read(name),
        lambda: storage.read_range(name, 0, 1),
        lambda: storage.open(name),
        lambda: storage.size(name),
        lambda: storage.delete(name),
    ):
        with pytest.raises(ValueError, match="is no name"):
            call()


def test_create_refuses_what_exists_and_leaves_it(storage: Storage) -> None:
    storage.create("records/one.json", b"first")
    with pytest.raises(AlreadyExists):
        storage.create("records/one.json", b"second")
    assert storage.read("records/one.json") == b"first"
    assert names(storage) == ["records/one.json"]


def test_of_many_that_create_at_once_exactly_one_wins(storage: Storage) -> None:
    start = threading.Barrier(8)
    won: list[list[bytes]] = [[] for _ in range(20)]

    def create(mark: bytes) -> None:
        start.wait()
        for number in range(20):
            try:
                storage.create(f"races/{number}", mark * 1000)
            except AlreadyExists:
                continue
            won[number].append(mark)

    threads = [threading.Thread(target=create, args=(bytes([65 + number]),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, winners in enumerate(won):
        assert len(winners) == 1
        assert storage.read(f"races/{number}") == winners[0] * 1000


def test_ranges_are_read(storage: Storage) -> None:
    storage.write("digits", b"0123456789")
    assert storage.read_range("digits", 0, 4) == b"0123"
    assert storage.read_range("digits", 7, 100) == b"789"
    assert storage.read_range("digits", 10, 5) == b""
    assert storage.read_range("digits", 99, 5) == b""
    assert storage.read_range("digits", 3, 0) == b""


def test_open_gives_a_stream(storage: Storage) -> None:
    storage.write("streamed", bytes(range(256)) * 1000)
    with storage.open("streamed") as stream:
        assert stream.read(3) == b"\0\1\2"
        assert len(stream.read()) == 255_997


def test_listing_is_in_the_order_of_whole_names(storage: Storage, kind: Kind) -> None:
    everything = ["a-b/x", "a.json", "a/x", "a/b/c", "a0", "B", "ab", "a/b.c", "a/b-c/d", "z/1", "z/10", "z/2"]
    written = kind.comparable(everything)
    for name in written:
        storage.write(name, name.encode())
    listed = list(storage.list(""))
    assert [stored.name for stored in listed] == sorted(written)
    assert [stored.size_bytes for stored in listed] == [len(name) for name in sorted(written)]
    assert all(stored.modified_ns > 1_500_000_000_000_000_000 for stored in listed)


def test_a_prefix_may_end_anywhere(storage: Storage) -> None:
    for name in ("runs/ab/1", "runs/ab/2", "runs/abc/1", "runs/b/1", "run.json"):
        storage.write(name, b"")
    assert names(storage, "runs/ab") == ["runs/ab/1", "runs/ab/2", "runs/abc/1"]
    assert names(storage, "runs/ab/") == ["runs/ab/1", "runs/ab/2"]
    assert names(storage, "runs/ab/1") == ["runs/ab/1"]
    assert names(storage, "run") == ["run.json", "runs/ab/1", "runs/ab/2", "runs/abc/1", "runs/b/1"]
    assert names(storage, "nothing/here") == []


NAME = st.lists(st.text("ab-./0", min_size=1, max_size=3), min_size=1, max_size=3).map("/".join).filter(is_name)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(NAME, max_size=12), st.text("ab-./0", max_size=4), st.text("ab-./0", max_size=4))
def test_listing_gives_what_sorting_all_names_would(
    storage: Storage, kind: Kind, written: set[str], prefix: str, after: str
) -> None:
    assume(kind.comparable([after]))
    written = set(kind.comparable(written))
    written = {name for name in written if not any(other.startswith(f"{name}/") for other in written)}
    for name in names(storage):
        storage.delete(name)
    for name in written:
        storage.write(name, b"")
    expected = sorted(name for name in written if name.startswith(prefix) and name > after)
    assert names(storage, prefix, after) == expected


def test_what_was_deleted_is_gone_and_may_be_written_again(storage: Storage) -> None:
    storage.write("heartbeats/one/r0", b"alive")
    storage.delete("heartbeats/one/r0")
    storage.delete("heartbeats/one/r0")
    storage.delete("heartbeats/never/there")
    assert storage.size("heartbeats/one/r0") is None
    assert names(storage) == []
    assert storage.is_empty()
    storage.create("heartbeats/one/r0", b"again")
    assert storage.read("heartbeats/one/r0") == b"again"


def test_a_new_storage_is_empty_and_stays_so_when_only_read(storage: Storage) -> None:
    assert storage.is_empty()
    assert names(storage, "anything/") == []
    assert storage.size("repository.json") is None
    assert storage.is_empty()
    storage.write("repository.json", b"{}")
    assert not storage.is_empty()


def test_a_local_file_is_stored(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "weights ü.bin"
    file.write_bytes(os.urandom(3_000_000))
    storage.write_file("blobs/one", file)
    storage.write_file("blobs/one", str(file))
    assert storage.read("blobs/one") == file.read_bytes()


def test_a_stream_that_fails_in_the_middle_stores_nothing(storage: Storage) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x" * 1_000_000
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError, match="the source failed"):
        storage.write_stream("packs/one", chunks())
    assert storage.size("packs/one") is None
    assert names(storage) == []
    storage.write_stream("packs/one", iter([b"a", b"", b"b"]))
    assert storage.read("packs/one") == b"ab"


def test_a_batch_stores_everything_in_it(storage: Storage) -> None:
    written = {f"blobs/{number % 7}/{number}": os.urandom(10_000 + number) for number in range(100)}
    with storage.batch() as batch:
        buffer = bytearray(20_000)
        for name, data in written.items():
            buffer[: len(data)] = data
            batch.write(name, memoryview(buffer)[: len(data)])
            buffer[:] = bytes(len(buffer))  # the caller's buffer is his own again
    assert {name: storage.read(name) for name in names(storage)} == written


def test_a_batch_with_nothing_in_it_is_no_error(storage: Storage) -> None:
    with storage.batch():
        pass
    assert storage.is_empty()


def test_an_error_in_a_batch_is_the_one_that_is_raised(storage: Storage) -> None:
    with pytest.raises(RuntimeError, match="mine"), storage.batch() as batch:
        batch.write("one", b"1")
        raise RuntimeError("mine")


def test_big_files_take_little_memory(storage: Storage, kind: Kind, tmp_path: Path) -> None:
    if isinstance(storage, MemoryStorage):
        pytest.skip("memory holds what it stores")
    file = tmp_path / "big"
    with file.open("wb") as sparse:
        sparse.truncate(200_000_000)
    tracemalloc.start()
    try:
        storage.write_file("big", file)
        digest = hashlib.sha256()
        with storage.open("big") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
        assert tracemalloc.get_traced_memory()[1] < kind.bound_bytes
    finally:
        tracemalloc.stop()
    assert storage.size("big") == 200_000_000


def test_data_of_the_hash_that_is_told_is_stored(storage: Storage) -> None:
    data = os.urandom(100_000)
    digest = hashlib.sha256(data).hexdigest()
    storage.write("blobs/one", data, sha256=digest)
    with storage.batch() as batch:
        batch.write("blobs/two", memoryview(data), sha256=digest)
    assert storage.read("blobs/one") == storage.read("blobs/two") == data


def test_a_long_stream_comes_back_whole(storage: Storage) -> None:
    chunks = [os.urandom(3_000_001) for _ in range(9)]
    storage.write_stream("packs/long", iter(chunks))
    assert storage.size("packs/long") == 27_000_009
    assert storage.read("packs/long") == b"".join(chunks)
    with storage.open("packs/long") as stream:
        assert stream.read(10_000_000) == b"".join(chunks)[:10_000_000]
        assert stream.read() == b"".join(chunks)[10_000_000:]


def test_a_long_stream_that_fails_stores_nothing_and_leaves_what_was_there(storage: Storage) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield bytes(1_000_000)
        raise RuntimeError("the source failed")

    storage.write("packs/long", b"before")
    with pytest.raises(RuntimeError, match="the source failed"):
        storage.write_stream("packs/long", chunks())
    assert storage.read("packs/long") == b"before"
    assert names(storage) == ["packs/long"]


def test_many_threads_write_one_batch(storage: Storage) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 20):
            batch.write(f"blobs/{number}", str(number).encode() * 1000)

    with storage.batch() as batch:
        threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 80, 20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert names(storage) == sorted(f"blobs/{number}" for number in range(80))
    assert storage.read("blobs/77") == b"77" * 1000


def test_more_than_a_page_is_listed(storage: Storage) -> None:
    written = [f"log/{number:05}" for number in range(1100)]
    with storage.batch() as batch:
        for name in written:
            batch.write(name, b"")
    assert names(storage, "log/") == written
    assert names(storage, "log/", after="log/00990") == written[991:]


def test_ages_are_by_the_clock_of_the_storage(storage: Storage) -> None:
    before = storage.now_ns()
    storage.write("aged", b"")
    (found,) = storage.list("aged")
    second = 1_000_000_000
    assert before - 2 * second <= found.modified_ns <= storage.now_ns() + 2 * second
    assert abs(storage.now_ns() - time.time_ns()) < 5 * second  # our servers are on this machine
