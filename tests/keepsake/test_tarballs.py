"""Tarballs by any hand: what is in them, what must not be restored, and what they cost."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keepsake_fixture import Keepsake
from keepsake_fixture import kwrap as run

from kwrap.errors import Damaged
from kwrap.repository.keepsake import tarballs
from kwrap.storage.memory import MemoryStorage

ID = "a" * 64
NAME = f"experiments/{ID}.tar.gz"
FORMATS = {"pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT}

parts = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda one: one not in (".", "..") and len(one.encode()) < 256
)
paths = st.lists(parts, min_size=1, max_size=6).map("/".join)


def contents(packed: bytes) -> tarballs.Contents:
    storage = MemoryStorage()
    storage.write(NAME, packed)
    return tarballs.contents(storage, NAME)


def tarred(*members: tuple[tarfile.TarInfo, bytes], kind: str = "pax") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=FORMATS[kind]) as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return made.getvalue()


def member(path: str, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(f"{ID}/{path}")
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@settings(deadline=None)
@given(st.dictionaries(paths, st.binary(max_size=2000), max_size=6), st.sampled_from(sorted(FORMATS)))
def test_whatever_the_standard_library_writes_is_read(files: dict[str, bytes], kind: str) -> None:
    found = contents(gzip.compress(tarred(*((member(path), data) for path, data in files.items()), kind=kind), 0))
    assert {one.path.decode(): one.size_bytes for one in found.entries} == {
        path: len(data) for path, data in files.items()
    }
    clashing = [path for path in files if any(path.startswith(f"{other}/") for other in files)]
    assert len(found.refused) == len(clashing)


@settings(deadline=None)
@given(st.binary(max_size=3000))
def test_no_bytes_at_all_do_anything_but_be_damaged(data: bytes) -> None:
    for packed in (data, gzip.compress(data)):
        assert_damaged_or_read(packed)


@settings(deadline=None)
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4))
def test_a_tar_that_was_changed_anywhere_is_damaged_or_read(at: int, change: bytes) -> None:
    plain = bytearray(tarred((member("a/b.txt"), b"x" * 700), (member("c" * 150), b"y")))
    plain[at : at + len(change)] = change
    assert_damaged_or_read(gzip.compress(bytes(plain), 1))


def assert_damaged_or_read(packed: bytes) -> None:
    try:
        contents(packed)
    except Damaged as error:
        assert NAME in error.message


def test_several_gzip_members_are_one_file() -> None:
    plain = tarred((member("a"), b"1" * 5000))
    halves = [zlib.compress(plain[:700], 1, 31), zlib.compress(plain[700:], 0, 31)]
    assert [one.size_bytes for one in contents(b"".join(halves)).entries] == [5000]


def test_zeros_behind_a_gzip_file_are_no_damage_and_anything_else_is() -> None:
    packed = gzip.compress(tarred((member("a"), b"1")))
    assert len(contents(packed + bytes(3000)).entries) == 1
    with pytest.raises(Damaged):
        contents(packed + b"more")


def test_modes_are_kept_without_what_gives_rights_to_others() -> None:
    found = contents(gzip.compress(tarred((member("run.sh", mode=0o4755), b"1"), (member("key", mode=0o600), b"2"))))
    assert [(one.path, oct(one.mode)) for one in found.entries] == [(b"key", "0o600"), (b"run.sh", "0o755")]


def test_directories_are_none_of_its_files() -> None:
    made = tarred((member("empty", type=tarfile.DIRTYPE), b""), (member("a"), b"1"))
    assert [one.path for one in contents(gzip.compress(made)).entries] == [b"a"]


UNSAFE = {
    "leads out": member("../../etc/passwd"),
    "leads out from below": member("a/../../b"),
    "absolute": member("/etc/passwd"),
    "a dot": member("./a"),
    "without a directory": tarfile.TarInfo("bare"),
    "a symlink": member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "a hard link": member("link", type=tarfile.LNKTYPE, linkname=f"{ID}/a"),
    "a device": member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "a pipe": member("pipe", type=tarfile.FIFOTYPE),
    "unknown": member("odd", type=b"Z"),
}


@pytest.mark.parametrize("what", sorted(UNSAFE))
def test_what_must_not_be_restored_is_named_and_the_checkout_does_nothing(tmp_path: Path, what: str) -> None:
    made = Keepsake(tmp_path / "repository")
    experiment_id = made.experiment(10, files={})
    assert experiment_id == ID
    made.packed(f"experiments/{ID}", tarred((member("good.txt"), b"1"), (UNSAFE[what], b"")))
    out = tmp_path / "out"
    done = run("checkout", ID, "-o", str(out), "-R", made.url)
    assert done.status == 1
    assert f"{ID}.tar.gz: '" in done.err
    assert not out.exists()
    assert [one.name for one in tmp_path.iterdir()] == ["repository"]


def test_a_file_that_is_both_a_file_and_a_directory_is_refused(tmp_path: Path) -> None:
    made = Keepsake(tmp_path / "repository")
    experiment_id = made.experiment(1, files={"a": b"1", "a/b": b"2"})
    out = tmp_path / "out"
    assert run("checkout", experiment_id, "-o", str(out), "-R", made.url).status == 1
    assert not out.exists()


def test_a_name_of_gigabytes_is_damage_and_no_memory() -> None:
    header = member("x", type=b"L")
    header.size = 3 << 30
    with pytest.raises(Damaged, match="a name in it is"):
        contents(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(10_000)))


def test_a_large_tarball_is_read_in_little_memory() -> None:
    size = 300 << 20
    storage = MemoryStorage()
    head = member("zeros.bin")
    head.size = size
    deflater = zlib.compressobj(1, zlib.DEFLATED, 31)
    packed = bytearray(deflater.compress(head.tobuf(tarfile.PAX_FORMAT)))
    for _ in range(size >> 20):
        packed += deflater.compress(bytes(1 << 20))
    packed += deflater.compress(bytes(1024)) + deflater.flush()
    storage.write(NAME, packed)
    tracemalloc.start()
    try:
        (entry,) = tarballs.contents(storage, NAME).entries
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert entry.size_bytes == size
    assert peak < 16 << 20
