"""Code snapshots: whole, byte-exact, and free when nothing changed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from local_content import TREES, LocalContent, Node, build, snapshot_of

from kwrap.capture.source import Selection, select
from kwrap.errors import StorageError
from kwrap.repository.local_store import LocalStore, tar_header
from kwrap.supervisor import statcache
from kwrap.supervisor.snapshot import MAX_PACKS, take


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    (place / "src").mkdir(parents=True)
    (place / "train.py").write_text("print('loss: 1')\n")
    (place / "src" / "model.py").write_text("layers = 3\n")
    (place / "src" / "copy.py").write_text("layers = 3\n")
    (place / "weights.bin").write_bytes(random.Random(1).randbytes(5_000_000))
    return place


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files just written count as settled, as they would two seconds later."""
    monkeypatch.setattr(statcache, "RACY_NS", 0)


def everything_below(place: Path) -> dict[Path, tuple[int, int]]:
    """Every file; one that is written again is another inode, for all are written beside and renamed."""
    return {path: _version(path) for path in sorted(place.rglob("*")) if path.is_file()}


def _version(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_ino, found.st_size


@settings(max_examples=40, deadline=None)
@given(nodes=TREES)
@example(nodes={})
def test_a_snapshot_holds_every_path_with_its_bytes_mode_or_target(nodes: dict[bytes, Node]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        made = build(Path(directory, "project"), nodes)
        taken = snapshot_of(Path(directory, "project"), Path(directory, "state"))
        content = LocalContent(Path(directory, "state", "store"))
        held = {
            entry.path: Node("symlink", entry.target, 0o777)
            if entry.target is not None
            else Node("directory", b"", entry.mode)
            if entry.directory
            else Node("file", content.read(entry), entry.mode)
            for entry in taken.entries
        }
        assert held == made
        assert taken.snapshot.files == sum(node.kind != "directory" for node in made.values())
        assert taken.snapshot.size_bytes == sum(len(node.content) for node in made.values() if node.kind == "file")


def test_a_second_snapshot_of_an_unchanged_project_writes_nothing(project: Path, tmp_path: Path, settled: None) -> None:
    first = snapshot_of(project, tmp_path)
    before = everything_below(tmp_path)
    second = snapshot_of(project, tmp_path)
    assert second.snapshot == first.snapshot
    assert everything_below(tmp_path) == before


def test_files_written_within_two_seconds_are_read_again_and_then_believed(project: Path, tmp_path: Path) -> None:
    first = snapshot_of(project, tmp_path)
    cache = statcache.read(str(tmp_path / "index"), _identity(project))
    assert cache is not None
    assert cache.summary.fingerprint == ""
    assert all(known.mtime_ns == -1 for known in cache.entries().values())
    assert snapshot_of(project, tmp_path).snapshot == first.snapshot


def test_a_file_rewritten_at_the_same_size_within_one_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    place = tmp_path / "project"
    place.mkdir()
    content = LocalContent(tmp_path / "store")
    for number in range(100):
        (place / "a.py").write_text(f"x = {number:03d}\n")
        taken = snapshot_of(place, tmp_path)
        assert taken.contents(content) == {b"a.py": b"x = %03d\n" % number}


def test_a_symlink_pointed_elsewhere_within_one_tick_is_seen(tmp_path: Path) -> None:
    place = tmp_path / "project"
    place.mkdir()
    for number in range(50):
        os.symlink(f"target-{number % 2}", place / "new")
        os.replace(place / "new", place / "link")
        taken = snapshot_of(place, tmp_path)
        assert [entry.target for entry in taken.entries] == [b"target-%d" % (number % 2)]


def test_one_changed_file_is_all_that_is_stored_again(project: Path, tmp_path: Path, settled: None) -> None:
    snapshot_of(project, tmp_path)
    before = everything_below(tmp_path / "store")
    (project / "train.py").write_text("print('loss: 2')\n")
    taken = snapshot_of(project, tmp_path)
    new = {path.parent.name: path for path in everything_below(tmp_path / "store") if path not in before}
    assert len(new) == 2, "a manifest and a pack"
    with tarfile.open(new["packs"]) as pack:
        assert [member.size for member in pack.getmembers()] == [17]
    assert len(taken.snapshot.packs) == 2


def test_equal_files_and_a_renamed_file_are_stored_once(project: Path, tmp_path: Path) -> None:
    first = snapshot_of(project, tmp_path)
    (project / "src" / "model.py").rename(project / "src" / "network.py")
    second = snapshot_of(project, tmp_path)
    assert second.snapshot.packs == first.snapshot.packs
    assert second.snapshot.content_sha256 != first.snapshot.content_sha256
    with tarfile.open(tmp_path / "store" / "packs" / f"{first.snapshot.packs[0]}.tar") as pack:
        assert len(pack.getmembers()) == 2


def test_a_changed_mode_is_a_change_although_no_byte_is_stored_again(
    project: Path, tmp_path: Path, settled: None
) -> None:
    first = snapshot_of(project, tmp_path)
    (project / "train.py").chmod(0o755)
    second = snapshot_of(project, tmp_path)
    assert second.snapshot.content_sha256 != first.snapshot.content_sha256
    assert (second.snapshot.packs, second.snapshot.blobs) == (first.snapshot.packs, first.snapshot.blobs)


def test_packs_depend_on_content_alone_and_tar_reads_them(project: Path, tmp_path: Path) -> None:
    one = snapshot_of(project, tmp_path / "one")
    os.utime(project / "train.py", (0, 0))
    other = snapshot_of(project, tmp_path / "other")
    assert one.snapshot.tree == other.snapshot.tree
    pack = tmp_path / "one" / "store" / "packs" / f"{one.snapshot.packs[0]}.tar"
    listed = subprocess.run(["tar", "-tvf", str(pack)], capture_output=True, text=True, check=True)
    assert listed.stderr == ""
    names = [line.split()[-1] for line in listed.stdout.splitlines()]
    assert names == sorted({entry.sha256 or "" for entry in one.entries if entry.pack is not None})
    assert all(line.startswith("-rw-r--r-- 0/0 ") and "1970-01-01" in line for line in listed.stdout.splitlines())


def test_headers_are_those_that_tarfile_writes() -> None:
    for size in (0, 1, 512, 1 << 20):
        member = tarfile.TarInfo("ab" * 32)
        member.size = size
        assert tar_header("ab" * 32, size) == member.tobuf(tarfile.USTAR_FORMAT)


def test_a_large_file_is_cut_into_pieces_of_four_mebibytes(project: Path, tmp_path: Path) -> None:
    taken = snapshot_of(project, tmp_path)
    weights = next(entry for entry in taken.entries if entry.path == b"weights.bin")
    assert [length for _, length in weights.pieces] == [4 << 20, 5_000_000 - (4 << 20)]
    assert taken.snapshot.blobs == tuple(sorted(sha256 for sha256, _ in weights.pieces))


def test_many_small_changes_do_not_leave_a_snapshot_in_ever_more_packs(tmp_path: Path, settled: None) -> None:
    place = tmp_path / "project"
    place.mkdir()
    counts = []
    for number in range(MAX_PACKS + 4):
        (place / f"{number:02d}.py").write_text(f"x = {number}\n")
        taken = snapshot_of(place, tmp_path)
        counts.append(len(taken.snapshot.packs))
        assert len(taken.entries) == number + 1
    assert max(counts) == MAX_PACKS
    assert counts[MAX_PACKS] == 1


@pytest.mark.parametrize("harm", ["delete", "cut short"])
@pytest.mark.parametrize("kind", ["trees", "packs", "blobs"])
def test_an_object_missing_from_the_store_is_written_again(
    project: Path, tmp_path: Path, settled: None, kind: str, harm: str
) -> None:
    first = snapshot_of(project, tmp_path)
    for path in (tmp_path / "store" / kind).rglob("*"):
        if path.is_file():
            path.unlink() if harm == "delete" else os.truncate(path, 10)
    second = snapshot_of(project, tmp_path)
    assert second.snapshot.content_sha256 == first.snapshot.content_sha256


@settings(max_examples=40, deadline=None)
@given(harm=st.one_of(st.binary(max_size=40), st.integers(0, 10**6), st.floats(0, 1)))
def test_a_damaged_cache_is_no_cache(harm: bytes | int | float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        place, state = Path(directory, "project"), Path(directory, "state")
        build(place, {b"a.py": Node("file", b"1"), b"b.py": Node("file", b"2")})
        first = snapshot_of(place, state)
        good = (state / "index").read_bytes()
        if isinstance(harm, bytes):
            bad = harm
        elif isinstance(harm, int):
            position = harm % len(good)
            bad = good[:position] + bytes([good[position] ^ 0x40]) + good[position + 1 :]
        else:
            bad = good[: int(harm * (len(good) - 1))]
        (state / "index").write_bytes(bad)
        assert statcache.read(str(state / "index"), _identity(place)) is None
        assert snapshot_of(place, state).snapshot == first.snapshot


def test_the_cache_of_another_project_is_not_believed(project: Path, tmp_path: Path, settled: None) -> None:
    snapshot_of(project, tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "train.py").write_text("other\n")
    assert [entry.path for entry in snapshot_of(other, tmp_path).entries] == [b"train.py"]
    assert statcache.read(str(tmp_path / "index"), _identity(project)) is None


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(project: Path, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    assert snapshot_of(project, tmp_path).snapshot == snapshot_of(project, tmp_path).snapshot
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("index")] == ["index"]


def test_what_vanished_or_became_something_else_since_it_was_selected_is_named(project: Path, tmp_path: Path) -> None:
    for name in ("gone", "pipe", "link", "directory"):
        (project / name).write_text("x")
    os.symlink("train.py", project / "was-a-link")
    selection = select(os.fsencode(project))
    for name in ("gone", "pipe", "link", "directory", "was-a-link"):
        (project / name).unlink()
    os.mkfifo(project / "pipe")
    os.symlink("/etc/passwd", project / "link")
    (project / "directory").mkdir()
    (project / "was-a-link").write_text("x")
    snapshot = take(selection, os.fsencode(project), str(tmp_path / "store"), str(tmp_path / "index"))
    assert [(file.path, file.reason) for file in snapshot.left_out] == [
        (b"directory", "not a regular file"),
        (b"gone", "vanished"),
        (b"link", "vanished"),
        (b"pipe", "not a regular file"),
        (b"was-a-link", "vanished"),
    ]
    assert len(LocalContent(tmp_path / "store").verify(snapshot.tree)) == 4


_CHANGER = """
    import os, random, sys
    root, random = sys.argv[1], random.Random(int(sys.argv[2]))
    paths = [os.path.join(root, name) for name in ("small.py", "large.bin", "log.txt")]
    print("ready", flush=True)
    while True:
        path = random.choice(paths)
        action = random.randrange(4)
        if action == 0:
            with open(path, "wb") as file:
                file.write(random.randbytes(random.choice((0, 10, 3_000_000))))
        elif action == 1:
            with open(path, "ab") as file:
                file.write(b"more" * random.randrange(10_000))
        elif action == 2:
            with open(path + ".new", "wb") as file:
                file.write(random.randbytes(random.choice((100, 1_500_000))))
            os.replace(path + ".new", path)
        elif os.path.exists(path):
            os.truncate(path, os.path.getsize(path) // 2) if random.randrange(2) else os.unlink(path)
"""


@pytest.fixture
def changing(project: Path) -> Iterator[Path]:
    """A project in which another process writes all the time."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_CHANGER), str(project), "1"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process, process.stdout:
        process.stdout.readline()
        yield project
        process.kill()


def test_files_that_change_while_they_are_read_do_not_tear_a_snapshot(changing: Path, tmp_path: Path) -> None:
    seen = {snapshot_of(changing, tmp_path).snapshot.content_sha256 for _ in range(25)}
    assert len(seen) > 5


def test_snapshots_taken_at_once_are_all_whole(project: Path, tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import os, sys
        from kwrap.capture.source import select
        from kwrap.supervisor.snapshot import take
        project = os.fsencode(sys.argv[1])
        for number in range(8):
            with open(os.path.join(sys.argv[1], "shared.py"), "w") as file:
                file.write(f"x = {sys.argv[3]}, {number}\\n")
            print(take(select(project), project, sys.argv[2] + "/store", sys.argv[2] + "/index").tree)
    """)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(project), str(tmp_path), str(number)], stdout=subprocess.PIPE, text=True
        )
        for number in range(4)
    ]
    outputs = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    content = LocalContent(tmp_path / "store")
    for tree in {tree for output in outputs for tree in output}:
        assert len(content.verify(tree)) == 5
    assert not list((tmp_path / "store" / "tmp").iterdir())


