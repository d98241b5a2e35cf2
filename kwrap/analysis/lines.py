"""Differences between two texts, line by line, as the hunks of a unified diff.

A line ends at `\\n` and nowhere else, so that `\\r`, form feeds and the line separators of Unicode survive.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

NO_NEWLINE = "\\ No newline at end of file"

# Steps of difflib's inner loop for one pair of texts, about a second. Without a bound it is quadratic and worse:
# 20,000 lines of which every other one changed take it a minute.
_BUDGET = 8_000_000
# Up to so many lines are searched whatever they are.
_SMALL_GAP = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """A changed place with the lines around it, numbered as in a unified diff.

    Each of `lines` begins with a blank (on both sides), `-` (left) or `+` (right) and lacks its `\\n`; behind a last
    line that had none follows NO_NEWLINE.
    """

    left_start: int
    left_count: int
    right_start: int
    right_count: int
    lines: tuple[str, ...]

    @property
    def header(self) -> str:
        left, right = _range(self.left_start, self.left_count), _range(self.right_start, self.right_count)
        return f"@@ -{left} +{right} @@"


class Block(NamedTuple):
    """`size` lines that are the same from line `left` and line `right` onwards, counted from 0."""

    left: int
    right: int
    size: int


def hunks(left: str, right: str, *, context: int = 3) -> tuple[Hunk, ...]:
    """What turns the left text into the right one. Bounded in time: where that runs out, all is replaced by all."""
    left_lines, right_lines = _split(left), _split(right)
    changes = _changes(matching_blocks(left_lines, right_lines), len(left_lines), len(right_lines))
    return tuple(_hunk(group, left_lines, right_lines, context) for group in _grouped(changes, 2 * context))


def matching_blocks(left: Sequence[str], right: Sequence[str]) -> list[Block]:
    """The lines that both sides keep, in order, no two blocks touching on both sides."""
    shorter = min(len(left), len(right))
    head = next((i for i in range(shorter) if left[i] != right[i]), shorter)
    rest = shorter - head
    tail = next((i for i in range(rest) if left[-1 - i] != right[-1 - i]), rest)
    at, ends = Block(0, 0, head), Block(len(left) - tail, len(right) - tail, tail)
    found = [at]
    spent = 0
    for anchor in [*_anchors(left, right, at, ends), ends]:
        left_gap, right_gap = left[at.left + at.size : anchor.left], right[at.right + at.size : anchor.right]
        matcher = _Matcher(left_gap, right_gap, _BUDGET - spent)
        shifts = at.left + at.size, at.right + at.size
        found += [Block(i + shifts[0], j + shifts[1], size) for i, j, size in matcher.get_matching_blocks()]
        found.append(anchor)
        spent += matcher.spent
        at = anchor
    return _merged(found)


class _Matcher(difflib.SequenceMatcher[str]):
    """difflib's matcher, which finds nothing more once its steps are spent."""

    def __init__(self, left: Sequence[str], right: Sequence[str], budget: int) -> None:
        # No junk: to pass over frequent lines makes the diff of a table of numbers useless.
        super().__init__(None, left, right, autojunk=False)
        occurrences = Counter(right)
        self.length = len(left)
        self.steps_before = [0, *accumulate(1 + occurrences[line] for line in left)]
        self.budget = budget
        self.spent = 0

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> difflib.Match:
        ahi = self.length if ahi is None else ahi
        steps = self.steps_before[ahi] - self.steps_before[alo]
        if self.spent + steps > self.budget:
            return difflib.Match(alo, blo, 0)
        self.spent += steps
        return super().find_longest_match(alo, ahi, blo, bhi)


def _anchors(left: Sequence[str], right: Sequence[str], start: Block, end: Block) -> list[Block]:
    """Lines to hold on to, in order, so that only what lies in between need be searched.

    As patience diff does: lines that are there once on either side. Where those leave much, as in a table of few
    numbers, lines that are there once together with the lines that follow them.
    """
    anchors: list[Block] = []
    at = start
    for anchor in [*_unique(left, right, start, end, 1), end]:
        if min(anchor.left - at.left, anchor.right - at.right) > _SMALL_GAP:
            anchors += _unique(left, right, at, anchor, 8)
        anchors.append(anchor)
        at = anchor
    return anchors[:-1]


