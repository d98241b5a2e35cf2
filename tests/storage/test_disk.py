"""What storage in a directory promises besides: kills, full disks, missing rights, other processes."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kwrap.errors import AlreadyExists, NotFound, StorageError
from kwrap.storage.disk import DiskStorage

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root may mount a small file system")


def start(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


@pytest.mark.parametrize("hard_links", [True, False])
def test_of_many_processes_that_create_at_once_exactly_one_wins(tmp_path: Path, hard_links: bool) -> None:
    code = """
        import sys
        from kwrap.errors import AlreadyExists
        from kwrap.storage.disk import DiskStorage
        storage = DiskStorage(sys.argv[1], hard_links=sys.argv[2] == "True")
        for number in range(100):
            try:
                storage.create(f"races/{number}", sys.argv[3].encode() * 3000)
                print(number)
            except AlreadyExists:
                pass
    """
    writers = [start(code, tmp_path, hard_links, mark) for mark in "ABCDE"]
    won = [line for writer in writers for line in writer.communicate()[0].split()]
    assert sorted(map(int, won)) == list(range(100))
    for stored in DiskStorage(str(tmp_path)).list(""):
        data = DiskStorage(str(tmp_path)).read(stored.name)
        assert len(data) == 3000
        assert len(set(data)) == 1


WRITER = """
    import sys
    from kwrap.storage.disk import DiskStorage
    storage = DiskStorage(sys.argv[1], hard_links=sys.argv[2] == "True")
    print("begun", flush=True)
    number = 0
    while True:
        data = bytes([number % 251]) * 300_000
        storage.write("beats/one", data)
        storage.create(f"records/{number}", data)
        with storage.batch() as batch:
            batch.write(f"blobs/{number}", data)
            batch.write(f"blobs/{number}-again", data)
        storage.write_stream(f"packs/{number}", (data[start:start + 30_000] for start in range(0, 300_000, 30_000)))
        number += 1