def test_a_full_disk_is_an_error_with_a_hint_and_leaves_nothing_half_written(project: Path, small_disk: Path) -> None:
    selection = select(os.fsencode(project))
    with pytest.raises(StorageError) as caught:
        take(selection, os.fsencode(project), str(small_disk / "store"), str(small_disk / "index"))
    assert "No space left" in caught.value.message
    assert caught.value.hint is not None and "--no-snapshot" in caught.value.hint
    assert not list((small_disk / "store" / "tmp").iterdir())


def test_what_an_earlier_snapshot_left_half_written_is_removed_after_a_day(project: Path, tmp_path: Path) -> None:
    left = tmp_path / "store" / "tmp" / "1-abc"
    young = tmp_path / "store" / "tmp" / "2-abc"
    left.parent.mkdir(parents=True)
    left.touch()
    young.touch()
    os.utime(left, (0, 0))
    snapshot_of(project, tmp_path)
    assert list(left.parent.iterdir()) == [young]


def test_an_empty_selection_is_a_snapshot_too(tmp_path: Path) -> None:
    snapshot = take(Selection([], []), os.fsencode(tmp_path), str(tmp_path / "store"), str(tmp_path / "index"))
    assert LocalContent(tmp_path / "store").tree(snapshot.tree) == ()
    assert (snapshot.files, snapshot.size_bytes, snapshot.packs, snapshot.blobs) == (0, 0, (), ())


