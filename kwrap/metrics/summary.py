"""What remains of metric points when they have gone by: five numbers a name, and the values known now."""

from __future__ import annotations

from dataclasses import dataclass

from kwrap.metrics.names import METRIC
from kwrap.records import MetricPoint, MetricSummary

# A program that prints a number as part of a name makes a new name each time.
_MOST_NAMES = 10_000


@dataclass(slots=True)
class _Series:
    """A name's points so far."""

    count: int
    last: float
    minimum: float | None
    maximum: float | None
    last_step: int | None
    kind: str

    def add(self, point: MetricPoint) -> None:
        value = point.value
        self.count += 1
        self.last = value
        if point.step is not None:
            self.last_step = point.step
        if value == value:
            if self.minimum is None or value < self.minimum:
                self.minimum = value
            if self.maximum is None or value > self.maximum:
                self.maximum = value


class Summary:
    """Accumulates points as they come. `step` and `epoch` are the last ones that a point had."""

    def __init__(self) -> None:
        self.points = 0
        self.step: int | None = None
        self.epoch: float | None = None
        self._series: dict[str, _Series] = {}

    def add(self, point: MetricPoint) -> None:
        self.points += 1
        if point.step is not None:
            self.step = point.step
        if point.epoch is not None:
            self.epoch = point.epoch
        series = self._series.get(point.name)
        if series is None:
            if len(self._series) >= _MOST_NAMES:
                return
            series = self._series[point.name] = _Series(0, 0.0, None, None, None, point.kind)
        series.add(point)

    def latest(self) -> dict[str, float]:
        """The last value of every metric; learning rates, times and counters are none."""
        return {name: series.last for name, series in self._series.items() if series.kind == METRIC}

    def summaries(self) -> dict[str, MetricSummary]:
        """All names, in the order in which they first came."""
        return {
            name: MetricSummary(
                count=series.count,
                last=series.last,
                minimum=series.minimum,
                maximum=series.maximum,
                last_step=series.last_step,
                kind=series.kind,
            )
            for name, series in self._series.items()
        }
