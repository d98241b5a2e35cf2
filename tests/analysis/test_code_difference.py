"""What differs between two code snapshots; as a patch, by what the real git makes of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwrap.analysis.code_difference import FileChange, FileDifference, FileKind, code_differences
from kwrap.analysis.lines import NO_NEWLINE
from kwrap.analysis.patch import patch, patch_lines
from kwrap.encoding import canonical
from kwrap.repository.trees import TreeEntry, same_content


def same(left: TreeEntry, right: TreeEntry) -> bool:
    return bool(same_content(left, right))


class Snapshots:
    """Two snapshots in memory, and what was read of them."""

    def __init__(self) -> None:
        self.left: list[TreeEntry] = []
        self.right: list[TreeEntry] = []
        self.contents: dict[str, bytes] = {}
        self.was_read: list[bytes] = []
        self.times_read = 0

    def file(self, data: bytes, mode: int = 0o644) -> Callable[[bytes], TreeEntry]:
        sha256 = hashlib.sha256(data).hexdigest()
        self.contents[sha256] = data
        return lambda path: TreeEntry(path=path, mode=mode, size_bytes=len(data), sha256=sha256)

    def add(self, path: str, left: bytes | None = None, right: bytes | None = None) -> None:
        for side, data in ((self.left, left), (self.right, right)):
            if data is not None:
                side.append(self.file(data)(os.fsencode(path)))

    def read(self, entries: Sequence[TreeEntry]) -> Iterator[tuple[TreeEntry, bytes]]:
        self.times_read += 1
        for entry in reversed(entries):  # in any order, as packs hold them
            self.was_read.append(entry.path)
            yield entry, self.contents[str(entry.sha256)]

    def differences(self, **options: int) -> list[FileDifference]:
        return code_differences(self.left, self.right, self.read, self.read, same, **options)

    def only(self, **options: int) -> FileDifference:
        (found,) = self.differences(**options)
        return found


def test_a_modified_file_comes_with_hunks_and_counts() -> None:
    two = Snapshots()
    two.add("train.py", b"a\nb\nc\n", b"a\nB\nc\nd\n")
    found = two.only()
    assert (found.path, found.change, found.removed_lines, found.added_lines) == ("train.py", FileChange.MODIFIED, 1, 2)
    assert [hunk.lines for hunk in found.hunks] == [(" a", "-b", "+B", " c", "+d")]


def test_added_and_removed_files_come_with_all_their_lines() -> None:
    two = Snapshots()
    two.add("new.py", right=b"a\nb")
    two.add("old.py", left=b"c\n")
    new, old = two.differences()
    assert (new.change, new.added_lines, new.left_size_bytes, new.right_size_bytes) == (FileChange.ADDED, 2, None, 3)
    assert new.hunks[0].lines == ("+a", "+b", NO_NEWLINE)
    assert (old.change, old.removed_lines, old.hunks[0].lines) == (FileChange.REMOVED, 1, ("-c",))


def test_equal_renamed_and_reattributed_files_are_never_read() -> None:
    two = Snapshots()
    two.add("same.py", b"x\n", b"x\n")
    two.add("old.py", left=b"moved\n")
    two.add("new.py", right=b"moved\n")
    two.left.append(two.file(b"y\n", 0o644)(b"run.sh"))
    two.right.append(two.file(b"y\n", 0o755)(b"run.sh"))
    found = two.differences()
    assert [(one.path, one.change, one.old_path) for one in found] == [
        ("new.py", FileChange.RENAMED, "old.py"),
        ("run.sh", FileChange.MODE, None),
    ]
    assert (found[1].left_mode, found[1].right_mode) == ("644", "755")
    assert two.was_read == []


def test_of_several_origins_the_one_of_the_same_name_is_chosen() -> None:
    two = Snapshots()
    for path in ("a/other.py", "b/model.py", "c/third.py"):
        two.add(path, left=b"same\n")
    two.add("new/model.py", right=b"same\n")
    two.add("new/any.py", right=b"same\n")
    found = {one.path: (one.change, one.old_path) for one in two.differences()}
    assert found["new/model.py"] == (FileChange.RENAMED, "b/model.py")
    assert found["new/any.py"] == (FileChange.RENAMED, "a/other.py")
    assert found["c/third.py"] == (FileChange.REMOVED, None)


def test_empty_files_are_not_taken_for_renamed_ones() -> None:
    two = Snapshots()
    two.add("a/__init__.py", left=b"")
    two.add("b/__init__.py", right=b"")
    assert [one.change for one in two.differences()] == [FileChange.REMOVED, FileChange.ADDED]
    assert two.was_read == []


def test_binary_files_tell_their_sizes_and_show_nothing() -> None:
    two = Snapshots()
    two.add("logo.png", b"\x89PNG\0" + b"x" * 10, b"\x89PNG\0" + b"y" * 20)
    found = two.only()
    assert (found.binary, found.left_size_bytes, found.right_size_bytes) == (True, 15, 25)
    assert found.hunks == () and found.added_lines is None


def test_a_file_that_is_too_large_is_never_read() -> None:
    two = Snapshots()
    two.add("data.csv", b"1\n", b"1\n" * 600)
    found = two.only(max_bytes=1000)
    assert (found.too_large, found.right_size_bytes, found.hunks) == (True, 1200, ())
    assert two.was_read == []
    assert two.only(max_bytes=1200).added_lines == 599


def test_bytes_that_are_no_utf_8_and_carriage_returns_survive() -> None:
    two = Snapshots()
    two.add("latin.py", b"caf\xe9\r\n", b"th\xe9\r\n")
    found = two.only()
    assert [line.encode("utf-8", "surrogateescape") for line in found.hunks[0].lines] == [b"-caf\xe9\r", b"+th\xe9\r"]


def test_a_symlink_that_points_elsewhere_is_told() -> None:
    two = Snapshots()
    two.left.append(TreeEntry(path=b"data", mode=0o777, target=b"/old"))
    two.right.append(TreeEntry(path=b"data", mode=0o777, target=b"/new"))
    found = two.only()
    assert (found.change, found.kind) == (FileChange.SYMLINK, FileKind.SYMLINK)
    assert (found.left_target, found.right_target) == ("/old", "/new")


def test_a_file_that_became_a_symlink_is_removed_and_added() -> None:
    two = Snapshots()
    two.add("data", left=b"x\n")
    two.right.append(TreeEntry(path=b"data", mode=0o777, target=b"elsewhere"))
    assert [(one.change, one.kind) for one in two.differences()] == [
        (FileChange.REMOVED, FileKind.FILE),
        (FileChange.ADDED, FileKind.SYMLINK),
    ]


def test_an_empty_directory_that_was_filled_is_not_told_apart_from_its_files() -> None:
    two = Snapshots()
    two.left.append(TreeEntry(path=b"out", mode=0o755, directory=True))
    two.left.append(TreeEntry(path=b"gone", mode=0o755, directory=True))
    two.add("out/deep/x.py", right=b"x\n")
    assert [(one.path, one.change) for one in two.differences()] == [
        ("gone", FileChange.REMOVED),
        ("out/deep/x.py", FileChange.ADDED),
    ]


def test_equal_snapshots_do_not_differ() -> None:
    two = Snapshots()
    two.add("a.py", b"a", b"a")
    assert two.differences() == []
    assert code_differences([], [], two.read, two.read, same) == []


def test_all_files_of_a_side_are_read_at_once_and_each_content_once() -> None:
    two = Snapshots()
    for number in range(50):
        two.add(f"{number}.py", b"left %d\n" % number, b"right %d\n" % (number % 5))
    two.add("moved/1.py", right=b"left 1\n")
    assert len(two.differences()) == 51
    assert (two.times_read, len(two.was_read)) == (2, 50 + 5)


def test_paths_come_in_byte_order_and_everything_can_be_written_as_json() -> None:
    two = Snapshots()
    for path in ("é.py", "b/a.py", "b.py", "caf\udce9.py"):
        two.add(path, b"1\n", b"2\n")
    found = two.differences()
    assert [one.path for one in found] == ["b.py", "b/a.py", "caf\udce9.py", "é.py"]
    first = json.loads(canonical(found))[0]
    assert first["change"] == "modified" and first["hunks"][0]["lines"] == ["-1", "+2"]


# -- as a patch, applied by the real git ------------------------------------------------------------------------------

Content = dict[str, tuple[str, bytes]]  # path: (kind, bytes or target)
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

names = st.sampled_from(["a.py", "b.py", "d/a.py", 'd/é \t".py', "caf\udce9", "run.sh"])
lines = st.lists(
    st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"\n", b"\xe9\n", b"-- x\n", b"end", b"\xe2\x80\xa8"]), max_size=8
)
contents: st.SearchStrategy[Content] = st.dictionaries(
    names,
    st.tuples(st.sampled_from(["file", "executable", "symlink"]), lines.map(b"".join)).map(
        lambda one: (one[0], b"to/" + one[1].replace(b"\n", b"_") if one[0] == "symlink" else one[1])
    ),
    max_size=5,
)


@needs_git
@settings(max_examples=60, deadline=None)
@given(left=contents, right=contents)
def test_git_makes_the_right_side_from_the_left_one_and_the_patch(
    tmp_path_factory: pytest.TempPathFactory, left: Content, right: Content
) -> None:
    two = Snapshots()
    two.left, two.right = _entries(two, left), _entries(two, right)
    place = tmp_path_factory.mktemp("tree")
    _write(place, left)
    text = patch(two.differences())
    if text:
        command = ["git", "apply", "--whitespace=nowarn", "--unsafe-paths", "-"]
        done = subprocess.run(command, cwd=place, input=text, capture_output=True, check=False)
        assert done.returncode == 0, (done.stderr, text)
    assert _read(place) == right
    shutil.rmtree(place)


@needs_git
def test_git_applies_a_patch_beside_what_it_cannot_hold(tmp_path: Path) -> None:
    left: Content = {"a.py": ("file", b"a\n"), "logo.png": ("file", b"\0"), "z.py": ("file", b"z\n")}
    right: Content = {"a.py": ("file", b"b\n"), "logo.png": ("executable", b"\0\0"), "z.py": ("file", b"y\n")}
    two = Snapshots()
    two.left, two.right = _entries(two, left), _entries(two, right)
    _write(tmp_path, left)
    command = ["git", "apply", "--unsafe-paths", "-"]
    subprocess.run(command, cwd=tmp_path, input=patch(two.differences()), check=True)
    assert _read(tmp_path) == {**right, "logo.png": left["logo.png"]}


def test_what_a_patch_cannot_hold_is_told_in_words() -> None:
    two = Snapshots()
    two.add("logo.png", b"\0", b"\0\0")
    two.left.append(two.file(b"y\n", 0o644)(b"secret"))
    two.right.append(two.file(b"y\n", 0o600)(b"secret"))
    two.right.append(TreeEntry(path=b"void", mode=0o755, directory=True))
    text = [line for one in two.differences() for line in patch_lines(one)]
    assert text == [
        "# modified: b/logo.png, binary, 1 B → 2 B",
        "# b/secret: mode 644 and 600, which git does not tell apart",
        "# added: empty directory b/void",
    ]


def _entries(two: Snapshots, content: Content) -> list[TreeEntry]:
    return [
        TreeEntry(path=os.fsencode(path), mode=0o777, target=data)
        if kind == "symlink"
        else two.file(data, 0o755 if kind == "executable" else 0o644)(os.fsencode(path))
        for path, (kind, data) in content.items()
    ]


def _write(place: Path, content: Content) -> None:
    for path, (kind, data) in content.items():
        target = os.fsencode(place / path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if kind == "symlink":
            os.symlink(data, target)
            continue
        with open(target, "wb") as file:
            file.write(data)
        os.chmod(target, 0o755 if kind == "executable" else 0o644)


def _read(place: Path) -> Content:
    found: Content = {}
    for directory, _, files in os.walk(os.fsencode(place)):
        for name in files:
            path = os.path.join(directory, name)
            relative = os.fsdecode(os.path.relpath(path, os.fsencode(place)))
            if os.path.islink(path):
                found[relative] = ("symlink", os.readlink(path))
            else:
                with open(path, "rb") as file:
                    found[relative] = ("executable" if os.access(path, os.X_OK) else "file", file.read())
    return found
