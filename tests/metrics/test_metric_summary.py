"""What a summary keeps of the points that went by."""

from __future__ import annotations

import math

from kwrap.metrics.summary import Summary
from kwrap.records import MetricPoint, MetricSummary


def summary(*points: MetricPoint) -> Summary:
    made = Summary()
    for point in points:
        made.add(point)
    return made


def test_a_name_has_its_count_last_least_and_greatest_value() -> None:
    made = summary(*(MetricPoint("loss", value, step) for step, value in enumerate([3.0, 1.0, 2.0])))
    assert made.summaries() == {"loss": MetricSummary(count=3, last=2.0, minimum=1.0, maximum=3.0, last_step=2)}


def test_not_a_number_is_last_but_never_least_or_greatest() -> None:
    made = summary(MetricPoint("loss", 1.0), MetricPoint("loss", math.nan)).summaries()["loss"]
    assert (made.count, made.minimum, made.maximum) == (2, 1.0, 1.0)
    assert math.isnan(made.last)


def test_a_metric_that_was_never_a_number_has_no_least_value() -> None:
    made = summary(MetricPoint("loss", math.nan)).summaries()["loss"]
    assert (made.minimum, made.maximum) == (None, None)


def test_latest_has_metrics_only() -> None:
    made = summary(MetricPoint("loss", 1.0, kind="metric"), MetricPoint("lr", 0.1, kind="lr"), MetricPoint("loss", 0.5))
    assert made.latest() == {"loss": 0.5}


def test_step_and_epoch_are_the_last_known() -> None:
    made = summary(MetricPoint("loss", 1.0, step=3, epoch=1.0), MetricPoint("acc", 0.5))
    assert (made.step, made.epoch, made.points) == (3, 1.0, 2)


def test_names_without_end_are_not_kept_without_end() -> None:
    made = summary(*(MetricPoint(f"loss_{number}", 1.0) for number in range(10_050)))
    assert len(made.summaries()) == 10_000
    assert made.points == 10_050
