"""Hunks, held against what they must do: turn the left text into the right one."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kwrap.analysis.lines import NO_NEWLINE, Hunk, hunks, matching_blocks

texts = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(["a\n", "b\n", "c\r\n", "\n", "x", "\r", "\x0c", "\u2028", "--\n", "\\ No\n"]), max_size=14
    ).map("".join),
)


def applied(left: str, found: tuple[Hunk, ...]) -> str:
    """The right text, made from the left one and the hunks, with every number and every old line checked."""
    before = left.split("\n")
    old = [f"{line}\n" for line in before[:-1]] + ([before[-1]] if before[-1] else [])
    new: list[str] = []
    at = 0
    for hunk in found:
        start = hunk.left_start - (hunk.left_count > 0)
        new += old[at:start]
        assert hunk.right_start - (hunk.right_count > 0) == len(new)
        at, right_before = start, len(new)
        for number, line in enumerate(hunk.lines):
            if line == NO_NEWLINE:
                continue
            ends = "" if hunk.lines[number + 1 : number + 2] == (NO_NEWLINE,) else "\n"
            if line[0] in " -":
                assert old[at] == line[1:] + ends
                at += 1
            if line[0] in " +":
                new.append(line[1:] + ends)
        assert at - start == hunk.left_count
        assert len(new) - right_before == hunk.right_count
    return "".join(new + old[at:])


@given(texts, texts, st.integers(0, 4))
@example("a", "a\n", 3)
@example("", "a", 3)
def test_hunks_turn_the_left_text_into_the_right_one(left: str, right: str, context: int) -> None:
    # A line that reads like the marker, with its mark in front, does not.
    assert applied(left, hunks(left, right, context=context)) == right


@given(texts)
def test_the_same_text_has_no_hunks(text: str) -> None:
    assert hunks(text, text) == ()


@given(st.lists(st.sampled_from("abcd"), max_size=30), st.lists(st.sampled_from("abcd"), max_size=30))
def test_matching_blocks_match_rise_and_never_touch(left: list[str], right: list[str]) -> None:
    blocks = matching_blocks(left, right)
    for block in blocks:
        assert block.size > 0
        assert left[block.left : block.left + block.size] == right[block.right : block.right + block.size]
    for one, two in pairwise(blocks):
        assert one.left + one.size <= two.left and one.right + one.size <= two.right
        assert (one.left + one.size, one.right + one.size) != (two.left, two.right)


def test_a_changed_line_comes_with_the_lines_around_it() -> None:
    left = "".join(f"{number}\n" for number in range(20))
    (found,) = hunks(left, left.replace("10\n", "ten\n"))
    assert found.header == "@@ -8,7 +8,7 @@"
    assert found.lines == (" 7", " 8", " 9", "-10", "+ten", " 11", " 12", " 13")


def test_changes_share_a_hunk_only_when_their_surroundings_meet() -> None:
    left = "".join(f"{number}\n" for number in range(40))
    near = left.replace("10\n", "x\n").replace("17\n", "y\n")
    far = left.replace("10\n", "x\n").replace("18\n", "y\n")
    assert (len(hunks(left, near)), len(hunks(left, far))) == (1, 2)


def test_a_missing_last_newline_is_a_difference_and_is_told() -> None:
    (found,) = hunks("a\nb", "a\nb\n")
    assert found.lines == (" a", "-b", NO_NEWLINE, "+b")


def test_carriage_returns_and_odd_line_separators_survive() -> None:
    (found,) = hunks("a\r\nb\x0cc\u2028d\r\n", "a\r\nB\x0cc\u2028d\r\n")
    assert found.lines == (" a\r", "-b\x0cc\u2028d\r", "+B\x0cc\u2028d\r")


def test_an_added_file_is_numbered_as_git_numbers_it() -> None:
    (found,) = hunks("", "a\nb\n")
    assert found.header == "@@ -0,0 +1,2 @@"


def many_lines(kind: str) -> tuple[list[str], list[str]]:
    rng = random.Random(1)
    if kind == "every other line of a long file":
        left = [f"{number}" for number in range(100_000)]
        return left, [line if number % 2 else f"new {line}" for number, line in enumerate(left)]
    if kind == "a table of few numbers":
        left = [f"{rng.randint(0, 50)}" for _ in range(20_000)]
        return left, [line if rng.random() < 0.95 else "new" for line in left]
    if kind == "noise of two values":
        return [rng.choice("01") for _ in range(100_000)], [rng.choice("01") for _ in range(100_000)]
    left = [f"{number // 2 % 40_000}" for number in range(100_000)]
    rng.shuffle(left)
    return left, [line if number % 2 else f"new {line}" for number, line in enumerate(left)]


@pytest.mark.parametrize(
    "kind",
    ["every other line of a long file", "a table of few numbers", "noise of two values", "lines that come twice"],
)
def test_long_texts_are_compared_in_bounded_time(kind: str) -> None:
    left, right = many_lines(kind)
    # Seconds; difflib alone takes longer on some of these than any test may.
    blocks = matching_blocks(left, right)
    if kind in ("every other line of a long file", "a table of few numbers"):
        assert sum(block.size for block in blocks) > 0.45 * len(left)
