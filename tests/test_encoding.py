"""Values of a damaged record are told as damage, with what was wrong and without a page of digits."""

from __future__ import annotations

import json

import pytest

from kwrap import encoding
from kwrap.errors import Damaged
from kwrap.records import Heartbeat

_WHOLE = {"experiment": "e", "run": "r", "at": "2026-11-21T20:30:36Z", "interval_s": 10.0, "t_s": 1.5}


@pytest.mark.parametrize(
    ("field", "value"),
    [("t_s", 10**400), ("interval_s", -(10**30)), ("step", 10**5000), ("step", 1.5), ("step", True), ("t_s", "1.5")],
    ids=["too great for a float", "too small for 64 bits", "five thousand digits", "half a step", "a truth", "a text"],
)
def test_a_value_that_no_reader_could_hold_is_damage(field: str, value: object) -> None:
    with pytest.raises(Damaged) as caught:
        encoding.from_json(Heartbeat, {**_WHOLE, field: value})
    assert field in caught.value.message
    assert len(caught.value.message) < 200


def test_numbers_up_to_64_bits_and_the_names_of_the_others_are_read() -> None:
    data = json.loads(json.dumps({**_WHOLE, "step": (1 << 63) - 1, "t_s": "Infinity"}))
    found = encoding.from_json(Heartbeat, data)
    assert found.step == (1 << 63) - 1
    assert found.t_s == float("inf")
