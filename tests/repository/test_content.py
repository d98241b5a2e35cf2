"""Content: stored once, found again byte for byte, and never believed when it is damaged."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kwrap.errors import Damaged, KwrapError, NotFound, StorageError
from kwrap.repository import pieces, restore, trees
from kwrap.repository.content import Content
from kwrap.repository.repository import Repository
from kwrap.repository.trees import TreeEntry

MIB = 1 << 20


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.open(str(tmp_path / "repository"), create=True)


@pytest.fixture
def content(repository: Repository) -> Content:
    return repository.content


def stored(repository: Repository) -> dict[str, int]:
    return {one.name: one.size_bytes for one in repository.storage.list("") if one.name != "repository.json"}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def store(content: Content, tmp_path: Path, data: bytes, name: bytes = b"model.pt") -> TreeEntry:
    file = tmp_path / "local"
    file.write_bytes(data)
    return content.store_file(str(file), name, 0o640)


def pack(tmp_path: Path, files: dict[str, bytes]) -> tuple[str, str, list[TreeEntry]]:
    """A plain tar as the snapshot makes it, its name, and entries for the files in it."""
    path, entries = tmp_path / "local.tar", []
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for data in {sha(data): data for data in files.values()}.values():
            member = tarfile.TarInfo(sha(data))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    name = sha(path.read_bytes())
    with tarfile.open(path) as tar:
        for file, data in files.items():
            member = tar.getmember(sha(data))
            entries.append(
                TreeEntry(
                    path=file.encode(), size_bytes=len(data), sha256=sha(data), pack=name, offset=member.offset_data
                )
            )
    return str(path), name, entries


# Pieces


@pytest.mark.parametrize("size", [0, 1, 100_000, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 8 * MIB, 21 * MIB + 17])
def test_a_file_of_any_size_comes_back(content: Content, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    entry = store(content, tmp_path, data)
    assert entry == TreeEntry(
        path=b"model.pt",
        mode=0o640,
        size_bytes=size,
        sha256=sha(data) if size <= 4 * MIB else None,
        pieces=tuple(
            (sha(data[start : start + 4 * MIB]), len(data[start : start + 4 * MIB]))
            for start in range(0, size, 4 * MIB)
        ),
    )
    assert content.read_entry(entry) == data
    assert all(content.has_blob(sha256) for sha256, _ in entry.pieces)


def test_the_same_file_again_writes_nothing(repository: Repository, tmp_path: Path) -> None:
    data = os.urandom(9 * MIB)
    first = store(repository.content, tmp_path, data)
    before = {path: path.stat().st_mtime_ns for path in Path(repository.url).rglob("*")}
    assert store(repository.content, tmp_path, data) == first
    assert {path: path.stat().st_mtime_ns for path in Path(repository.url).rglob("*")} == before


def test_a_file_with_one_changed_byte_stores_one_piece(repository: Repository, tmp_path: Path) -> None:
    data = bytearray(os.urandom(20 * MIB))
    store(repository.content, tmp_path, bytes(data))
    before = sum(stored(repository).values())
    data[9 * MIB] ^= 1
    store(repository.content, tmp_path, bytes(data))
    assert sum(stored(repository).values()) - before == 4 * MIB


def test_pieces_are_compressed_where_it_pays_and_only_there(repository: Repository, tmp_path: Path) -> None:
    store(repository.content, tmp_path, os.urandom(4 * MIB) + bytes(range(256)) * (4 * MIB // 256))
    raw, packed = sorted(stored(repository).items(), key=lambda item: -item[1])
    assert raw[1] == 4 * MIB
    assert not raw[0].endswith(".zst")
    assert packed[1] < 4 * MIB / 10
    assert packed[0].endswith(".zst")


def test_a_piece_that_repeats_is_stored_once(repository: Repository, tmp_path: Path) -> None:
    entry = store(repository.content, tmp_path, os.urandom(4 * MIB) * 5)
    assert len(entry.pieces) == 5
    assert len(stored(repository)) == 1


def test_a_stored_file_is_seekable(content: Content, tmp_path: Path) -> None:
    data = os.urandom(4 * MIB) + b"a" * (4 * MIB) + os.urandom(1000)
    with content.open_entry(store(content, tmp_path, data)) as stream:
        assert stream.seek(-500, os.SEEK_END) == len(data) - 500
        assert stream.read() == data[-500:]
        stream.seek(4 * MIB - 10)
        assert stream.read(20) == data[4 * MIB - 10 : 4 * MIB + 10]
        stream.seek(5, os.SEEK_CUR)
        assert stream.tell() == 4 * MIB + 15
        assert stream.seek(99_999_999) == 99_999_999
        assert stream.read(1) == b""
        assert not stream.writable()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.integers(1, 30)), max_size=6),
    st.lists(st.tuples(st.sampled_from((0, 1, 2)), st.integers(-300, 300), st.integers(-1, 300)), max_size=12),
)
def test_a_stream_over_pieces_behaves_as_a_file(
    repository: Repository, parts: list[tuple[bytes, int]], steps: list[tuple[int, int, int]]
) -> None:
    plain = [data * times for data, times in parts]
    for data in plain:
        if not repository.content.has_blob(sha(data)):
            pieces.write(repository.storage, sha(data), memoryview(data))
    whole = b"".join(plain)
    entry = TreeEntry(
        path=b"x", size_bytes=len(whole), sha256=sha(whole), pieces=tuple((sha(data), len(data)) for data in plain)
    )
    with repository.content.open_entry(entry) as stream, io.BytesIO(whole) as like:
        for whence, offset, length in steps:
            begin = (0, like.tell(), len(whole))[whence]
            where = max(offset, -begin)
            assert stream.seek(where, whence) == like.seek(where, whence)
            assert stream.read(length) == like.read(length)
            assert stream.tell() == like.tell()
    assert repository.content.read_entry(entry) == whole


def test_a_file_that_changes_while_it_is_read_is_refused(content: Content, tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import sys
        print("begun", flush=True)
        with open(sys.argv[1], "r+b") as file:
            while True:
                file.seek(0); file.write(b"x"); file.flush()
    """)
    file = tmp_path / "changing"
    file.write_bytes(os.urandom(30 * MIB))
    writer = subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(Damaged, match="changed while it was read"):
            content.store_file(str(file), b"changing", 0o644)
    finally:
        writer.kill()
        writer.communicate()


