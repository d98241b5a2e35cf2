"""Many runs at once on one repository: all recorded, none torn."""

from __future__ import annotations

import subprocess

import pytest

from kwrap.records import Reason
from support import PYTHON, Kwrap

RUNS = 200


@pytest.mark.timeout(600)
def test_two_hundred_runs_started_at_once_are_all_recorded_and_none_torn(kwrap: Kwrap) -> None:
    (kwrap.project / "train.py").write_text("import sys; print('loss:', float(sys.argv[1]), 'step: 1')\n")
    started = [kwrap.start([PYTHON, "train.py", str(number)], "-q", stderr=subprocess.PIPE) for number in range(RUNS)]
    for number, process in enumerate(started):
        output, errors = process.communicate(timeout=500)
        assert process.returncode == 0, errors
        assert output == f"loss: {float(number)} step: 1\n".encode()
        assert errors == b""
    states = kwrap.states()
    assert len(states) == RUNS
    assert len({state.experiment.id for state in states}) == RUNS
    assert {state.experiment.argv[-1] for state in states} == {str(number) for number in range(RUNS)}
    trees = set()
    for state in states:
        (outcome,) = state.outcomes
        assert outcome.reason is Reason.FINISHED
        assert outcome.metrics["loss"].last == float(state.experiment.argv[-1])
        assert kwrap.output(state) == f"loss: {float(state.experiment.argv[-1])} step: 1\n".encode()
        assert state.experiment.source is not None
        trees.add(state.experiment.source.content_sha256)
    assert len(trees) == 1, "the same code is the same snapshot"
    assert not kwrap.run_directories()