def _unique(left: Sequence[str], right: Sequence[str], start: Block, end: Block, following: int) -> list[Block]:
    """Lines between two blocks that, with those that follow, are there once on either side and keep their order."""
    lefts = _windows(left, start.left + start.size, end.left, following)
    rights = _windows(right, start.right + start.size, end.right, following)
    left_count, right_count = Counter(lefts.values()), Counter(rights.values())
    place = {window: j for j, window in rights.items() if right_count[window] == 1}
    return _longest_rising(
        [Block(i, place[window], 1) for i, window in lefts.items() if left_count[window] == 1 and window in place]
    )


def _windows(lines: Sequence[str], start: int, end: int, length: int) -> dict[int, Sequence[str] | str]:
    if length == 1:
        return dict(enumerate(lines[start:end], start))
    return {at: tuple(lines[at : at + length]) for at in range(start, end - length + 1)}


def _longest_rising(pairs: list[Block]) -> list[Block]:
    """The longest subsequence in which the places on the right rise, too."""
    tops: list[int] = []
    top_pairs: list[int] = []
    before: list[int | None] = []
    for number, pair in enumerate(pairs):
        pile = bisect_left(tops, pair.right)
        before.append(top_pairs[pile - 1] if pile else None)
        tops[pile : pile + 1] = [pair.right]
        top_pairs[pile : pile + 1] = [number]
    chain: list[Block] = []
    last = top_pairs[-1] if top_pairs else None
    while last is not None:
        chain.append(pairs[last])
        last = before[last]
    return chain[::-1]


def _merged(blocks: list[Block]) -> list[Block]:
    merged: list[Block] = []
    for block in blocks:
        last = merged[-1] if merged else None
        if last and (last.left + last.size, last.right + last.size) == (block.left, block.right):
            merged[-1] = Block(last.left, last.right, last.size + block.size)
        elif block.size:
            merged.append(block)
    return merged


class _Change(NamedTuple):
    """Lines of the left, from and to, that give way to lines of the right."""

    left: int
    left_end: int
    right: int
    right_end: int


def _changes(blocks: list[Block], left_length: int, right_length: int) -> Iterator[_Change]:
    left = right = 0
    for block in [*blocks, Block(left_length, right_length, 0)]:
        if (left, right) != (block.left, block.right):
            yield _Change(left, block.left, right, block.right)
        left, right = block.left + block.size, block.right + block.size


def _grouped(changes: Iterator[_Change], distance: int) -> Iterator[list[_Change]]:
    """Changes that share a hunk: those with no more than `distance` unchanged lines in between."""
    group: list[_Change] = []
    for change in changes:
        if group and change.left - group[-1].left_end > distance:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(group: list[_Change], left: Sequence[str], right: Sequence[str], context: int) -> Hunk:
    first, last = group[0], group[-1]
    before = min(context, first.left)
    after = min(context, len(left) - last.left_end)
    lines: list[str] = []
    at = first.left - before
    for change in group:
        lines += _shown(" ", left[at : change.left])
        lines += _shown("-", left[change.left : change.left_end])
        lines += _shown("+", right[change.right : change.right_end])
        at = change.left_end
    lines += _shown(" ", left[at : at + after])
    left_start, right_start = first.left - before, first.right - before
    left_count, right_count = last.left_end + after - left_start, last.right_end + after - right_start
    return Hunk(
        left_start=left_start + (left_count > 0),
        left_count=left_count,
        right_start=right_start + (right_count > 0),
        right_count=right_count,
        lines=tuple(lines),
    )


def _shown(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if line.endswith("\n"):
            yield mark + line[:-1]
        else:
            yield mark + line
            yield NO_NEWLINE


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _range(start: int, count: int) -> str:
    return f"{start}" if count == 1 else f"{start},{count}"
