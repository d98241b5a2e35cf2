"""Which metrics were known at a moment: what a checkpoint is recorded with."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kwrap.records import MetricPoint

# Points that are kept one by one; of older ones only the last value of each name is.
_KEPT_POINTS = 50_000


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

    def at(self, t_s: float) -> Known:
        """What had been printed until `t_s` seconds after the start."""
        return _after(self._before, (point for point in self._recent if (point.t_s or 0.0) <= t_s))

    def latest(self) -> Known:
        return _after(self._before, self._recent)


def _after(before: Known, points: Iterable[MetricPoint]) -> Known:
    metrics, step, epoch = dict(before.metrics), before.step, before.epoch
    for point in points:
        metrics[point.name] = point.value
        step = point.step if point.step is not None else step
        epoch = point.epoch if point.epoch is not None else epoch
    return Known(metrics, step, epoch)
