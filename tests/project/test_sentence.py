"""How an experiment stands or ended, as a person is told."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "repository"))

from record_makers import CREATED_NS, experiment, heartbeat, outcome, run

from kwrap.clock import to_rfc3339
from kwrap.project.sentence import sentence
from kwrap.records import Reason, State


def state(**fields: Any) -> State:
    return State(**{"experiment": experiment(), **fields})


def after(seconds: float) -> int:
    return CREATED_NS + int(seconds * 1e9)


def at(seconds: float) -> str:
    return to_rfc3339(after(seconds))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"reason": Reason.FINISHED, "exit_status": 0, "duration_s": 192.3}, "Finished after 3 min 12 s."),
        ({"reason": Reason.FINISHED, "exit_status": 0}, "Finished."),
        ({"reason": Reason.FAILED, "exit_status": 1, "duration_s": 192}, "Failed with exit status 1 after 3 min 12 s."),
        ({"reason": Reason.FAILED, "signal": 11, "duration_s": 0.04}, "Killed by signal 11 (SIGSEGV) after 40 ms."),
        ({"reason": Reason.KILLED, "signal": 9, "duration_s": 7500}, "Killed by signal 9 (SIGKILL) after 2 h 5 min."),
        ({"reason": Reason.KILLED, "signal": 62, "duration_s": 60}, "Killed by signal 62 after 1 min."),
        ({"reason": Reason.KILLED, "exit_status": 143}, "Killed, and ended with exit status 143."),
        ({"reason": Reason.FAILED}, "Failed in a way nobody saw."),
        ({"reason": Reason.FINISHED, "duration_s": math.nan}, "Finished."),
        (
            {"reason": Reason.LOST, "ended_at": "2026-11-21T20:31:00.000Z", "duration_s": 24.0},
            "Lost: no sign of life since 2026-11-21 20:31:00 UTC, 24 s after it began.",
        ),
        ({"reason": Reason.LOST}, "Lost."),
    ],
)
def test_a_sentence_says_how_it_ended(fields: dict[str, Any], expected: str) -> None:
    assert sentence(state(runs=(run(),), outcomes=(outcome(**fields),)), after(0)) == expected


def test_of_several_ranks_it_says_which_one_failed() -> None:
    ranks = tuple(run(rank) for rank in range(3))
    failed = outcome(Reason.FAILED, run="r1-a1", exit_status=1, duration_s=12.0)
    ended = state(runs=ranks, outcomes=(failed, outcome(Reason.KILLED, run="r2-a1", signal=15)))
    assert sentence(ended, after(0)) == "Failed with exit status 1 after 12 s (run r1-a1, one of 3)."


def test_a_sentence_says_that_it_runs() -> None:
    alive = state(runs=(run(),), heartbeats=(heartbeat(at=at(88)),))
    assert sentence(alive, after(92)) == "Running for 1 min 32 s; last sign of life 4 s ago."
    assert sentence(state(), after(3)) == "Running for 3 s."


def test_a_sentence_says_since_when_it_is_lost() -> None:
    lost = state(runs=(run(),), heartbeats=(heartbeat(at=at(88)),))
    assert (
        sentence(lost, after(9999)) == "Lost: no sign of life since 2026-11-21 20:32:04 UTC, 1 min 28 s after it began."
    )
    assert sentence(state(), after(9999)) == "Lost: no sign of life since 2026-11-21 20:30:36 UTC, when it began."
    unreadable = state(experiment=experiment(created_at="yesterday"))
    assert sentence(unreadable, after(0)) == "Lost: no record says when it began."
