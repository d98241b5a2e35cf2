"""A line that is one JSON object is one event."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from printed import placed, points, values


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"loss": 0.5}', [("loss", 0.5, 0, None)]),
        ('{"loss":0.5,"acc":1}', [("loss", 0.5, 0, None), ("acc", 1.0, 0, None)]),
        ('{"step": 3, "loss": 0.5}', [("loss", 0.5, 3, None)]),
        ('{"epoch": 0.5, "loss": "0.25"}', [("loss", 0.25, None, 0.5)]),
        ('{"step": "7", "a": {"loss": 1, "b": {"c": 2}}}', [("a/loss", 1.0, 7, None), ("a/b/c", 2.0, 7, None)]),
        ('{"vh_metadata": {"acc": 0.9, "other": "5"}}', [("acc", 0.9, 0, None), ("other", 5.0, 0, None)]),
        ('{"anything": 3}', [("anything", 3.0, 0, None)]),
        ('  {"loss": 0.5}  ', [("loss", 0.5, 0, None)]),
        ('{"ts": 179528.9, "level": "info", "step": 2, "loss": 0.5, "best": false}', [("loss", 0.5, 2, None)]),
        ('{"loss": -Infinity}', [("loss", float("-inf"), 0, None)]),
    ],
)  # fmt: skip
def test_an_object_is_an_event(line: str, expected: list[tuple[str, float, int | None, float | None]]) -> None:
    assert placed(line + "\n") == expected


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "config", "lr": 0.2, "model": {"hidden": 16, "layers": 2}}',
        '{"level": "info", "msg": "server started", "port": 8080}',
        '{"learning_rate": 0.001, "seed": 3}',
        '{"loss": true, "acc": null, "f1": [0.5], "auc": "high"}',
        '{"a":' * 9000 + "1" + "}" * 9000,
        '{"loss": ' + "9" * 400 + "}",
    ],
)
def test_what_is_no_event_has_no_points(line: str) -> None:
    assert values(line + "\n") == []


def test_what_is_not_whole_is_read_as_pairs() -> None:
    assert values('{"step": 3, "loss": 0.5, "no\n') == [("loss", 0.5)]


def test_steps_of_events_carry_on() -> None:
    assert [point.step for point in points('{"step": 4, "loss": 1}\n{"val_loss": 2}\n')] == [4, 4]


numbers = st.floats(allow_nan=False) | st.integers(-(2**53), 2**53)


@given(st.dictionaries(st.text("abcdefgh_./é", min_size=1, max_size=12).map(lambda name: f"loss_{name}"), numbers))
def test_every_number_of_an_event_comes_out(event: dict[str, float]) -> None:
    found = points(json.dumps({"step": 1, **event}) + "\n")
    assert {point.name: point.value for point in found} == event
    assert {point.step for point in found} <= {1}
