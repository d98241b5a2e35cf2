"""Putting files back: byte-exact, whole or not at all, never outside the target, and undone exactly."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from local_content import TREES, LocalContent, Node, build, scan, snapshot_of

from kwrap.errors import Damaged, KwrapError, UnsafePath
from kwrap.repository.restore import Change, apply, plan, select_paths, undo
from kwrap.repository.trees import TreeEntry, same_content


class Bytes:
    """Content held in memory; None is damaged."""

    def __init__(self, contents: Mapping[bytes, bytes | None]) -> None:
        self.contents = dict(contents)

    def entries_in_pack_order(self, entries: Sequence[TreeEntry]) -> Iterator[tuple[TreeEntry, BinaryIO]]:
        for entry in entries:
            data = self.contents[entry.path]
            if data is None:
                raise Damaged(f"'{os.fsdecode(entry.path)}' is not what was recorded")
            yield entry, io.BytesIO(data)


def entries_of(nodes: dict[bytes, Node]) -> tuple[Bytes, list[TreeEntry]]:
    """The entries of a snapshot of these nodes."""
    entries = []
    for path, node in sorted(nodes.items()):
        if node.kind == "file":
            sha256 = hashlib.sha256(node.content).hexdigest()
            entries.append(TreeEntry(path, node.mode, len(node.content), sha256))
        elif node.kind == "symlink":
            entries.append(TreeEntry(path, 0o777, target=node.content))
        else:
            entries.append(TreeEntry(path, node.mode, directory=True))
    return Bytes({path: node.content for path, node in nodes.items()}), entries


def files(**contents: str) -> tuple[Bytes, list[TreeEntry]]:
    return entries_of(
        {name.replace("__", "/").encode(): Node("file", text.encode()) for name, text in contents.items()}
    )


def actions(changes: Sequence[Change]) -> dict[str, str]:
    return {os.fsdecode(change.path): change.action for change in changes}


def metadata(root: Path) -> dict[str, tuple[int, int, int]]:
    """Mode, modification time and inode of everything below a directory, and of itself."""
    found = {}
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        directory = path.is_dir() and not path.is_symlink()
        found[str(path.relative_to(root))] = (status.st_mode, 0 if directory else status.st_mtime_ns, status.st_ino)
    return found


@settings(max_examples=50, deadline=None)
@given(nodes=TREES)
@example(nodes={b"big": Node("file", os.urandom(5_000_000)), b"d": Node("directory", mode=0o555)})
@example(nodes={b"a/b/c": Node("directory", mode=0o700), b"a/l": Node("symlink", b"b"), b"x\ny": Node("file", b"\r\n")})
def test_what_was_captured_comes_back_byte_for_byte(nodes: dict[bytes, Node]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        made = build(Path(directory, "project"), nodes)
        taken = snapshot_of(Path(directory, "project"), Path(directory, "state"))
        target = Path(directory, "target")
        done: list[int] = []
        changes = apply(
            LocalContent(Path(directory, "state", "store")),
            taken.entries,
            str(target),
            backup=None,
            progress=done.append,
        )
        assert (scan(target) if made else {}) == made
        assert [change.path for change in changes] == sorted(made)
        assert set(actions(changes).values()) <= {"create"}
        assert sum(done) == taken.snapshot.size_bytes
        assert set(actions(plan(taken.entries, str(target))).values()) <= {"unchanged"}


@settings(max_examples=100, deadline=None)
@given(wanted=TREES, there=TREES)
@example(wanted={b"a": Node("file", b"1")}, there={b"a/b/train.py": Node("file", b"2")})
@example(wanted={b"a/b": Node("file", b"1")}, there={b"a": Node("file", b"2")})
@example(wanted={b"a": Node("symlink", b"b")}, there={b"a": Node("file", b"2")})
@example(wanted={b"a": Node("file", b"1")}, there={b"a": Node("symlink", b"/nowhere")})
@example(wanted={b"a": Node("directory", mode=0o555)}, there={b"a": Node("directory", mode=0o755)})
@example(wanted={b"a": Node("directory", mode=0o755)}, there={b"a": Node("symlink", b".")})
def test_restoring_over_anything_gives_the_snapshot_and_undo_gives_back_exactly_what_was_there(
    wanted: dict[bytes, Node], there: dict[bytes, Node]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        target, backup = Path(directory, "target"), Path(directory, "backup")
        wanted = build(Path(directory, "wanted"), wanted)
        before = build(target, there)
        before_metadata = metadata(target)
        content, entries = entries_of(wanted)
        try:
            planned = plan(entries, str(target))
        except UnsafePath:
            with pytest.raises(UnsafePath):
                apply(content, entries, str(target), backup=str(backup))
            assert scan(target) == before
            return
        assert apply(content, entries, str(target), backup=str(backup)) == planned
        after = scan(target)
        assert {path: after[path] for path in wanted if path in after} == {
            path: node for path, node in wanted.items() if path in after
        }
        assert all(path in after or _is_directory(target, path) for path in wanted)
        if any(change.action != "unchanged" for change in planned):
            undo(str(backup), str(target))
        assert scan(target) == before
        assert metadata(target) == before_metadata


def _is_directory(target: Path, path: bytes) -> bool:
    return os.path.isdir(os.path.join(os.fsencode(target), path))


_STEPS = ("write", "open", "rename", "replace", "link", "mkdir", "chmod", "fchmod", "symlink", "close", "unlink")


def _killed_at(step: int, action: Callable[[], object]) -> int:
    """Act in a process of its own that is killed at its n-th call into the system; its status."""
    process = os.fork()
    if process == 0:
        left = step

        def dying(real: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **options: object) -> object:
                nonlocal left
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **options)

            return call

        for name in _STEPS:
            setattr(os, name, dying(getattr(os, name)))
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


MIXED = {
    b"changed.py": Node("file", b"new"),
    b"new/deep/x.py": Node("file", b"x"),
    b"was-directory": Node("file", b"file now"),
    b"was-file/x": Node("file", b"below"),
    b"link": Node("symlink", b"changed.py"),
    b"mode.sh": Node("file", b"#!", 0o755),
    b"empty": Node("directory"),
}
BEFORE = {
    b"changed.py": Node("file", b"old", 0o600),
    b"was-directory/a": Node("file", b"a"),
    b"was-file": Node("file", b"was a file"),
    b"link": Node("file", b"was no link"),
    b"mode.sh": Node("file", b"#!", 0o644),
    b"untouched": Node("file", b"mine"),
}


def test_a_restore_killed_at_any_step_can_be_undone(tmp_path: Path) -> None:
    step, status = 0, -signal.SIGKILL
    content, entries = entries_of(MIXED)
    while status == -signal.SIGKILL:
        target, backup = str(tmp_path / f"target-{step}"), str(tmp_path / f"backup-{step}")
        before = build(Path(target), BEFORE)
        before_metadata = metadata(Path(target))
        status = _killed_at(step, partial(apply, content, entries, target, backup=backup))
        undo(backup, target)
        assert scan(Path(target)) == before, f"killed at step {step}"
        assert metadata(Path(target)) == before_metadata
        step += 1
    assert status == 0
    assert step > 40


def test_an_undo_killed_at_any_step_can_be_undone_again(tmp_path: Path) -> None:
    step, status = 0, -signal.SIGKILL
    content, entries = entries_of(MIXED)
    while status == -signal.SIGKILL:
        target, backup = str(tmp_path / f"target-{step}"), str(tmp_path / f"backup-{step}")
        before = build(Path(target), BEFORE)
        before_metadata = metadata(Path(target))
        apply(content, entries, target, backup=backup)
        status = _killed_at(step, partial(undo, backup, target))
        if status:
            undo(backup, target)
        assert scan(Path(target)) == before, f"killed at step {step}"
        assert metadata(Path(target)) == before_metadata
        step += 1
    assert status == 0
    assert step > 10


def test_a_backup_on_another_file_system_gives_everything_back(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    with tempfile.TemporaryDirectory(dir=shared) as other:
        before = build(tmp_path / "target", BEFORE)
        content, entries = entries_of(MIXED)
        apply(content, entries, str(tmp_path / "target"), backup=f"{other}/backup")
        assert undo(f"{other}/backup", str(tmp_path / "target")).paths > 0
        assert scan(tmp_path / "target") == before


def test_the_plan_says_what_happens_to_every_path(tmp_path: Path) -> None:
    build(tmp_path, {**BEFORE, b"same": Node("file", b"same"), b"same-size": Node("file", b"abc")})
    wanted = {**MIXED, b"same": Node("file", b"same"), b"same-size": Node("file", b"abd")}
    _, entries = entries_of(wanted)
    assert actions(plan(entries, str(tmp_path))) == {
        "changed.py": "overwrite",
        "empty": "create",
        "link": "replace",
        "mode.sh": "mode",
        "new/deep/x.py": "create",
        "same": "unchanged",
        "same-size": "overwrite",
        "was-directory": "replace",
        "was-file": "replace",
        "was-file/x": "create",
    }


def test_files_that_the_snapshot_does_not_hold_are_left_alone(tmp_path: Path) -> None:
    build(tmp_path, BEFORE)
    content, entries = files(new="1")
    apply(content, entries, str(tmp_path), backup=None)
    assert scan(tmp_path) == {**BEFORE, b"new": Node("file", b"1")}


def test_restoring_what_is_there_already_writes_nothing(tmp_path: Path) -> None:
    content, entries = files(a="1", b__c="2")
    apply(content, entries, str(tmp_path / "target"), backup=None)
    before = metadata(tmp_path / "target")
    assert set(actions(apply(content, entries, str(tmp_path / "target"), backup=str(tmp_path / "b"))).values()) == {
        "unchanged"
    }
    assert metadata(tmp_path / "target") == before
    assert not (tmp_path / "b").exists()
    assert undo(str(tmp_path / "b"), str(tmp_path / "target")).paths == 0


@pytest.mark.parametrize(
    "path", [b"../x", b"/etc/x", b"a/../../x", b"a//b", b"./a", b"", b"a/.", b"a\0b"], ids=lambda path: repr(path)
)
def test_a_path_that_would_leave_the_target_is_refused(tmp_path: Path, path: bytes) -> None:
    _, entries = files(good="1")
    entries.append(TreeEntry(path, 0o644, 0, hashlib.sha256().hexdigest()))
    with pytest.raises(UnsafePath):
        apply(Bytes({b"good": b"1", path: b""}), entries, str(tmp_path / "target"), backup=None)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("link", ["outside", "target/inside", "nowhere"])
def test_a_path_through_a_symlink_that_is_there_is_refused(tmp_path: Path, link: str) -> None:
    for name in ("outside", "target/inside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "target" / "data").symlink_to(tmp_path / link)
    content, entries = files(aaa="1", data__x="2")
    with pytest.raises(UnsafePath, match="data is a symlink"):
        apply(content, entries, str(tmp_path / "target"), backup=str(tmp_path / "backup"))
    assert sorted(os.listdir(tmp_path / "target")) == ["data", "inside"]
    assert not os.listdir(tmp_path / "outside")


def test_a_snapshot_with_a_file_below_its_own_symlink_is_refused(tmp_path: Path) -> None:
    content, entries = files(link__passwd="1")
    entries.append(TreeEntry(b"link", 0o777, target=b"/etc"))
    with pytest.raises(UnsafePath, match="holds both"):
        apply(content, entries, str(tmp_path / "target"), backup=None)


def test_the_target_itself_may_be_a_symlink_but_not_a_file(tmp_path: Path) -> None:
    content, entries = files(a="1")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    apply(content, entries, str(tmp_path / "link"), backup=None)
    assert (tmp_path / "real" / "a").read_text() == "1"
    with pytest.raises(KwrapError, match="is no directory"):
        apply(content, entries, str(tmp_path / "real" / "a"), backup=None)


def test_damaged_content_replaces_nothing(tmp_path: Path) -> None:
    build(tmp_path / "target", {b"b": Node("file", b"mine")})
    content, entries = files(a="1", b="2")
    content.contents[b"b"] = None
    with pytest.raises(Damaged, match="'b' is not what"):
        apply(content, entries, str(tmp_path / "target"), backup=str(tmp_path / "backup"))
    assert scan(tmp_path / "target")[b"b"] == Node("file", b"mine")
    undo(str(tmp_path / "backup"), str(tmp_path / "target"))
    assert scan(tmp_path / "target") == {b"b": Node("file", b"mine")}


PIECES = [os.urandom(700_000), os.urandom(5), os.urandom(400_000)]


def in_pieces(contents: bytes, lengths: Sequence[int], path: bytes = b"model.pt") -> TreeEntry:
    """An entry as of a large file: its pieces are known, and no hash of the whole."""
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    found = [contents[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    pieces = tuple((hashlib.sha256(piece).hexdigest(), len(piece)) for piece in found)
    return TreeEntry(path, 0o644, len(contents), None, pieces=pieces)


def test_a_file_in_pieces_is_known_and_undone_without_a_hash_of_the_whole(tmp_path: Path) -> None:
    data = b"".join(PIECES)
    entry = in_pieces(data, [len(piece) for piece in PIECES])
    target, backup = tmp_path / "target", str(tmp_path / "backup")
    build(target, {b"model.pt": Node("file", data[:-1] + b"?")})
    before = scan(target)
    assert actions(plan([entry], str(target))) == {"model.pt": "overwrite"}
    apply(Bytes({b"model.pt": data}), [entry], str(target), backup=backup)
    assert (target / "model.pt").read_bytes() == data
    assert actions(plan([entry], str(target))) == {"model.pt": "unchanged"}
    undo(backup, str(target))
    assert scan(target) == before


@pytest.mark.parametrize("edited", [0, 700_002, 1_100_004])
def test_a_file_in_pieces_that_was_edited_since_is_kept(tmp_path: Path, edited: int) -> None:
    data = bytearray(b"".join(PIECES))
    entry = in_pieces(bytes(data), [len(piece) for piece in PIECES])
    target, backup = tmp_path / "target", str(tmp_path / "backup")
    apply(Bytes({b"model.pt": bytes(data)}), [entry], str(target), backup=backup)
    data[edited] ^= 1
    (target / "model.pt").write_bytes(data)
    assert actions(plan([entry], str(target))) == {"model.pt": "overwrite"}
    assert undo(backup, str(target)).edited == (b"model.pt.edited",)
    assert (target / "model.pt.edited").read_bytes() == data


def test_two_files_cut_differently_are_compared_by_name_as_far_as_names_go() -> None:
    data = os.urandom(3000)
    whole = TreeEntry(b"x", 0o644, 3000, hashlib.sha256(data).hexdigest())
    one, same, other = in_pieces(data, [1000, 2000]), in_pieces(data, [1000, 2000]), in_pieces(data, [1500, 1500])
    changed = in_pieces(data[:-1] + bytes([data[-1] ^ 1]), [1000, 2000])
    assert same_content(one, same) is True
    assert same_content(one, changed) is False
    assert same_content(one, in_pieces(data[:-1], [1000, 1999])) is False
    assert same_content(one, other) is None
    assert same_content(one, whole) is None
    assert same_content(whole, whole) is True
    assert same_content(TreeEntry(b"x"), in_pieces(b"", [])) is True


def test_stretches_of_zeros_are_restored_as_holes(tmp_path: Path) -> None:
    data = b"begin" + bytes(20_000_000)
    content, entries = entries_of({b"a": Node("file", data), b"b": Node("file", data + b"end")})

    class Chunked(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            return super().read1(min(5 if not self.tell() else 1 << 21, size or 0))

    class Chunks(Bytes):
        def entries_in_pack_order(self, entries: Sequence[TreeEntry]) -> Iterator[tuple[TreeEntry, BinaryIO]]:
            for entry, stream in super().entries_in_pack_order(entries):
                yield entry, Chunked(stream.read())

    apply(Chunks(content.contents), entries, str(tmp_path), backup=None)
    assert (tmp_path / "a").read_bytes() == data
    assert (tmp_path / "b").read_bytes() == data + b"end"
    assert (tmp_path / "a").stat().st_blocks * 512 < 4_000_000


def test_files_missing_from_their_pack_are_an_error(tmp_path: Path) -> None:
    class Nothing:
        def entries_in_pack_order(self, entries: Sequence[TreeEntry]) -> Iterator[tuple[TreeEntry, BinaryIO]]:
            return iter(())

    _, entries = files(a="1")
    with pytest.raises(Damaged, match="missing from their packs, such as a"):
        apply(Nothing(), entries, str(tmp_path), backup=None)


def test_without_a_backup_a_directory_with_files_is_not_replaced(tmp_path: Path) -> None:
    build(tmp_path, {b"a/mine": Node("file", b"mine")})
    content, entries = files(a="1")
    with pytest.raises(KwrapError, match="a is a directory with files in it"):
        apply(content, entries, str(tmp_path), backup=None)
    (tmp_path / "a" / "mine").unlink()
    apply(content, entries, str(tmp_path), backup=None)
    assert (tmp_path / "a").read_text() == "1"


def test_of_two_entries_with_one_path_the_later_counts(tmp_path: Path) -> None:
    content, entries = files(model="trained", train="code")
    earlier = TreeEntry(b"model", 0o644, 3, "0" * 64)
    apply(content, [earlier, *entries], str(tmp_path), backup=None)
    assert (tmp_path / "model").read_text() == "trained"


def test_a_full_disk_is_an_error_that_names_the_file(small_disk: Path, tmp_path: Path) -> None:
    content, entries = entries_of({b"a": Node("file", b"1"), b"big": Node("file", os.urandom(4_000_000))})
    with pytest.raises(KwrapError, match="No space left"):
        apply(content, entries, str(small_disk / "target"), backup=str(tmp_path / "backup"))
    undo(str(tmp_path / "backup"), str(small_disk / "target"))
    assert not (small_disk / "target").exists()


# Undo


def test_what_was_edited_since_is_kept_beside_the_file(tmp_path: Path) -> None:
    build(tmp_path / "target", {b"a": Node("file", b"old")})
    content, entries = files(a="new", b="created")
    apply(content, entries, str(tmp_path / "target"), backup=str(tmp_path / "backup"))
    for name in "ab":
        (tmp_path / "target" / name).write_text(f"edited {name}")
    undo(str(tmp_path / "backup"), str(tmp_path / "target"))
    assert {path: node.content for path, node in scan(tmp_path / "target").items()} == {
        b"a": b"old",
        b"a.edited": b"edited a",
        b"b.edited": b"edited b",
    }


def test_files_put_into_a_created_directory_since_are_kept(tmp_path: Path) -> None:
    content, entries = files(new__a="1")
    apply(content, entries, str(tmp_path / "target"), backup=str(tmp_path / "backup"))
    (tmp_path / "target" / "new" / "mine").write_text("mine")
    undo(str(tmp_path / "backup"), str(tmp_path / "target"))
    assert scan(tmp_path / "target") == {b"new/mine": Node("file", b"mine", (0o666 & ~_umask()))}


def test_a_target_that_was_made_is_gone_after_undo(tmp_path: Path) -> None:
    content, entries = files(a="1")
    apply(content, entries, str(tmp_path / "target"), backup=str(tmp_path / "backup"))
    assert undo(str(tmp_path / "backup"), str(tmp_path / "target")).paths == 2
    assert not (tmp_path / "target").exists()


def test_undoing_twice_or_elsewhere_is_refused(tmp_path: Path) -> None:
    content, entries = files(a="1")
    apply(content, entries, str(tmp_path / "target"), backup=str(tmp_path / "backup"))
    (tmp_path / "other").mkdir()
    with pytest.raises(KwrapError, match="is the backup of"):
        undo(str(tmp_path / "backup"), str(tmp_path / "other"))
    undo(str(tmp_path / "backup"), str(tmp_path / "target"))
    with pytest.raises(KwrapError, match="brought back already"):
        undo(str(tmp_path / "backup"), str(tmp_path / "target"))


def test_a_torn_journal_line_is_a_step_that_was_not_taken(tmp_path: Path) -> None:
    before = build(tmp_path / "target", BEFORE)
    content, entries = entries_of(MIXED)
    apply(content, entries, str(tmp_path / "target"), backup=str(tmp_path / "backup"))
    with open(tmp_path / "backup" / "journal.jsonl", "ab") as journal:
        journal.write(b'{"op": "put", "path": "untou')
    undo(str(tmp_path / "backup"), str(tmp_path / "target"))
    assert scan(tmp_path / "target") == before


def test_a_backup_directory_is_used_once(tmp_path: Path) -> None:
    content, entries = files(a="1")
    apply(content, entries, str(tmp_path / "target"), backup=str(tmp_path / "backup"))
    shutil.rmtree(tmp_path / "target")
    with pytest.raises(KwrapError, match="File exists"):
        apply(content, entries, str(tmp_path / "target"), backup=str(tmp_path / "backup"))


# Which files a person means


NAMES = ["train.py", "src/model.py", "src/deep/layer.py", "data/x.csv", "[odd].txt", "src.txt", "größe"]
ENTRIES = [TreeEntry(os.fsencode(name)) for name in NAMES]


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["train.py"], ["train.py"]),
        (["src"], ["src/model.py", "src/deep/layer.py"]),
        (["./src/"], ["src/model.py", "src/deep/layer.py"]),
        (["*.py"], ["train.py", "src/model.py", "src/deep/layer.py"]),
        (["src/*"], ["src/model.py", "src/deep/layer.py"]),
        (["s*/deep"], ["src/deep/layer.py"]),
        (["[odd].txt"], ["[odd].txt"]),
        (["data", "train.py"], ["train.py", "data/x.csv"]),
        (["gr*"], ["größe"]),
        (["."], NAMES),
    ],
)
def test_paths_are_chosen_by_name_by_directory_and_by_glob(patterns: list[str], chosen: list[str]) -> None:
    assert [os.fsdecode(entry.path) for entry in select_paths(ENTRIES, patterns)] == chosen


@pytest.mark.parametrize(
    ("pattern", "hint"), [("tran.py", "near: train.py"), ("model.py", "src/model.py"), ("zzz", "it holds")]
)
def test_a_pattern_that_names_nothing_is_an_error_naming_near_paths(pattern: str, hint: str) -> None:
    with pytest.raises(KwrapError, match=f"no file in the snapshot matches '{pattern}'") as caught:
        select_paths(ENTRIES, ["train.py", pattern])
    assert caught.value.hint is not None and hint in caught.value.hint


@given(st.text(max_size=8))
def test_no_pattern_crashes_the_choice(pattern: str) -> None:
    try:
        assert select_paths(ENTRIES, [pattern])
    except KwrapError:
        pass


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
