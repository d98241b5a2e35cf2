"""What a checkpoint costs that is nearly the last one; and storing that was cut off."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from local_content import snapshot_of
from weight_files import keras, safetensors, torch_zip, write_sparse

from kwrap.errors import StorageError
from kwrap.repository.content import Content
from kwrap.repository.local_store import LocalStore
from kwrap.repository.repository import Repository
from kwrap.repository.storing import Presence
from kwrap.repository.trees import TreeEntry
from kwrap.storage.base import Storage, Stored

MIB = 1 << 20
LAYERS = 8
SIZES = {"attention": 3 * MIB, "attention.bias": 9000, "mlp.up": 5 * MIB, "mlp.down": 2 * MIB + 128, "norm": 3072}


def weights(step: int) -> dict[str, bytes]:
    """The tensors of a small transformer after a step: of every second layer always the same."""
    return {
        f"layer.{layer}.{name}": random.Random(f"{layer} {name} {step if layer % 2 else 0}").randbytes(size)
        for layer in range(LAYERS)
        for name, size in SIZES.items()
    }


TRAINED = sum(len(data) for name, data in weights(1).items() if int(name.split(".")[1]) % 2)
ONE, TWO = weights(1), weights(2)
FORMATS = {
    "safetensors": (safetensors(ONE), safetensors(TWO)),
    "safetensors, header grew": (safetensors(ONE), safetensors(TWO, {"step": "2000", "note": "x" * 56})),
    "torch": (torch_zip(ONE, "step_1"), torch_zip(TWO, "step_2")),
    "torch, name and pickle grew": (torch_zip(ONE, "last"), torch_zip(TWO, "checkpoint-20000", b"\x80\x02" * 3000)),
}


class Counting:
    """A storage that counts what is asked of it, and can break down after some writes."""

    def __init__(self, storage: Storage, parallel: int = 2) -> None:
        self._storage = storage
        self.parallel = parallel
        self.written: list[str] = []
        self.asked: list[str] = []
        self.listed: list[str] = []
        self.fails_after: int | None = None
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> object:
        return getattr(self._storage, name)

    def size(self, name: str) -> int | None:
        self.asked.append(name)
        return self._storage.size(name)

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        self.listed.append(prefix)
        return self._storage.list(prefix, after)

    def batch(self) -> Counting:
        return self

    def write(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None:
        assert sha256 is None or hashlib.sha256(data).hexdigest() == sha256
        with self._lock:
            if self.fails_after is not None and len(self.written) >= self.fails_after:
                raise StorageError("the network is down", transient=True)
            self.written.append(name)
        self._storage.write(name, data)

    def __enter__(self) -> Counting:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing waits."""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.open(str(tmp_path / "repository"), create=True)


def counted(repository: Repository, parallel: int = 2) -> tuple[Content, Counting]:
    storage = Counting(repository.storage, parallel)
    return Content(storage), storage  # type: ignore[arg-type]


def stored_bytes(repository: Repository) -> int:
    return sum(one.size_bytes for one in repository.storage.list("blobs/"))


def store(content: Content, tmp_path: Path, data: bytes) -> TreeEntry:
    (tmp_path / "weights").write_bytes(data)
    return content.store_file(str(tmp_path / "weights"), b"weights", 0o644)


@pytest.mark.parametrize("which", FORMATS)
def test_of_a_checkpoint_with_half_of_its_tensors_unchanged_half_is_stored(
    repository: Repository, tmp_path: Path, which: str
) -> None:
    first, second = FORMATS[which]
    store(repository.content, tmp_path, first)
    before = stored_bytes(repository)
    entry = store(repository.content, tmp_path, second)
    assert TRAINED <= stored_bytes(repository) - before <= TRAINED * 1.03
    assert repository.content.read_entry(entry) == second


