"""What differs between two experiments, field by field."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from kwrap.analysis.difference import Change, FieldDifference, Sections, differences
from kwrap.encoding import canonical


def test_only_what_differs_is_told_section_by_section() -> None:
    left: Sections = {"params": {"lr": 0.1, "opt": "adam"}, "metrics": {"loss": 0.5}}
    right: Sections = {"params": {"lr": 0.2, "opt": "adam"}, "metrics": {"loss": 0.5}}
    assert differences(left, right) == [
        FieldDifference(section="params", name="lr", change=Change.CHANGED, left=0.1, right=0.2)
    ]


def test_absent_is_told_apart_from_null_also_in_json() -> None:
    found = differences({"params": {"a": None, "b": None}}, {"params": {"b": 3, "c": None}})
    assert [json.loads(canonical(one)) for one in found] == [
        {"section": "params", "name": "a", "change": "removed"},
        {"section": "params", "name": "b", "change": "changed", "right": 3},
        {"section": "params", "name": "c", "change": "added"},
    ]


def test_a_section_of_one_side_alone_is_added_or_removed_as_a_whole() -> None:
    found = differences({"machine": {"host": "a"}}, {"packages": {"torch": "2.0"}})
    assert [(one.section, one.name, one.change) for one in found] == [
        ("machine", "host", Change.REMOVED),
        ("packages", "torch", Change.ADDED),
    ]


def test_sections_and_fields_keep_the_order_they_come_in() -> None:
    left = {"z": {"b": 1, "a": 1}, "y": {"c": 1}}
    right = {"x": {"d": 1}, "z": {"e": 1, "a": 2, "b": 2}}
    assert [f"{one.section}.{one.name}" for one in differences(left, right)] == ["z.b", "z.a", "z.e", "y.c", "x.d"]


def test_one_and_one_point_nought_do_not_differ_nor_do_two_not_a_numbers() -> None:
    left = {"metrics": {"a": 1, "b": math.nan, "c": [1, {"d": 2}]}}
    right = {"metrics": {"a": 1.0, "b": math.nan, "c": [1.0, {"d": 2.0}]}}
    assert differences(left, right) == []


def test_true_differs_from_one_and_a_number_from_its_text() -> None:
    assert len(differences({"p": {"a": True, "b": 1}}, {"p": {"a": 1, "b": "1"}})) == 2


values = (
    st.none()
    | st.booleans()
    | st.integers(0, 2)
    | st.floats()
    | st.text(max_size=2)
    | st.lists(st.floats(), max_size=2)
)
sections = st.dictionaries(
    st.sampled_from(["params", "metrics"]), st.dictionaries(st.sampled_from("abcd"), values, max_size=4), max_size=2
)


@given(sections)
def test_nothing_differs_from_itself(side: dict[str, dict[str, object]]) -> None:
    assert differences(side, side) == []


@given(sections, sections)
def test_swapping_the_sides_swaps_the_differences(
    left: dict[str, dict[str, object]], right: dict[str, dict[str, object]]
) -> None:
    swapped = {Change.ADDED: Change.REMOVED, Change.REMOVED: Change.ADDED, Change.CHANGED: Change.CHANGED}
    one = {(d.section, d.name): (d.change, repr(d.left), repr(d.right)) for d in differences(left, right)}
    other = {(d.section, d.name): (swapped[d.change], repr(d.right), repr(d.left)) for d in differences(right, left)}
    assert one == other


@given(sections, sections)
def test_every_difference_can_be_written_as_json(
    left: dict[str, dict[str, object]], right: dict[str, dict[str, object]]
) -> None:
    assert json.loads(canonical(differences(left, right))) is not None
