"""The metric points of one run, as its output comes: extracted, timed, and summed up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kwrap.recorder.follow import Piece
from kwrap.recorder.known import KnownMetrics
from kwrap.records import MetricPoint, MetricSummary

if TYPE_CHECKING:
    from kwrap.metrics.extractor import Extractor
    from kwrap.metrics.summary import Summary


class RunMetrics:
    """What was asked for is in the journal's `created`. `known` answers for checkpoints and heartbeats."""

    def __init__(self, created: Mapping[str, Any]) -> None:
        self._patterns: Sequence[str] = created["metrics"]
        self._automatic: bool = created["auto_metrics"]
        self._reading: tuple[Extractor, Summary] | None = None
        self.known = KnownMetrics()

    @property
    def wanted(self) -> bool:
        """Whether the output has to be looked at."""
        return self._automatic or bool(self._patterns)

    def feed(self, piece: Piece) -> list[MetricPoint]:
        """The points that a piece completes. They have the time of the bytes that ended their line."""
        if self._reading is None:
            self._reading = self._begin()
        return self._add(self._reading[0].feed(piece.data, piece.offset, piece.stream), round(piece.at_ns / 1e9, 6))

    def finish(self) -> list[MetricPoint]:
        """The points of a last line that nothing ended; their time is not known."""
        return self._add(self._reading[0].finish(), None) if self._reading else []

    def summaries(self) -> Mapping[str, MetricSummary]:
        return self._reading[1].summaries() if self._reading else {}

    def warnings(self) -> Mapping[str, int]:
        return self._reading[0].warnings() if self._reading else {}

    def _begin(self) -> tuple[Extractor, Summary]:
        """Not before there is output: a command that prints nothing does not pay for the recognisers."""
        from kwrap.metrics.extractor import Extractor
        from kwrap.metrics.summary import Summary

        return Extractor(patterns=self._patterns, automatic=self._automatic), Summary()

    def _add(self, points: Sequence[MetricPoint], t_s: float | None) -> list[MetricPoint]:
        if not points or self._reading is None:
            return []
        summary = self._reading[1]
        timed = [MetricPoint(*point[:7], t_s, point.kind) for point in points]
        for point in timed:
            summary.add(point)
            self.known.add(point)
        return timed
