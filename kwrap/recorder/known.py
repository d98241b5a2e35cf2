"""Which metrics were known at a moment: what a checkpoint is recorded with."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from kwrap.records import MetricPoint

# Points that are kept one by one; of older ones only the last value of each name is.
_KEPT_POINTS = 50_000
# How long after a file's last change a line may come that belongs to it: by the number in its name, or without.
# The longer one is what a closed file rests, so all of those lines are there when it is asked for.
_NUMBERED_S, _LATE_S = 0.2, 0.03


class Known(NamedTuple):
    """The last value of each metric, with the step and epoch of the last point that had one."""

    metrics: Mapping[str, float]
    step: int | None
    epoch: float | None


class KnownMetrics:
    """Metric points in the order of their times, asked for what was known at some time of the last while."""

    def __init__(self) -> None:
        self._before = Known({}, None, None)
        self._recent: deque[MetricPoint] = deque()

    def add(self, point: MetricPoint) -> None:
        if point.kind != "metric":
            return
        self._recent.append(point)
        if len(self._recent) > _KEPT_POINTS:
            older = [self._recent.popleft() for _ in range(_KEPT_POINTS // 2)]
            self._before = _after(self._before, older)

    def at(self, t_s: float, numbers: Sequence[int] = ()) -> Known:
        """What had been printed until `t_s` seconds after the start, and what was printed with it.

        A line reaches us a moment after it was printed, so some that come later still belong: those up to the last of
        a step or epoch that is one of `numbers` (of a file's name), else those of the next moment.
        """
        before = [point for point in self._recent if (point.t_s or 0.0) <= t_s]
        after = [point for point in islice(self._recent, len(before), None) if (point.t_s or 0.0) <= t_s + _NUMBERED_S]
        for number in numbers:
            if any(_is_of(point, number) for point in (*before[-1:], *after)):
                last = max((n for n, point in enumerate(after, 1) if _is_of(point, number)), default=0)
                return _after(self._before, (*before, *after[:last]))
        return _after(self._before, (*before, *(point for point in after if (point.t_s or 0.0) <= t_s + _LATE_S)))

    def latest(self) -> Known:
        return _after(self._before, self._recent)


def _is_of(point: MetricPoint, number: int) -> bool:
    return number in (point.step, point.epoch)


def _after(before: Known, points: Iterable[MetricPoint]) -> Known:
    metrics, step, epoch = dict(before.metrics), before.step, before.epoch
    for point in points:
        metrics[point.name] = point.value
        step = point.step if point.step is not None else step
        epoch = point.epoch if point.epoch is not None else epoch
    return Known(metrics, step, epoch)
