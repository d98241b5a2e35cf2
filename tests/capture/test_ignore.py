"""Ignore patterns, held against git itself."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from kwrap.capture.ignore import IgnoreFile, IgnoreRules

_NAMES = st.text(alphabet="ab.# -!]", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
_SYNTAX = (
    r"a b ab * ** *** ? / \ \* [ab] [!a] [^b] [a-b] []a] [[:alpha:]] [[:x:]] [ ] - . # ! [a-] [\]] [[:] [--b] [[] [/]"
)
_PIECES = st.sampled_from([*_SYNTAX.split(), " ", "\\ ", "\t", "\r", "[.-b]"])
_LINES = st.builds(
    lambda negated, anchored, pieces, end: negated + anchored + "".join(pieces) + end,
    st.sampled_from(["", "", "", "!"]),
    st.sampled_from(["", "", "/", "**/"]),
    st.lists(_PIECES, max_size=5),
    st.sampled_from(["", "", "/", " ", "  ", "/**", "/*", "\r", "\\"]),
)
_FILES = st.lists(_LINES, max_size=5).map("\n".join)
_PATHS = st.lists(st.lists(_NAMES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8, unique=True)


@pytest.fixture(scope="module")
def git_tree() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["git", "init", "-q", directory], check=True)
        yield Path(directory)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outer=_FILES, inner=_FILES, paths=_PATHS)
@example(outer="a**/b", inner="", paths=["a/a/b", "ab/b", "aa/b/a"])
@example(outer="*\n!*/\n!a.b", inner="*", paths=["a.b", "a/a.b", "b/a.b"])
@example(outer="a/\n!a/b", inner="", paths=["a/b", "b/a"])
@example(outer="a\\\\  \nb\\ ", inner="", paths=["a\\", "b ", "b"])
def test_patterns_decide_as_git_check_ignore_does(git_tree: Path, outer: str, inner: str, paths: list[str]) -> None:
    with tempfile.TemporaryDirectory(dir=git_tree) as directory:
        top = Path(directory)
        rules = IgnoreRules(prefix=os.fsencode(top.name) + b"/")
        for where, text in (("", outer), ("a", inner)):
            if text:
                (top / where).mkdir(exist_ok=True)
                (top / where / ".gitignore").write_text(text, newline="")
                rules.add(os.fsencode(where), text.encode())
        made = [path for path in paths if _make_file(top, path)]
        assume(made)
        made += sorted({os.path.dirname(path) for path in made} - {""})
        asked = "\0".join(made).encode() + b"\0"
        answer = subprocess.run(["git", "check-ignore", "-z", "--stdin"], cwd=top, input=asked, capture_output=True)
        assert answer.returncode in (0, 1), answer.stderr
        ignored_by_git = {os.fsdecode(path) for path in answer.stdout.split(b"\0") if path}
        ignored = {path for path in made if rules.ignores(os.fsencode(path), directory=(top / path).is_dir())}
        assert ignored == ignored_by_git


def _make_file(top: Path, path: str) -> bool:
    try:
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).touch(exist_ok=False)
    except OSError:  # two generated paths need the same name for a file and for a directory
        return False
    return True


def decide(text: bytes, path: bytes, *, directory: bool = False) -> bool | None:
    return IgnoreFile(text).decide(path, directory=directory)


def test_the_last_pattern_that_matches_wins() -> None:
    text = b"*.log\n!keep.log\n/keep.log\n"
    assert decide(text, b"a.log") is True
    assert decide(text, b"below/keep.log") is False
    assert decide(text, b"keep.log") is True
    assert decide(text, b"a.py") is None


def test_a_pattern_that_ends_in_a_slash_is_for_directories_only() -> None:
    assert decide(b"build/", b"build") is None
    assert decide(b"build/", b"a/build", directory=True) is True
    assert decide(b"build/", b"build/x") is None, "what lies below is left out because the directory is"


def test_a_file_below_an_ignored_directory_does_not_come_back() -> None:
    rules = IgnoreRules()
    rules.add(b"", b"data/\n!data/keep.txt\n")
    rules.add(b"data", b"!keep.txt\n")
    assert rules.ignores(b"data/keep.txt")


def test_a_deeper_file_wins_over_a_higher_one() -> None:
    rules = IgnoreRules()
    rules.add(b"", b"*.bin\n")
    rules.add(b"a/b", b"!*.bin\n")
    assert rules.ignores(b"a/x.bin")
    assert not rules.ignores(b"a/b/c/x.bin")


def test_names_that_are_no_utf8_and_names_with_newlines_match() -> None:
    assert decide(b"*.\xff\n", b"a/\xfe\n.\xff") is True
    assert decide(b"a/**/b", b"a/\n/\xff/b") is True


def test_comments_blank_lines_a_byte_order_mark_and_crlf_are_read_as_git_reads_them() -> None:
    text = b"\xef\xbb\xbfa.txt\r\n\r\n# b.txt\r\n\\#c\r\n  \r\n"
    assert [decide(text, name) for name in (b"a.txt", b"b.txt", b"# b.txt", b"#c", b" ")] == [
        True,
        None,
        None,
        True,
        None,
    ]