def test_the_path_to_the_childs_start_imports_no_heavy_module() -> None:
    heavy = {"dataclasses", "subprocess", "pathlib", "shutil", "tarfile", "tempfile", "logging", "argparse", "inspect"}
    script = f"import kwrap.supervisor.snapshot, sys; print({heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, cwd=_TOP, check=True)
    assert run.stdout == "set()\n"


_TOP = Path(__file__).parents[2]


def _identity(project: Path) -> tuple[int, int]:
    found = project.stat()
    return found.st_dev, found.st_ino


def test_objects_that_no_snapshot_used_for_long_are_evicted_and_the_others_stay(project: Path, tmp_path: Path) -> None:
    old = snapshot_of(project, tmp_path).snapshot
    (project / "new.py").write_text("new")
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            os.utime(path, (1_000_000_000, 1_000_000_000))
    used = snapshot_of(project, tmp_path).snapshot
    local = LocalStore(str(tmp_path / "store"))
    local.evict(before_s=1_500_000_000, kept={old.tree})
    assert set(used.packs) >= set(old.packs)
    assert all(os.path.exists(local.pack_path(sha256)) for sha256 in used.packs)
    assert os.path.exists(local.tree_path(used.tree))
    assert os.path.exists(local.tree_path(old.tree)), "kept by name"
    local.evict(before_s=1_500_000_000)
    assert not os.path.exists(local.tree_path(old.tree))
    assert os.path.exists(local.tree_path(used.tree))
