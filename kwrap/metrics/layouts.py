"""Runs of lines that differ in their numbers alone: read once, then matched as they stand, thousands at a time.

A layout is made from a line that `key_value` has read. It is an expression that matches only lines which would be read
in the same way: the same bytes, a whole number where one was, a fraction where one was. So it changes what reading
costs, and nothing of what is read. Knows nothing of streams or of what was printed before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from operator import eq, methodcaller
from typing import Any, NamedTuple, cast

from kwrap.metrics.lines import Block
from kwrap.metrics.numbers import COUNT_DIGITS
from kwrap.metrics.reading import Reading, Value
from kwrap.metrics.terminal import ESCAPE
from kwrap.records import MetricPoint

_COUNT = rb"[0-9]{1,%d}" % COUNT_DIGITS
_WHOLE = rb"[-+]?[0-9]+"
_FRACTION = rb"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)"
_IS_FRACTION = re.compile(_FRACTION)
# Other numbers on the line, a clock's or a counter's. Digits that follow a letter belong to a name.
_OTHER_DIGITS = re.compile(rb"(?<![\w@])[0-9]{1,%d}(?![0-9])" % COUNT_DIGITS)

# As many lines at a time as stay in a core's own cache.
_FEWEST_LINES, _MOST_LINES = 8, 512
_MOST_LAYOUTS = 4
# After so many different lines of the same names, lines are taken to have no layout that comes again.
_MOST_SEEN = 512
_NEWLINE = ord("\n")
_groups: Callable[[re.Match[bytes]], tuple[bytes, ...]] = methodcaller("groups")
_end: Callable[[re.Match[bytes]], int] = methodcaller("end")


Axes = tuple["int | None", "float | None"]
Said = tuple["Axes | None", list[Value]]
_Column = Sequence["float | None"]


class Run(NamedTuple):
    """The points of lines that follow each other, the axes of the last of them, and where the line after it begins.

    Without points: all of them say again what was said before.
    """

    points: list[MetricPoint]
    lines: int
    axes: Axes
    end: int


def expression(line: bytes, reading: Reading) -> bytes | None:
    """The layout of a line as the text of an expression; None where there is none that is safe."""
    axes = [span for span in (reading.step_span, reading.epoch_span) if span]
    values = [value.span for value in reading.values if value.span]
    if not axes or len(values) < len(reading.values) or ESCAPE in line or (b"(" in line and b"=" in line):
        return None
    parts, end = [], 0
    for start, after in sorted([*axes, *values]):
        number = _like(line[start:after], (start, after) in axes)
        if number is None:
            return None
        parts += [_between(line[end:start]), b"(" + number + b")"]
        end = after
    return b"".join([*parts, _between(line[end:]), rb"\n"])


def _like(number: bytes, of_axis: bool) -> bytes | None:
    """What a number in this place must look like."""
    if number.lstrip(b"" if of_axis else b"+-").isdigit():
        return _COUNT if of_axis else _WHOLE
    return _FRACTION if _IS_FRACTION.fullmatch(number) else None


def _between(text: bytes) -> bytes:
    parts, end = [], 0
    for digits in _OTHER_DIGITS.finditer(text):
        parts += [re.escape(text[end : digits.start()]), _COUNT]
        end = digits.end()
    return b"".join([*parts, re.escape(text[end:])])


class Layout:
    """An expression with what its groups are. Only for lines that name a step or an epoch."""

    def __init__(self, source: bytes, reading: Reading) -> None:
        self._expression = re.compile(source)
        spans = [value.span or (0, 0) for value in reading.values]
        order = sorted([*spans, *(span for span in (reading.step_span, reading.epoch_span) if span)])
        self._names = [value.name for value in reading.values]
        self._kinds = [value.kind for value in reading.values]
        self._values = [order.index(span) for span in spans]
        self._step = None if reading.step_span is None else order.index(reading.step_span)
        self._epoch = None if reading.epoch_span is None else order.index(reading.epoch_span)
        self._ahead = _FEWEST_LINES

    def run(self, block: Block, start: int, number: int, epoch: float | None, before: Said) -> Run | None:
        """The lines of this layout from `start` on, without the last, which is left to be read and remembered.

        None when there are fewer than two. Either each of them says something new, or all say what the line before
        said, which is in `before`. `epoch` is the epoch where lines name none.
        """
        matches = self._matches(block.text, start)
        if len(matches) < 2:
            return None
        columns = list(zip(*map(_groups, matches), strict=True))
        steps: Sequence[int | None] = (
            [None] * len(matches) if self._step is None else list(map(int, columns[self._step]))
        )
        epochs: Sequence[float | None] = (
            [epoch] * len(matches) if self._epoch is None else list(map(float, columns[self._epoch]))
        )
        values = [list(map(float, columns[place])) for place in self._values]
        if self._says_again(steps, epochs, values, before):
            repeated = self._repeated(steps, epochs, values) - 1
            if not repeated or not _is_copy(block.text, start, matches[0].end()):
                return None
            return Run([], repeated, (steps[0], epochs[0]), matches[repeated - 1].end())
        lines = self._unlike(steps, epochs, values)
        if lines < 1:
            return None
        ends = list(map(_end, islice(matches, lines)))
        begins = [start + block.offset, *(end + block.offset for end in ends)]
        after = [end + block.offset - 1 for end in ends]
        numbers = range(number, number + lines)
        series = [
            _points(name, kind, of_name, steps, epochs, numbers, begins, after)
            for name, kind, of_name in zip(self._names, self._kinds, values, strict=True)
        ]
        points = list(series[0]) if len(series) == 1 else list(chain.from_iterable(zip(*series, strict=True)))
        return Run(points, lines, (steps[lines - 1], epochs[lines - 1]), ends[-1])

    def _says_again(self, steps: _Column, epochs: _Column, values: Sequence[_Column], before: Said) -> bool:
        at, said = before
        first = [(name, column[0]) for name, column in zip(self._names, values, strict=True)]
        return at == (steps[0], epochs[0]) and first == [(one.name, one.value) for one in said]

    def _repeated(self, steps: _Column, epochs: _Column, values: Sequence[_Column]) -> int:
        """How many lines say the same as the first, which is one of them."""
        rows = list(zip(steps, epochs, *values, strict=True))
        repeated = next((number for number, row in enumerate(rows) if row != rows[0]), len(rows))
        self._look(further=repeated == len(rows))
        return repeated

    def _unlike(self, steps: _Column, epochs: _Column, values: Sequence[_Column]) -> int:
        """How many lines say something else than the one after. Looks further while all do."""
        axis = epochs if self._step is None else steps
        if True in map(eq, axis, islice(axis, 1, None)):
            rows = list(zip(steps, epochs, *values, strict=True))
            same = list(map(eq, rows, islice(rows, 1, None)))
            if True in same:
                self._look(further=False)
                return same.index(True)
        self._look(further=True)
        return len(steps) - 1

    def _look(self, *, further: bool) -> None:
        self._ahead = min(_MOST_LINES, 2 * self._ahead) if further else _FEWEST_LINES

    def _matches(self, text: bytes, start: int) -> list[re.Match[bytes]]:
        first = self._expression.match(text, start)
        if first is None or self._expression.match(text, first.end()) is None:
            return []
        # A scanner's `match` goes on where the one before ended, and calls nothing of Python's in between.
        following = iter(cast(Any, self._expression).scanner(text, start).match, None)
        return list(islice(following, self._ahead))


def _is_copy(text: bytes, start: int, end: int) -> bool:
    """Whether a line is the line before it again. Only then is it certain to be passed over: another line may have said
    the same in other words, and be followed by this one as a point of its own."""
    length = end - start
    before = start - length
    return before >= 0 and text[before:start] == text[start:end] and (before == 0 or text[before - 1] == _NEWLINE)


def _points(name: str, kind: str, *columns: Iterable[Any]) -> Iterator[MetricPoint]:
    """As many as the shortest column is long: the last line of a run is not of it."""
    return map(_new_point, repeat(MetricPoint), zip(repeat(name), *columns, repeat(None), repeat(kind)))


# What MetricPoint(...) comes to, without the call of Python's in between.
_new_point = cast(Callable[[type[MetricPoint], Iterable[Any]], MetricPoint], tuple.__new__)


class Layouts:
    """The layouts of one stream, the last used first, and what was seen on the way to them."""

    def __init__(self) -> None:
        self._layouts: list[Layout] = []
        self._seen: dict[bytes, Layout | None] = {}
        self._names: list[str] = []
        self._alike = 0

    def run(self, block: Block, start: int, number: int, epoch: float | None, before: Said) -> Run | None:
        """As `Layout.run`, by the first layout that has two lines or more."""
        for layout in self._layouts:
            run = layout.run(block, start, number, epoch, before)
            if run:
                self._alike = 0
                return run
        return None

    def learn(self, line: bytes, reading: Reading) -> None:
        """Make a layout of a line that was read by itself, when it comes after its like and was seen before.

        The longer nothing comes of it, the less often: after 2, 4, 8 … lines of the same names.
        """
        if not (reading.step_span or reading.epoch_span):
            return
        names = [value.name for value in reading.values]
        self._alike = self._alike + 1 if names == self._names else 1
        self._names = names
        if self._alike < 2 or self._alike & (self._alike - 1):
            return
        source = expression(line, reading)
        if source is None:
            return
        if source not in self._seen:
            if len(self._seen) < _MOST_SEEN:
                self._seen[source] = None
            return
        layout = self._seen[source] or Layout(source, reading)
        self._seen[source] = layout
        if layout not in self._layouts:
            self._layouts = [layout, *self._layouts[: _MOST_LAYOUTS - 1]]