"""


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_killed_writer_leaves_no_torn_object_and_no_reader_sees_one(tmp_path: Path, hard_links: bool) -> None:
    chance = random.Random(20261121)
    storage = DiskStorage(str(tmp_path))
    seen = 0
    for _ in range(25):
        for stored in list(storage.list("")):
            storage.delete(stored.name)
        writer = start(WRITER, tmp_path, hard_links)
        assert writer.stdout is not None
        writer.stdout.readline()
        until = time.monotonic() + chance.uniform(0, 0.05)
        while time.monotonic() < until:
            seen += check_whole(storage)  # as another process would, while it writes
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        seen += check_whole(storage)
    assert seen > 25


def check_whole(storage: DiskStorage) -> int:
    count = 0
    for stored in storage.list(""):
        try:
            data = storage.read(stored.name)
        except NotFound:
            continue
        assert stored.size_bytes == len(data) == 300_000, stored.name
        assert data == data[:1] * 300_000
        count += 1
    return count


def test_what_a_killed_writer_left_is_no_object_and_disturbs_nobody(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "host.1.0.abcd").write_bytes(b"half")
    storage = DiskStorage(str(tmp_path))
    assert list(storage.list("")) == []
    assert storage.is_empty()
    storage.write("one", b"1")
    assert [stored.name for stored in storage.list("")] == ["one"]


def test_the_lock_of_a_killed_creator_is_free_again(tmp_path: Path) -> None:
    code = """
        import fcntl, os, sys, time
        os.makedirs(sys.argv[1] + "/tmp")
        lock = open(sys.argv[1] + "/tmp/create.lock", "w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        print("locked", flush=True)
        time.sleep(100)
    """
    holder = start(code, tmp_path / "r")
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.kill()
    holder.communicate()
    DiskStorage(str(tmp_path / "r"), hard_links=False).create("one", b"1")


def test_writers_and_a_process_that_removes_empty_directories_do_not_disturb_each_other(tmp_path: Path) -> None:
    code = """
        import sys
        from kwrap.storage.disk import DiskStorage
        storage = DiskStorage(sys.argv[1])
        for number in range(200):
            storage.write(f"metadata/heartbeats/{number % 3}/{sys.argv[2]}", b"alive")
            storage.delete(f"metadata/heartbeats/{number % 3}/{sys.argv[2]}")
        print("done")
    """
    writers = [start(code, tmp_path, mark) for mark in "ABC"]
    assert [writer.communicate()[0] for writer in writers] == [b"done\n"] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tmp"]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


@needs_root
def test_a_full_disk_is_told_with_a_hint_and_leaves_nothing_half_written(small: Path) -> None:
    storage = DiskStorage(str(small))
    storage.write("before", b"kept")
    for write in (
        lambda: storage.write("big", b"x" * 3_000_000),
        lambda: storage.create("big", b"x" * 3_000_000),
        lambda: storage.write_stream("big", (b"x" * 100_000 for _ in range(30))),
        lambda: batch_of(storage, 30, b"x" * 100_000),
    ):
        with pytest.raises(StorageError, match=r"cannot write .*small/.*: No space left on device") as raised:
            write()
        assert "make room there" in str(raised.value.hint)
    assert storage.size("big") is None
    assert list((small / "tmp").iterdir()) == []
    assert storage.read("before") == b"kept"
    for stored in list(storage.list("blobs/")):
        storage.delete(stored.name)
    storage.write("after", b"there is room again")


def batch_of(storage: DiskStorage, count: int, data: bytes) -> None:
    with storage.batch() as batch:
        for number in range(count):
            batch.write(f"blobs/{number}", data)


@needs_root
def test_a_read_only_file_system_is_told(small: Path) -> None:
    storage = DiskStorage(str(small / "repository"))
    storage.write("one", b"1")
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    assert storage.read("one") == b"1"
    for write in (lambda: storage.write("two", b""), lambda: storage.delete("one")):
        with pytest.raises(StorageError, match="Read-only file system") as raised:
            write()
        assert "read-only" in str(raised.value.hint)
    assert storage.read("one") == b"1"


@pytest.fixture
def no_superpowers() -> Iterator[None]:
    """Root passes over permission bits: for a while, be nobody."""
    if AS_ROOT:
        os.seteuid(65534)
    yield
    if AS_ROOT:
        os.seteuid(0)


def test_missing_rights_are_told_with_what_and_where(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    storage = DiskStorage(str(tmp_path / "repository"))
    storage.write("folder/one", b"1")
    (tmp_path / "repository" / "folder" / "one").chmod(0)
    (tmp_path / "repository" / "folder").chmod(0o555)
    (tmp_path / "repository" / "tmp").chmod(0o555)
    request.getfixturevalue("no_superpowers")
    for call, action in (
        (lambda: storage.read("folder/one"), "read"),
        (lambda: storage.open("folder/one"), "read"),
        (lambda: storage.write("folder/two", b""), "write"),
        (lambda: storage.create("folder/two", b""), "write"),
        (lambda: storage.delete("folder/one"), "delete"),
    ):
        with pytest.raises(
            StorageError, match=rf"cannot {action} .*/repository/folder/.*: Permission denied"
        ) as raised:
            call()
        assert not isinstance(raised.value, (NotFound, AlreadyExists))
        assert "check who may read and write there" in str(raised.value.hint)


def test_a_file_where_the_root_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("I am no directory")
    with pytest.raises(StorageError, match="Not a directory"):
        DiskStorage(str(tmp_path / "file")).write("one", b"")
    assert (tmp_path / "file").read_text() == "I am no directory"


def test_foreign_files_are_passed_over_in_listings(tmp_path: Path) -> None:
    storage = DiskStorage(str(tmp_path))
    (tmp_path / "ä.txt").write_bytes(b"")
    (tmp_path / "with blank").mkdir()
    (tmp_path / "with blank" / "x").write_bytes(b"")
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    storage.write("mine", b"")
    assert [stored.name for stored in storage.list("")] == ["mine"]
    assert not DiskStorage(str(tmp_path)).is_empty()


def test_a_folder_may_be_a_link_to_another_disk(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "blobs").symlink_to("../elsewhere")
    storage = DiskStorage(str(tmp_path / "repository"))
    storage.write("blobs/ab/1", b"1")
    assert (tmp_path / "elsewhere" / "ab" / "1").read_bytes() == b"1"
    assert [stored.name for stored in storage.list("")] == ["blobs/ab/1"]


def test_hard_links_that_the_file_system_refuses_are_done_without(tmp_path: Path) -> None:
    """As on FAT; here the process forbids itself to make links."""
    code = """
        import ctypes, errno, os, struct, sys
        from kwrap.errors import AlreadyExists
        from kwrap.storage.disk import DiskStorage

        # seccomp: link and linkat answer EPERM, as FAT does (BPF: load the call's number, compare, answer)
        calls = {"x86_64": (86, 265), "aarch64": (37, 37)}[os.uname().machine]
        program = b"".join(struct.pack("HBBI", *step) for step in (
            (0x20, 0, 0, 0), (0x15, 1, 0, calls[0]), (0x15, 0, 1, calls[1]),
            (0x06, 0, 0, 0x00050000 | errno.EPERM), (0x06, 0, 0, 0x7FFF0000)))
        buffer = ctypes.create_string_buffer(program, len(program))
        fprog = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.c_char_p(fprog)):
            sys.exit(77)
        storage = DiskStorage(sys.argv[1])
        storage.create("one", b"first")
        try:
            os.link(sys.argv[1] + "/one", sys.argv[1] + "/two")
            sys.exit("links are not refused")
        except PermissionError:
            pass
        try:
            storage.create("one", b"second")
        except AlreadyExists:
            print(storage.read("one").decode())
    """
    if sys.platform != "linux" or os.uname().machine not in ("x86_64", "aarch64"):
        pytest.skip("seccomp filters are written here for two kinds of machine")
    process = start(code, tmp_path)
    out, _ = process.communicate()
    if process.returncode == 77:
        pytest.skip("this system allows no seccomp filters")
    assert out == b"first\n"


def test_writing_makes_file_and_directories_durable(tmp_path: Path) -> None:
    """Seen from outside: the calls, in the order that a power cut needs."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    root, log = tmp_path / "r", tmp_path / "log"
    code = f"from kwrap.storage.disk import DiskStorage; DiskStorage({str(root)!r}).create('a/b', b'x')"
    traced = "trace=fsync,link,linkat,mkdir"
    subprocess.run([strace, "-y", "-e", traced, "-o", str(log), sys.executable, "-c", code], check=True)
    calls = [line.replace(f"{root}", "R") for line in log.read_text().splitlines() if f"{root}" in line]
    linked = next(number for number, line in enumerate(calls) if line.startswith("link"))
    synced = [re.sub(r"^fsync\(\d+<(.*)>\).*", r"\1", line) for line in calls]
    assert any(path.startswith("R/tmp/") for path in synced[:linked])
    assert "R/a" in synced[linked:]
    assert "R" in synced  # that has the new folders
