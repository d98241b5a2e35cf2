"""Which metrics a checkpoint is recorded with."""

from __future__ import annotations

from kwrap.recorder.known import KnownMetrics
from kwrap.records import MetricPoint


def known(*points: tuple[float, int, float]) -> KnownMetrics:
    """Points of (time in seconds, epoch, loss)."""
    made = KnownMetrics()
    for t_s, epoch, loss in points:
        made.add(MetricPoint("loss", loss, epoch=float(epoch), t_s=t_s))
    return made


def test_what_was_printed_before_the_file_was_written_is_known() -> None:
    found = known((1.0, 1, 0.5), (2.0, 2, 0.4), (3.0, 3, 0.3)).at(2.5)
    assert (found.metrics, found.epoch) == ({"loss": 0.4}, 2.0)


def test_a_line_that_reached_us_a_moment_later_still_counts() -> None:
    assert known((1.0, 1, 0.5)).at(0.99).metrics == {"loss": 0.5}


def test_a_number_in_the_name_takes_its_own_epoch_and_not_the_next_though_that_comes_at_once() -> None:
    quick = known((1.00, 8, 0.8), (1.02, 9, 0.9), (1.04, 10, 1.0))
    assert quick.at(1.021, numbers=(9,)).metrics == {"loss": 0.9}
    assert quick.at(1.001, numbers=(9,)).metrics == {"loss": 0.9}
    assert quick.at(1.041, numbers=(9, 1)).metrics == {"loss": 1.0}, "what was printed before it is never taken away"


def test_a_line_printed_after_its_file_belongs_to_it_when_the_number_says_so() -> None:
    assert known((1.0, 1, 0.5), (2.1, 2, 0.4)).at(2.0, numbers=(2,)).metrics == {"loss": 0.4}
    assert known((1.0, 1, 0.5), (2.1, 2, 0.4)).at(2.0).metrics == {"loss": 0.5}


def test_a_number_that_no_line_says_changes_nothing() -> None:
    assert known((1.0, 1, 0.5), (2.0, 2, 0.4)).at(1.5, numbers=(7,)).metrics == {"loss": 0.5}


def test_nothing_printed_is_nothing_known() -> None:
    found = KnownMetrics().at(1.0, numbers=(1,))
    assert (found.metrics, found.step, found.epoch) == ({}, None, None)
