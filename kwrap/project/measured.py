"""Metrics in a few numbers and a course, for whoever looks at an experiment; and metric points out of any text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from kwrap.metrics.summary import Summary
from kwrap.records import MetricPoint, MetricSummary

if TYPE_CHECKING:
    from kwrap.metrics.extractor import Extractor
    from kwrap.project.experiment import Experiment

# Reading more points than that takes longer than whoever asks for an overview wants to wait.
_MOST_POINTS = 100_000
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One metric. `course` holds its values in order; empty when there are too many points to read for an overview."""

    name: str
    summary: MetricSummary
    course: tuple[float, ...]


def overview(experiment: Experiment, *, course: bool = True) -> list[Measured]:
    """Every metric of an experiment: the primary one first, then by kind and in the order they appeared.

    Without its course, only what the outcome says, and nothing that may be damaged is read.
    """
    points: list[MetricPoint] = []
    recorded = sum(outcome.metric_points for outcome in experiment.state.outcomes)
    if course and recorded <= _MOST_POINTS:
        stream = experiment.project.repository.metric_points(experiment.id)
        points = list(islice(stream, _MOST_POINTS + 1))
    whole = len(points) <= _MOST_POINTS
    summaries = experiment.summaries or (_summaries(points) if whole else {})
    courses: dict[str, list[float]] = {}
    for point in points if whole else ():
        courses.setdefault(point.name, []).append(point.value)
    primary = experiment.primary_metric.name if experiment.primary_metric else None
    names = sorted(summaries, key=lambda name: (name != primary, summaries[name].kind != "metric"))
    return [Measured(name=name, summary=summaries[name], course=tuple(courses.get(name, ()))) for name in names]


def summarise(points: Iterable[MetricPoint]) -> list[Measured]:
    """Every metric of some points."""
    held = list(points)
    courses: dict[str, list[float]] = {}
    for point in held:
        courses.setdefault(point.name, []).append(point.value)
    return [Measured(name=name, summary=one, course=tuple(courses[name])) for name, one in _summaries(held).items()]


def _summaries(points: Iterable[MetricPoint]) -> dict[str, MetricSummary]:
    summary = Summary()
    for point in points:
        summary.add(point)
    return dict(summary.summaries())


def read_points(text: BinaryIO, *, patterns: Sequence[str] = (), automatic: bool = True) -> Iterator[MetricPoint]:
    """The metric points that a run would record if it printed this. Raises UsageError for a wrong pattern."""
    from kwrap.metrics.extractor import Extractor  # whoever looks at an experiment needs no recognisers

    extractor = Extractor(patterns=patterns, automatic=automatic)
    return _read(text, extractor)


def _read(text: BinaryIO, extractor: Extractor) -> Iterator[MetricPoint]:
    offset = 0
    while data := text.read(_CHUNK_BYTES):
        yield from extractor.feed(data, offset)
        offset += len(data)
    yield from extractor.finish()
