"""Output and points on their way to the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwrap.recorder import segments
from kwrap.recorder.segments import Segments
from kwrap.records import MetricPoint
from kwrap.repository.repository import Repository
from kwrap.rundir import RunDirectory

POINTS = [MetricPoint("loss", float(number), step=number) for number in range(1000)]


def test_points_that_wait_too_long_are_not_kept_in_memory_and_come_with_the_next_recorder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "_WAITING_POINTS", 100)
    monkeypatch.setattr(segments, "_SEGMENT_POINTS", 50)
    repository = Repository.open(str(tmp_path / "repository"), create=True)
    run_directory = RunDirectory(str(tmp_path))
    unreachable = Segments(run_directory, "e", "r")
    for start in range(0, 1000, 20):
        unreachable.add(POINTS[start : start + 20])
    unreachable.send(repository, 0, 1.0)
    assert unreachable.points == 1000
    assert 0 < repository.metrics_end("e", "r") < 200
    assert not unreachable.complete(repository)

    reachable = Segments(run_directory, "e", "r")
    for start in range(0, 1000, 20):
        reachable.add(POINTS[start : start + 20])
        if reachable.due(0.0):
            reachable.send(repository, 0, 1.0)
    reachable.send(repository, 0, 1.0)
    assert reachable.complete(repository)
    assert [point.step for point in repository.metric_points("e", "r")] == list(range(1000))
