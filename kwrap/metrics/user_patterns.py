r"""What a user says a metric looks like: regular expressions with named groups.

Either `(?P<name>\w+)=(?P<value>\S+)`, found as often as it occurs in a line, or each named group is the name of a
metric, `loss=(?P<loss>\S+)`, found once. The groups `step` and `epoch` are axes. What a group holds counts if it is a
number.

Python's expressions can take exponential time, and nothing can interrupt them. So a pattern that repeats a repetition
is refused at once, a line is read in growing pieces so that a slow pattern is noticed while it is still cheap, and a
pattern that took too long too often is switched off: the one thing here that depends on more than the text.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from math import isfinite

from kwrap.errors import UsageError
from kwrap.metrics.names import judge
from kwrap.metrics.numbers import count, number
from kwrap.metrics.pattern_cost import needed, repeated_repetition
from kwrap.metrics.reading import Reading, Value
from kwrap.metrics.terminal import ESCAPE

_AXES = ("step", "epoch")
_HINT = r"use named groups, such as 'loss=(?P<loss>\S+)' or '(?P<name>\w+)=(?P<value>\S+)'"

# Of a line, patterns see this much.
_MOST_CHARACTERS = 8192
# A longer line is first tried by its beginning. From one length to the next, a cost that grows with the sixth power of
# the length grows 64-fold: it is noticed within seconds, at the worst.
_BEGINNINGS = (64, 128, 256, *range(512, _MOST_CHARACTERS, 512))
# Of CPU time: a busy machine must not cost a point.
_SLOW_SEARCH_S = 0.02
# A pattern may use this much a line, and has a second in hand.
_ALLOWED_S_PER_LINE = 50e-6
_IN_HAND_S = 1.0


class UserPattern:
    """One pattern, and what it has cost."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.switched_off = False
        self._expression = compile_pattern(text)
        self.needed = needed(self._expression)
        groups = self._expression.groupindex
        self._names_itself = "name" not in groups
        self._metrics = [group for group in groups if group not in _AXES] if self._names_itself else []
        self._overdrawn_s = 0.0

    def read(self, line: str) -> list[tuple[str, str]]:
        """Pairs of a name, `step` and `epoch` among them, and what the pattern found for it."""
        found: list[tuple[str, str]] = []
        for match in self._matches(line):
            groups = match.groupdict()
            found.extend((axis, groups[axis]) for axis in _AXES if groups.get(axis))
            if not self._names_itself:
                found.append((groups["name"] or "", groups["value"] or ""))
            found.extend((name, groups[name]) for name in self._metrics if groups[name])
        return found

    def _matches(self, line: str) -> list[re.Match[str]]:
        if self.switched_off:
            return []
        started = time.thread_time()
        matches = self._search(line[:_MOST_CHARACTERS])
        spent_s = time.thread_time() - started
        self._overdrawn_s = max(0.0, self._overdrawn_s + spent_s - _ALLOWED_S_PER_LINE)
        self.switched_off = self._overdrawn_s > _IN_HAND_S
        return matches

    def _search(self, line: str) -> list[re.Match[str]]:
        for length in _BEGINNINGS[: bisect_left(_BEGINNINGS, len(line))]:
            started = time.thread_time()
            self._expression.search(line, 0, length)
            if time.thread_time() - started > _SLOW_SEARCH_S:
                self._overdrawn_s += _IN_HAND_S / 10
                return []
        if self._names_itself:
            match = self._expression.search(line)
            return [match] if match else []
        return list(self._expression.finditer(line))


class UserPatterns:
    """The patterns of one run, in the order given."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._patterns = [UserPattern(text) for text in texts]
        # As a recogniser's. A pattern of which nothing is known takes every line, and so does a line with colours,
        # which may stand within the text that is needed.
        needed = dict.fromkeys(pattern.needed.encode("utf-8", "surrogatepass") for pattern in self._patterns)
        self.triggers = [re.compile(re.escape(text)) for text in (*needed, ESCAPE)] if needed else []

    def __bool__(self) -> bool:
        return bool(self._patterns)

    @property
    def switched_off(self) -> Iterator[str]:
        """The patterns that took too long."""
        return (pattern.text for pattern in self._patterns if pattern.switched_off)

    def read(self, line: bytes) -> Reading | None:
        text = line.decode("utf-8", "replace")
        values: list[Value] = []
        step: int | None = None
        epoch: float | None = None
        for pattern in self._patterns:
            for name, found in pattern.read(text):
                if name == "step":
                    step = count(found.strip()) if step is None else step
                elif name == "epoch":
                    epoch = _finite(number(found)) if epoch is None else epoch
                else:
                    value = number(found)
                    if name and value is not None:
                        values.append(Value(name, value, judge(name).kind))
        return Reading(values, step, epoch) if values or step is not None or epoch is not None else None


def compile_pattern(text: str) -> re.Pattern[str]:
    """A pattern, ready. Raises UsageError, saying where it is wrong and what to write instead."""
    try:
        expression = re.compile(text)
    except re.error as error:
        where = "" if error.pos is None else f" at position {error.pos}"
        raise UsageError(
            f"the metric pattern '{text}' is no regular expression: {error.msg}{where}", hint=_HINT
        ) from None
    except (OverflowError, RecursionError) as error:
        raise UsageError(f"the metric pattern '{text}' cannot be compiled: {error}", hint=_HINT) from None
    groups = expression.groupindex
    if not groups:
        raise UsageError(f"the metric pattern '{text}' has no named group", hint=_HINT)
    if ("name" in groups) != ("value" in groups):
        missing, there = ("name", "value") if "value" in groups else ("value", "name")
        raise UsageError(f"the metric pattern '{text}' has a group '{there}' but none '{missing}'", hint=_HINT)
    repeated = repeated_repetition(text)
    if repeated:
        raise UsageError(
            f"the metric pattern '{text}' repeats {repeated}: a line can take it for ever",
            hint="take one of the two repetitions out, or bound the outer one, as in (...){0,8}",
        )
    return expression


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
