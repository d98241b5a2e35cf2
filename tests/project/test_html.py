"""What a notebook shows of experiments."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import kwrap

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

import sample_repository


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> kwrap.Project:
    monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(tmp_path / "state"))
    repository = sample_repository.make(tmp_path)
    return kwrap.Project(repository.url, clock=sample_repository.FixedClock())


def test_a_metric_called_as_a_fact_does_not_hide_it(project: kwrap.Project) -> None:
    one = project.experiments.get("long")
    (beat,) = one.state.heartbeats
    project.repository.write_heartbeat(replace(beat, metrics={"status": 7.0, "command": 8.0}))
    html = one.refresh()._repr_html_()
    assert "Running for" in html and "python train.py" in html and "<td>7</td>" in html


def test_of_many_experiments_and_checkpoints_the_last_are_shown(project: kwrap.Project) -> None:
    one = project.experiments.get("baseline")
    for number in range(250):
        project.repository.write_experiment(replace(one.record, id=f"20261121-2100{number:03d}-zzzzz{number:03d}"))
    last = one.checkpoints[-1].record
    for number in range(4, 100):
        project.repository.write_checkpoint(replace(last, sequence=number))
    table = project.experiments.list()._repr_html_()
    assert table.count("<tr>") == 1 + 200 and table.startswith("<p>56 before these</p>")
    shown = one.refresh()._repr_html_()
    assert shown.count("checkpoint @") == 20 and "checkpoint @99" in shown and "79 before these" in shown


def test_empty_facts_are_left_out(project: kwrap.Project) -> None:
    assert "<td></td>" not in project.experiments.get("adam")._repr_html_()
    assert "<td></td>" not in project.experiments.checkpoint("adam@1")._repr_html_()
