"""A line that is one JSON object is one event, as Valohai has it: `{"step": 3, "train": {"loss": 0.5}}`.

Nested objects are flattened with `/`, numbers in strings count, a `vh_metadata` wrapper is taken off, whatever is no
number is passed over. Programs log other things as JSON too: an object that names no step, no epoch and no known metric
is an event only when it holds numbers alone, none of them a setting's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import isfinite

from kwrap.metrics import candidates
from kwrap.metrics.names import LONGEST_NAME, LR, judge
from kwrap.metrics.numbers import COUNT_DIGITS, number, to_float
from kwrap.metrics.reading import Reading, Value

_WRAPPER = "vh_metadata"
_DEEPEST = 16


class JsonLines:
    """The recogniser. Remembers nothing."""

    name = "json"
    triggers: tuple[re.Pattern[bytes], ...] = (candidates.COLON, candidates.COLON_BLANK)

    def read(self, line: bytes) -> Reading | None:
        bare = line.strip()
        if not (bare.startswith(b"{") and bare.endswith(b"}")):
            return None
        try:
            event = json.loads(bare.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
        return _read(_unwrapped(event))


def _read(event: dict[str, object]) -> Reading:
    values: list[Value] = []
    step: tuple[int, int] | None = None
    epoch: float | None = None
    telling, plain = _WRAPPER in event, True
    for text, leaf in _leaves(event, "", 0):
        at = _number(leaf)
        if at is None:
            plain = False
            continue
        name = judge(text)
        if name.axis is None:
            telling = telling or name.strength > 0
            plain = plain and not (name.noise or name.setting or name.kind == LR)
            if not name.noise:
                values.append(Value(name.text, at, name.kind))
        elif name.axis.is_epoch:
            epoch = at if epoch is None and isfinite(at) else epoch
        elif at.is_integer() and 0 <= at < 10**COUNT_DIGITS and (step is None or name.axis.rank < step[0]):
            step = (name.axis.rank, int(at))
    if not (telling or plain or step or epoch is not None):
        values = []
    return Reading(values, step[1] if step else None, epoch)


def _unwrapped(event: dict[str, object]) -> dict[str, object]:
    inner = event.get(_WRAPPER)
    return {**event, **inner} if isinstance(inner, dict) else event


def _leaves(event: dict[str, object], prefix: str, depth: int) -> Iterator[tuple[str, object]]:
    for key, value in event.items():
        if isinstance(value, dict):
            if depth < _DEEPEST and key != _WRAPPER:
                yield from _leaves(value, f"{prefix}{key}/", depth + 1)
        elif len(prefix) + len(key) <= LONGEST_NAME:
            yield prefix + key, value


def _number(leaf: object) -> float | None:
    if isinstance(leaf, bool):
        return None
    if isinstance(leaf, (int, float)):
        try:
            return to_float(leaf)
        except OverflowError:
            return None
    return number(leaf) if isinstance(leaf, str) else None