def test_a_file_that_cannot_be_read_is_not_the_storages_fault(content: Content, tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(Damaged, match="cannot be read"):
            content.store_file(str(path), b"x", 0o644)
    with pytest.raises(Damaged, match="cannot be read"):
        content.upload_pack(str(tmp_path / "missing"), "a" * 64)
    with pytest.raises(Damaged, match="cannot be read"):
        content.upload_blob(str(tmp_path / "missing"), "a" * 64)


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import resource, sys
        from kwrap.repository.repository import Repository
        content = Repository.open(sys.argv[2], create=True).content
        content.store_tree(b"{}")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        entry = content.store_file(sys.argv[1], b"big", 0o644)
        for _, stream in content.entries_in_pack_order([entry]):
            while stream.read(1 << 20):
                pass
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """)
    big = tmp_path / "big"
    with big.open("wb") as file:
        for _ in range(8):
            file.write(os.urandom(16 * MIB))
        file.truncate(600 * MIB)
    command = [sys.executable, "-c", code, str(big), str(tmp_path / "r")]
    grown_kb = int(subprocess.run(command, check=True, capture_output=True).stdout)
    assert grown_kb < 60_000


# Trees


def test_a_tree_comes_back(repository: Repository) -> None:
    entries = (TreeEntry(path=b"a", size_bytes=0, sha256=sha(b"")), TreeEntry(path=b"b", target=b"../nowhere"))
    manifest = trees.encode(entries)
    assert not repository.content.has_tree(sha(manifest))
    assert repository.content.store_tree(manifest) == sha(manifest)
    assert repository.content.has_tree(sha(manifest))
    assert repository.content.tree(sha(manifest)) == trees.decode(manifest)
    before = stored(repository)
    repository.content.store_tree(manifest)
    assert stored(repository) == before


# Packs


FILES = {
    "a.py": b"print('a')\n",
    "b/c.py": b"x" * 100_000,
    "empty-like": b"\n",
    "d": os.urandom(3000),
    "a2.py": b"print('a')\n",
}


def test_the_files_of_a_pack_come_back(repository: Repository, tmp_path: Path) -> None:
    path, name, entries = pack(tmp_path, FILES)
    assert not repository.content.has_pack(name)
    repository.content.upload_pack(path, name)
    assert repository.content.has_pack(name)
    assert list(stored(repository)) == [f"packs/{name}.tar.zst"]
    for entry in entries:
        assert repository.content.read_entry(entry) == FILES[entry.path.decode()]
        with repository.content.open_entry(entry) as stream:
            stream.seek(1)
            assert stream.read() == FILES[entry.path.decode()][1:]


def test_a_pack_is_a_real_tar(repository: Repository, tmp_path: Path) -> None:
    path, name, _ = pack(tmp_path, FILES)
    repository.content.upload_pack(path, name)
    with repository.storage.open(f"packs/{name}.tar.zst") as packed:
        plain = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True).read()
    assert plain == Path(path).read_bytes()


def test_a_pack_of_several_frames_is_read(repository: Repository, tmp_path: Path) -> None:
    files = {str(number): os.urandom(900_000) + bytes([number]) for number in range(40)}
    path, name, entries = pack(tmp_path, files)
    repository.content.upload_pack(path, name)
    for entry, stream in repository.content.entries_in_pack_order(reversed(entries)):
        assert stream.read() == files[entry.path.decode()]


def test_entries_come_in_pack_order_each_pack_decompressed_once(repository: Repository, tmp_path: Path) -> None:
    first, first_name, first_entries = pack(tmp_path, FILES)
    repository.content.upload_pack(first, first_name)
    second, second_name, second_entries = pack(tmp_path, {"z": b"z", "y": b"y"})
    repository.content.upload_pack(second, second_name)
    large = store(repository.content, tmp_path, os.urandom(5 * MIB))
    nothing = store(repository.content, tmp_path, b"", b"nothing")
    link, folder = TreeEntry(path=b"link", target=b"x"), TreeEntry(path=b"folder", directory=True)
    opened: list[str] = []
    storage = repository.storage
    repository.content._storage = Counting(storage, opened)  # type: ignore[assignment]
    entries = [large, *second_entries, link, *first_entries, folder, nothing]
    found = {entry.path: stream.read() for entry, stream in repository.content.entries_in_pack_order(entries)}
    assert found.pop(b"model.pt") == repository.content.read_entry(large)
    assert found.pop(b"nothing") == b""
    assert found == {name.encode(): data for name, data in {**FILES, "z": b"z", "y": b"y"}.items()}
    assert sorted(opened) == sorted([f"packs/{first_name}.tar.zst", f"packs/{second_name}.tar.zst"])


class Counting:
    """A storage that remembers what was opened."""

    def __init__(self, storage: object, opened: list[str]) -> None:
        self._storage = storage
        self._opened = opened

    def open(self, name: str) -> object:
        self._opened.append(name)
        return self._storage.open(name)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> object:
        return getattr(self._storage, name)


def test_a_pack_that_is_not_what_its_name_says_is_not_stored(repository: Repository, tmp_path: Path) -> None:
    path, _, _ = pack(tmp_path, FILES)
    with pytest.raises(Damaged, match="not those that its name says"):
        repository.content.upload_pack(path, "a" * 64)
    assert stored(repository) == {}
    assert list((Path(repository.url) / "tmp").iterdir()) == []


def test_a_pack_that_is_there_is_not_read_again(repository: Repository, tmp_path: Path) -> None:
    path, name, _ = pack(tmp_path, FILES)
    repository.content.upload_pack(path, name)
    os.unlink(path)
    repository.content.upload_pack(path, name)


def test_a_local_piece_is_uploaded_and_verified(repository: Repository, tmp_path: Path) -> None:
    data = os.urandom(4 * MIB)
    (tmp_path / "piece").write_bytes(data)
    with pytest.raises(Damaged, match="not those that its name says"):
        repository.content.upload_blob(str(tmp_path / "piece"), "b" * 64)
    assert stored(repository) == {}
    repository.content.upload_blob(str(tmp_path / "piece"), sha(data))
    repository.content.upload_blob(str(tmp_path / "piece"), sha(data))
    assert stored(repository) == {f"blobs/{sha(data)[:2]}/{sha(data)}": 4 * MIB}


# Damage


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "shorter":
        path.write_bytes(data[: len(data) // 2])
    elif how == "one byte short":
        path.write_bytes(data[:-1])
    elif how == "longer":
        path.write_bytes(data + b"\0")
    else:
        data[len(data) // 2] ^= 0x10
        path.write_bytes(data)


HOW = ["missing", "empty", "shorter", "one byte short", "longer", "another bit"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("compressible", [True, False])
def test_a_damaged_piece_is_found_and_named(
    repository: Repository, tmp_path: Path, how: str, compressible: bool
) -> None:
    data = os.urandom(MIB) + (bytes(range(250)) * 30_000 if compressible else os.urandom(5 * MIB))
    entry = store(repository.content, tmp_path, data, b"weights/model.pt")
    name = next(one for one in stored(repository) if entry.pieces[1][0] in one)
    assert name.endswith(".zst") is compressible
    damage(Path(repository.url, name), how)
    for read in (
        lambda: repository.content.read_entry(entry),
        lambda: [stream.read() for _, stream in repository.content.entries_in_pack_order([entry])],
        lambda: restore.apply(repository.content, [entry], str(tmp_path / "out"), backup=None),
    ):
        with pytest.raises(Damaged, match=entry.pieces[1][0]) as raised:
            read()
        assert "weights/model.pt" in raised.value.message
    assert list((tmp_path / "out" / "weights").iterdir()) == []


def test_large_files_restored_side_by_side_are_each_whole_or_as_before(repository: Repository, tmp_path: Path) -> None:
    files = {
        f"model-{number}": os.urandom(2 * MIB + number) + bytes(5 * MIB) + b"end" * (number % 2) for number in range(6)
    }
    entries = [store(repository.content, tmp_path, data, name.encode()) for name, data in files.items()]
    target = tmp_path / "out"
    target.mkdir()
    (target / "model-0").write_bytes(b"before")
    told: list[int] = []
    backup = str(tmp_path / "backup")
    restore.apply(repository.content, entries, str(target), backup=backup, progress=told.append)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == files
    assert {path.stat().st_mode & 0o777 for path in target.iterdir()} == {0o640}
    assert sum(told) == sum(map(len, files.values()))
    restore.undo(backup, str(target))
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {"model-0": b"before"}
    damage(Path(repository.url, next(one for one in stored(repository) if entries[5].pieces[0][0] in one)), "missing")
    with pytest.raises(Damaged, match="model-5"):
        restore.apply(repository.content, entries, str(target), backup=None)
    found = {path.name: path.read_bytes() for path in target.iterdir()}
    assert all(data in (files[name], b"before") for name, data in found.items())


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_pack_is_found_and_named(repository: Repository, tmp_path: Path, how: str) -> None:
    path, name, entries = pack(tmp_path, {"src/train.py": os.urandom(50_000)})
    repository.content.upload_pack(path, name)
    damage(Path(repository.url, "packs", f"{name}.tar.zst"), how)
    if how == "one byte short":  # past the members: what is read of it is whole
        assert hashlib.sha256(repository.content.read_entry(entries[0])).hexdigest() == entries[0].sha256
        return
    for read in (
        lambda: repository.content.read_entry(entries[0]),
        lambda: list(repository.content.entries_in_pack_order(entries)),
    ):
        with pytest.raises(Damaged, match=name):
            read()


def test_a_member_that_another_has_taken_the_place_of_is_found(repository: Repository, tmp_path: Path) -> None:
    path, name, (entry,) = pack(tmp_path, {"train.py": b"one\n"})
    forged = Path(path).read_bytes().replace(b"one\n", b"two\n")
    (Path(repository.url) / "packs").mkdir()
    (Path(repository.url) / "packs" / f"{name}.tar.zst").write_bytes(zstandard.compress(forged))
    for read in (
        lambda: repository.content.read_entry(entry),
        lambda: list(repository.content.entries_in_pack_order([entry])),
    ):
        with pytest.raises(Damaged, match=r"'train\.py' is damaged"):
            read()


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_tree_is_found_and_named(repository: Repository, how: str) -> None:
    manifest = trees.encode([TreeEntry(path=b"a", size_bytes=0, sha256=sha(b""))])
    name = repository.content.store_tree(manifest)
    damage(Path(repository.url, "trees", name[:2], f"{name}.json.zst"), how)
    with pytest.raises(Damaged, match=name):
        repository.content.tree(name)


@pytest.mark.parametrize(
    "entry",
    [
        TreeEntry(path=b"x", size_bytes=10, sha256=sha(b"")),
        TreeEntry(path=b"x", size_bytes=10, sha256=sha(b""), pieces=((sha(b"a"), 1), (sha(b"b"), 1))),
        TreeEntry(path=b"x", size_bytes=1, sha256=sha(b""), pieces=(("../../../etc/passwd", 1),)),
        TreeEntry(path=b"x", size_bytes=1, sha256=sha(b""), pack="../../etc/passwd"),
        TreeEntry(path=b"x", size_bytes=0, sha256=sha(b"not nothing")),
    ],
)
def test_a_manifest_that_makes_no_sense_is_damaged(repository: Repository, entry: TreeEntry) -> None:
    with pytest.raises(Damaged):
        repository.content.read_entry(entry)


def test_a_tree_that_leads_outside_is_refused(repository: Repository) -> None:
    entry = TreeEntry(path=b"../../etc/passwd", size_bytes=0, sha256=sha(b""))
    name = repository.content.store_tree(trees.encode([entry]))
    with pytest.raises(KwrapError, match="would leave"):
        repository.content.tree(name)


def test_a_full_disk_while_storing_is_told_and_storing_goes_on_later(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        content = Repository.open(str(small / "repository"), create=True).content
        data = os.urandom(20 * MIB)
        with pytest.raises(StorageError, match="No space left on device") as raised:
            store(content, tmp_path, data)
        assert not isinstance(raised.value, NotFound)
        assert list((small / "repository" / "tmp").iterdir()) == []
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        assert content.read_entry(store(content, tmp_path, data)) == data
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