def test_of_an_npz_with_half_of_its_arrays_unchanged_half_is_stored(repository: Repository, tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")

    def npz(step: int) -> Path:
        arrays = {name: numpy.frombuffer(data, dtype="u1") for name, data in weights(step).items()}
        numpy.savez(tmp_path / f"{step}.npz", **arrays)
        return tmp_path / f"{step}.npz"

    repository.content.store_file(str(npz(1)), b"weights.npz", 0o644)
    before = stored_bytes(repository)
    repository.content.store_file(str(npz(2)), b"weights.npz", 0o644)
    assert TRAINED <= stored_bytes(repository) - before <= TRAINED * 1.03


def test_a_keras_file_with_another_configuration_stores_only_that(repository: Repository, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(20 * MIB)
    store(repository.content, tmp_path, keras(data))
    before = stored_bytes(repository)
    store(repository.content, tmp_path, keras(data).replace(b"dense", b"DENSE"))
    assert stored_bytes(repository) - before < 10_000


def test_the_same_file_again_costs_no_bytes_and_a_question_a_piece(repository: Repository, tmp_path: Path) -> None:
    content, storage = counted(repository)
    data = safetensors(ONE) + bytes(8 * MIB)  # whose zeros are compressed
    entry = store(content, tmp_path, data)
    storage.written.clear()
    storage.asked.clear()
    assert store(content, tmp_path, data) == entry
    assert storage.written == []
    assert len(storage.asked) <= len(set(entry.pieces))


def test_a_piece_that_is_wanted_again_is_written_though_it_is_there(repository: Repository, tmp_path: Path) -> None:
    content, storage = counted(repository)
    data = random.Random(1).randbytes(9 * MIB)
    entry = store(content, tmp_path, data)
    storage.written.clear()
    again = frozenset({entry.pieces[1][0]})
    assert content.store_file(str(tmp_path / "weights"), b"weights", 0o644, again=again) == entry
    assert [name.rpartition("/")[2] for name in storage.written] == list(again)
    tree = content.store_tree(b"{}")
    storage.written.clear()
    content.store_tree(b"{}")
    assert storage.written == []
    content.store_tree(b"{}", again={tree})
    assert storage.written == [f"trees/{tree[:2]}/{tree}.json.zst"]


@pytest.mark.parametrize("cut_off", [0, 1, 4, 11])
def test_storing_that_broke_off_goes_on_where_it_was(repository: Repository, tmp_path: Path, cut_off: int) -> None:
    content, storage = counted(repository)
    data = random.Random(3).randbytes(48 * MIB)
    storage.fails_after = cut_off
    with pytest.raises(StorageError, match="network"):
        store(content, tmp_path, data)
    storage.fails_after = None
    entry = store(content, tmp_path, data)
    assert len(storage.written) == len(set(storage.written)) == 12  # each once, in both attempts together
    assert repository.content.read_entry(entry) == data


def test_weights_among_the_code_are_the_same_pieces_as_in_a_checkpoint(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pretrained.safetensors").write_bytes(
        safetensors({"a": os.urandom(3 * MIB), "b": b"b" * MIB * 2})
    )
    taken = snapshot_of(tmp_path / "project", tmp_path / "state")
    local = LocalStore(str(tmp_path / "state" / "store"))
    for sha256 in taken.snapshot.blobs:
        repository.content.upload_blob(local.blob_path(sha256), sha256)
    content, storage = counted(repository)
    entry = content.store_file(str(tmp_path / "project" / "pretrained.safetensors"), b"model", 0o644)
    assert storage.written == []
    assert len(entry.pieces) == 3
    assert taken.entries[0].pieces == entry.pieces
    assert taken.entries[0].sha256 is not None


def test_a_pack_that_is_wanted_again_is_written_though_it_is_there(repository: Repository, tmp_path: Path) -> None:
    pack = tmp_path / "pack.tar"
    pack.write_bytes(os.urandom(40 * MIB))
    sha256 = hashlib.sha256(pack.read_bytes()).hexdigest()
    repository.content.upload_pack(str(pack), sha256)
    path = Path(repository.url, "packs", f"{sha256}.tar.zst")
    before = path.stat()
    repository.content.upload_pack(str(pack), sha256)
    assert path.stat() == before
    repository.content.upload_pack(str(pack), sha256, again={sha256})
    assert path.stat().st_ino != before.st_ino
    assert (
        zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True).read()
        == pack.read_bytes()
    )


def test_a_killed_process_leaves_what_it_stored(repository: Repository, tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import os, signal, sys
        from kwrap.repository.repository import Repository
        from kwrap.storage import durable
        content = Repository.open(sys.argv[2]).content
        left, replace = 6, durable.Temporary.replace
        def dying(self, *arguments):
            global left
            replace(self, *arguments)
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        durable.Temporary.replace = dying
        content.store_file(sys.argv[1], b"weights", 0o644)
    """)
    data = random.Random(4).randbytes(40 * MIB)
    (tmp_path / "weights").write_bytes(data)
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "weights"), repository.url], check=False)
    found = {one.name for one in repository.storage.list("blobs/")}
    assert 6 <= len(found) < 10
    content, storage = counted(repository)
    entry = store(content, tmp_path, data)
    assert not found & set(storage.written)
    assert repository.content.read_entry(entry) == data


def test_of_many_pieces_a_far_storage_is_asked_by_listing(repository: Repository, tmp_path: Path) -> None:
    entry = store(repository.content, tmp_path, random.Random(5).randbytes(20 * MIB) + bytes(4 * MIB))
    there = [sha256 for sha256, _ in entry.pieces]
    by_prefix = {f"blobs/{one[:2]}/" for one in there}
    cases: tuple[tuple[int, int, int, set[str]], ...] = (
        (16, 16, 0, {"blobs/"}),
        (16, 15, 0, set()),  # asked for in as little time
        (2, 3000, 0, set()),  # answers at once
        (16, 300, 80, by_prefix),  # 20,480 names, by the first prefix: too many to be listed for few pieces
        (16, 200, 80, set()),
        (16, 400, 80, {"blobs/"}),
    )
    for parallel, count, names, lists in cases:
        for number in range(names):
            repository.storage.write(f"blobs/00/00{number:062x}", b"")
        _, storage = counted(repository, parallel)
        presence = Presence(storage, count)  # type: ignore[arg-type]
        assert all(presence.has(sha256, compressed_first=False) for sha256 in there)
        assert not presence.has(there[0][:-1] + ("0" if there[0][-1] != "0" else "1"), compressed_first=False)
        assert set(storage.listed) - {"blobs/00/"} == lists
        assert bool(storage.asked) is not bool(lists)


# Memory

_MEASURED = """
import resource, sys
from kwrap.repository import restore
from kwrap.repository.repository import Repository
content = Repository.open(sys.argv[2], create=True).content
content.store_tree(b"{}")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
entry = content.store_file(sys.argv[1], b"big", 0o644)
restore.apply(content, [entry], sys.argv[3], backup=None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def grown_bytes(big: Path, tmp_path: Path) -> int:
    """By how much a process grew that stored a file and restored it."""
    command = [sys.executable, "-c", _MEASURED, str(big), str(tmp_path / "r"), str(tmp_path / "out")]
    return int(subprocess.run(command, check=True, capture_output=True).stdout) * 1024


def test_four_gigabytes_of_nothing_take_no_room_and_little_memory(tmp_path: Path) -> None:
    write_sparse(tmp_path / "big", 4 << 30)
    before_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert grown_bytes(tmp_path / "big", tmp_path) < 64 * MIB
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before_s < 30
    restored = os.stat(tmp_path / "out" / "big")
    assert restored.st_size == 4 << 30
    assert restored.st_blocks * 512 < 16 * MIB
    assert sum(path.stat().st_size for path in (tmp_path / "r").rglob("*") if path.is_file()) < 100_000


def test_large_tensors_take_no_more_memory_than_is_said(tmp_path: Path) -> None:
    """In pieces of 16 MiB that compress a little, the worst there is: see `storing` and `fetching`."""
    block = os.urandom(4 * MIB).translate(bytes(range(64)) * 4)
    with (tmp_path / "big").open("wb") as file:
        header = safetensors({"w": b""}).replace(b"[0,0]", b"[0,%d]" % (400 * MIB))
        file.write((len(header) - 8).to_bytes(8, "little") + header[8:])
        for number in range(100):
            file.write(number.to_bytes(4, "little") + block[4:])
    assert (tmp_path / "big").stat().st_size > 390 * MIB
    assert grown_bytes(tmp_path / "big", tmp_path) < (128 + 32) * MIB
