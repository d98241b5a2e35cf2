"""What follows from an experiment's records, and from the time."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_makers import CREATED_NS, checkpoint, experiment, heartbeat, note, outcome, run

from kwrap.clock import to_rfc3339
from kwrap.records import Goal, NoteKind, PrimaryMetric, Reason, State, Status
from kwrap.repository import status


def state(**fields: Any) -> State:
    return State(**{"experiment": experiment(), **fields})


def after(seconds: float) -> int:
    return CREATED_NS + int(seconds * 1e9)


def at(seconds: float) -> str:
    return to_rfc3339(after(seconds))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Reason.FINISHED, Status.FINISHED),
        (Reason.FAILED, Status.FAILED),
        (Reason.KILLED, Status.KILLED),
        (Reason.LOST, Status.LOST),
    ],
)
def test_an_outcome_says_how_it_stands_whatever_the_heartbeat_says(reason: Reason, expected: Status) -> None:
    ended = state(runs=(run(),), outcomes=(outcome(reason),), heartbeats=(heartbeat(at=at(100)),))
    assert status.status(ended, after(101)) is expected


def test_every_reason_has_a_status() -> None:
    for reason in Reason:
        assert status.status(state(outcomes=(outcome(reason),)), after(0)).value


def test_a_fresh_heartbeat_means_running_and_a_stale_one_lost() -> None:
    alive = state(runs=(run(),), heartbeats=(heartbeat(at=at(1000), interval_s=2.0),))
    assert status.status(alive, after(1006)) is Status.RUNNING
    assert status.status(alive, after(1006.001)) is Status.LOST


def test_a_heartbeat_of_a_clock_that_goes_ahead_means_running() -> None:
    alive = state(runs=(run(),), heartbeats=(heartbeat(at=at(1000)),))
    assert status.status(alive, after(500)) is Status.RUNNING


def test_before_the_first_heartbeat_it_counts_as_running_for_three_intervals() -> None:
    begun = state(runs=(run(heartbeat_interval_s=5.0),))
    assert status.status(begun, after(15)) is Status.RUNNING
    assert status.status(begun, after(15.001)) is Status.LOST


def test_without_a_run_record_it_counts_as_running_for_half_a_minute() -> None:
    assert status.status(state(), after(29)) is Status.RUNNING
    assert status.status(state(), after(31)) is Status.LOST


def test_a_time_that_cannot_be_read_was_long_ago() -> None:
    odd = state(experiment=experiment(created_at="yesterday"), heartbeats=(heartbeat(at="?"),))
    assert status.status(odd, after(0)) is Status.LOST


def test_of_several_ranks_the_worst_outcome_counts() -> None:
    ranks = tuple(run(rank) for rank in range(3))
    outcomes = (
        outcome(Reason.KILLED, run="r0-a1", signal=15),
        outcome(Reason.FAILED, run="r1-a1", exit_status=1, duration_s=12.0),
        outcome(Reason.KILLED, run="r2-a1", signal=15),
    )
    ended = state(runs=ranks, outcomes=outcomes)
    assert status.status(ended, after(0)) is Status.FAILED
    worst = status.worst_outcome(ended)
    assert worst is not None and worst.run == "r1-a1"


def test_a_second_attempt_counts_instead_of_the_first() -> None:
    attempts = (run(attempt=1), run(attempt=2, started_at=at(100)))
    first = outcome(Reason.KILLED, run="r0-a1", signal=9)
    running = state(runs=attempts, outcomes=(first,), heartbeats=(heartbeat(run="r0-a2", at=at(110)),))
    assert status.status(running, after(115)) is Status.RUNNING
    assert status.status(state(runs=attempts, outcomes=(first,)), after(101)) is Status.RUNNING
    ended = state(runs=attempts, outcomes=(first, outcome(Reason.FINISHED, run="r0-a2")))
    assert status.status(ended, after(115)) is Status.FINISHED


@pytest.mark.parametrize("interval_s", [math.nan, math.inf, -math.inf, 1e308, -1.0, 10**400])
def test_an_interval_that_is_none_says_nothing_about_being_alive(interval_s: float) -> None:
    odd = state(runs=(run(heartbeat_interval_s=interval_s),), heartbeats=(heartbeat(at=at(5), interval_s=interval_s),))
    assert status.status(odd, after(6)) is Status.LOST


def test_what_cannot_be_read_does_not_make_a_run_begin_in_1970() -> None:
    odd = state(experiment=experiment(created_at="yesterday"), runs=(run(),))
    assert status.duration_s(odd, after(4)) == 4.0


def test_the_duration_is_the_outcomes_else_until_now_else_until_the_last_sign() -> None:
    assert status.duration_s(state(outcomes=(outcome(duration_s=5.5),)), after(99)) == 5.5
    assert status.duration_s(state(outcomes=(outcome(),)), after(99)) is None
    assert status.duration_s(state(runs=(run(),)), after(4)) == 4.0
    assert status.duration_s(state(heartbeats=(heartbeat(t_s=77.0),)), after(9999)) == 77.0
    assert status.duration_s(state(), after(9999)) is None


def test_tags_are_those_given_and_added_without_those_taken_off() -> None:
    notes = (
        note(NoteKind.TAG, "paper", 1),
        note(NoteKind.TAG, "of a checkpoint", 2, checkpoint=1),
        note(NoteKind.UNTAG, "first", 3),
        note(NoteKind.TAG, "best", 4),
        note(NoteKind.UNTAG, "paper", 5),
        note(NoteKind.TAG, "paper", 6),
        note(NoteKind.UNTAG, "never given", 7),
    )
    tagged = state(experiment=experiment(tags=("first", "second", "second")), notes=notes)
    assert status.tags(tagged) == ("second", "best", "paper")
    assert status.checkpoint_tags(tagged) == {1: ("of a checkpoint",)}


def test_a_checkpoint_whose_tags_were_taken_off_has_none() -> None:
    notes = (note(NoteKind.TAG, "x", 1, checkpoint=2), note(NoteKind.UNTAG, "x", 2, checkpoint=2))
    assert status.checkpoint_tags(state(notes=notes)) == {}


def test_the_last_note_counts() -> None:
    notes = (note(NoteKind.NOTE, "one", 1), note(NoteKind.NOTE, "two", 2), note(NoteKind.NOTE, "else", 3, checkpoint=1))
    assert status.note_text(state(notes=notes)) == "two"
    assert status.note_text(state(experiment=experiment(note="given"))) == "given"
    assert status.note_text(state()) is None


def test_removing_a_checkpoint_does_not_remove_the_experiment() -> None:
    assert status.deleted(state(notes=(note(NoteKind.DELETE),)))
    one_less = state(checkpoints=(checkpoint(1), checkpoint(2)), notes=(note(NoteKind.DELETE, checkpoint=2),))
    assert not status.deleted(one_less)
    assert [one.sequence for one in status.remaining_checkpoints(one_less)] == [1]
    latest = status.latest_checkpoint(one_less)
    assert latest is not None
    assert latest.sequence == 1


def best(goal: Goal, *values: float | None) -> int | None:
    checkpoints = tuple(
        checkpoint(number, metrics={} if value is None else {"loss": value}) for number, value in enumerate(values, 1)
    )
    measured = state(
        experiment=experiment(primary_metric=PrimaryMetric(name="loss", goal=goal)), checkpoints=checkpoints
    )
    found = status.best_checkpoint(measured)
    return None if found is None else found.sequence


def test_the_best_checkpoint_is_by_the_primary_metric_and_its_goal() -> None:
    assert best(Goal.MINIMIZE, 0.5, 0.1, 0.3) == 2
    assert best(Goal.MAXIMIZE, 0.5, 0.1, 0.3) == 1
    assert best(Goal.MINIMIZE, 3, 2.5, 2) == 3


def test_of_equally_good_checkpoints_the_later_is_best() -> None:
    assert best(Goal.MINIMIZE, 0.5, 0.1, 0.1, 0.3) == 3
    assert best(Goal.MAXIMIZE, 0.5, 0.5) == 2


def test_not_a_number_is_never_best() -> None:
    assert best(Goal.MINIMIZE, math.nan, 0.5, math.nan) == 2
    assert best(Goal.MAXIMIZE, math.nan, 0.5, math.nan) == 2
    assert best(Goal.MINIMIZE, math.nan) is None
    assert best(Goal.MINIMIZE, math.inf) == 1


def test_a_checkpoint_without_the_metric_is_not_best() -> None:
    assert best(Goal.MINIMIZE, None, 0.5, None) == 2
    assert best(Goal.MINIMIZE, None) is None
    assert best(Goal.MINIMIZE) is None


def test_without_a_primary_metric_of_the_experiment_that_of_the_last_checkpoint_counts() -> None:
    checkpoints = (
        checkpoint(1, metrics={"loss": 0.1, "accuracy": 0.2}, primary_metric=PrimaryMetric(name="loss")),
        checkpoint(
            2,
            metrics={"loss": 0.2, "accuracy": 0.1},
            primary_metric=PrimaryMetric(name="accuracy", goal=Goal.MAXIMIZE),
        ),
        checkpoint(3, metrics={"loss": 0.3}),
    )
    found = status.best_checkpoint(state(checkpoints=checkpoints))
    assert found is not None
    assert found.sequence == 1
    assert status.best_checkpoint(state(checkpoints=(checkpoint(1, metrics={"loss": 1.0}),))) is None


@given(st.lists(st.floats() | st.none(), max_size=8), st.sampled_from(Goal))
def test_nothing_is_better_than_the_best(values: list[float | None], goal: Goal) -> None:
    found = best(goal, *values)
    numbers = [value for value in values if value is not None and not math.isnan(value)]
    if not numbers:
        assert found is None
    else:
        assert found is not None
        wanted = min(numbers) if goal is Goal.MINIMIZE else max(numbers)
        assert values[found - 1] == wanted
        assert wanted not in values[found:]
