"""One stream's blocks of lines to points: which lines are read, by whom, and where in the output each point stands.

Everything remembered here is of this stream alone, so how two streams interleave changes no point.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kwrap.metrics.axes import Axes
from kwrap.metrics.candidates import Candidates
from kwrap.metrics.layouts import Layouts
from kwrap.metrics.lines import NEWLINE, Block
from kwrap.metrics.reading import Reading, Recogniser, Value
from kwrap.metrics.terminal import ESCAPE, plain
from kwrap.metrics.user_patterns import UserPatterns
from kwrap.records import MetricPoint

_TRACEBACK = b"Traceback (most recent call last)"
_TRACEBACK_TRIGGER = re.compile(re.escape(_TRACEBACK))


class StreamReader:
    """Reads the blocks of one stream."""

    def __init__(self, recognisers: Sequence[Recogniser], patterns: UserPatterns, *, layouts: bool = True) -> None:
        self._recognisers = recognisers
        self._patterns = patterns
        triggers = dict.fromkeys(trigger for recogniser in recognisers for trigger in recogniser.triggers)
        self._triggers = [*triggers, _TRACEBACK_TRIGGER] if triggers else []
        self._axes = Axes()
        self._layouts = Layouts() if layouts and not patterns else None
        self._in_traceback = False
        self._said: list[Value] = []
        self._said_at: tuple[int | None, float | None] | None = None

    def read(self, block: Block) -> list[MetricPoint]:
        """The points of a block."""
        points: list[MetricPoint] = []
        text = block.text
        candidates = Candidates(text, self._triggers)
        wanted = Candidates(text, self._patterns.triggers)
        layouts = self._layouts if block.text is block.raw and block.end_offset is None else None
        position, number, counted = 0, block.number, 0
        while position < len(text):
            hit = candidates.after(position)
            start = position
            if not self._in_traceback:
                nearest = min(hit, wanted.after(position)) if self._patterns else hit
                if nearest == len(text):
                    break
                start = text.rfind(NEWLINE, position, nearest) + 1 or position
            number, counted = number + block.raw.count(NEWLINE, counted, start), start
            if layouts and not self._in_traceback and (start or not block.redrawn):
                run = layouts.run(block, start, number, self._axes.epoch, (self._said_at, self._said))
                if run:
                    if run.points:
                        points += run.points
                        self._axes.step, self._axes.epoch = self._said_at = run.axes
                        self._said = []
                    start, number, counted = run.end, number + run.lines, run.end
                    hit = start
            end = text.find(NEWLINE, start)
            reading = self._read_line(text[start:end], hit < end)
            if reading:
                after = block.offset + end if block.end_offset is None else block.end_offset
                self._place(reading, points, block.redraws(start), (number, block.offset + start, after))
                if layouts:
                    layouts.learn(text[start:end], reading)
            position = end + 1
        return points

    def _read_line(self, line: bytes, candidate: bool) -> Reading | None:
        quiet = self._in_traceback or not candidate
        if self._in_traceback:
            self._in_traceback = line[:1] in (b" ", b"\t")  # the first line that is not indented names the exception
        elif candidate and _TRACEBACK in line:
            self._in_traceback = quiet = True
        bare = plain(line) if ESCAPE in line else line
        said = self._patterns.read(bare) if self._patterns else None
        if quiet:
            return said
        for recogniser in self._recognisers:
            found = recogniser.read(bare)
            if found:
                return _joined(said, found) if said else found
        return said

    def _place(self, reading: Reading, points: list[MetricPoint], redrawn: bool, where: tuple[int, int, int]) -> None:
        """Append a reading's points, without what the line before has said of the same step already."""
        values = reading.values
        named = reading.step is not None or reading.epoch is not None
        if redrawn and not named and _pairs(values) == _pairs(self._said):
            return
        step, epoch = axes = self._axes.place(reading)
        if not values:
            return
        before, before_axes = self._said, self._said_at
        self._said, self._said_at = values, axes
        if axes == before_axes:
            if named and values == before:
                return
            if redrawn:
                again = _pairs(before)
                values = [value for value in values if value[:2] not in again]
        number, offset, end_offset = where
        for name, value, kind, _ in values:
            points.append(MetricPoint(name, value, step, epoch, number, offset, end_offset, None, kind))


def _pairs(values: list[Value]) -> set[tuple[str, float]]:
    return {(value.name, value.value) for value in values}


def _joined(said: Reading, found: Reading) -> Reading:
    """A user's reading of a line with a recogniser's: the user's names and axes come first."""
    names = {value.name for value in said.values}
    return Reading(
        [*said.values, *(value for value in found.values if value.name not in names)],
        found.step if said.step is None else said.step,
        found.epoch if said.epoch is None else said.epoch,
    )
