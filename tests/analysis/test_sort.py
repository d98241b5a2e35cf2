"""The order in which experiments are listed."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwrap.analysis import sort
from kwrap.analysis.fields import Row
from kwrap.analysis.sort import SortKey
from kwrap.analysis.values import is_nan, is_number
from kwrap.errors import FilterError

ROWS: list[Row] = [
    {"id": "a", "created": "2026-11-21T10:00:00.5Z", "params": {"opt": "sgd", "lr": 1}, "metrics": {"loss": 0.5}},
    {
        "id": "b",
        "created": "2026-11-21T12:00:00+03:00",
        "params": {"opt": "adam", "lr": 0.5},
        "metrics": {"loss": math.nan},
    },
    {"id": "c", "created": "2026-11-21T10:00:00Z", "params": {"opt": "sgd"}, "metrics": {"loss": -math.inf}},
    {"id": "d", "created": "2026-11-21T10:00:00Z", "params": {"opt": 3, "lr": 10}},
]


def order(keys: str) -> str:
    return "".join(str(row["id"]) for row in sort.apply(ROWS, keys))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("created", "bcda"),
        ("created-desc", "acdb"),
        ("-created", "acdb"),
        ("started", "bcda"),
        ("loss", "cabd"),
        ("loss-asc", "cabd"),
        ("loss-desc", "acbd"),
        ("lr", "badc"),
        ("lr-desc", "dabc"),
        ("opt", "dbac"),
        ("opt-desc", "dacb"),
        ("opt,lr-desc", "dbac"),
        ("opt , -created", "dbac"),
        ("params.opt,metrics.loss", "dbca"),
        ("id-desc", "dcba"),
        ("step", "abcd"),
        ("created,", "bcda"),
    ],
)
def test_keys_sort_numbers_before_text_and_what_is_missing_last(keys: str, expected: str) -> None:
    assert order(keys) == expected


def test_without_a_key_the_oldest_comes_first() -> None:
    assert sort.parse() == (SortKey("created"),)
    assert [row["id"] for row in sort.apply(ROWS)] == ["b", "c", "d", "a"]


def test_a_name_that_no_row_has_is_told_with_near_ones() -> None:
    with pytest.raises(FilterError, match="no experiment has 'los'") as caught:
        order("los-desc")
    assert caught.value.hint == "did you mean loss?"


def test_with_no_rows_at_all_any_key_may_be_meant() -> None:
    assert sort.apply([], "whatever-desc") == []


@pytest.mark.parametrize("keys", ["", " ", "loss desc", "-loss-desc", "a,,b", "loss;lr", "'loss", "-", "'loss'-up"])
def test_what_is_no_key_is_told(keys: str) -> None:
    with pytest.raises(FilterError) as caught:
        sort.parse(keys)
    assert caught.value.hint


def test_a_name_in_quotes_may_hold_anything() -> None:
    assert sort.parse("'learning rate'-desc,\"a,b\"") == (SortKey("learning rate", True), SortKey("a,b"))


def test_a_name_that_itself_ends_in_a_direction_is_found() -> None:
    rows: list[Row] = [{"id": "x", "params": {"order-desc": 2}}, {"id": "y", "params": {"order-desc": 1}}]
    assert [row["id"] for row in sort.apply(rows, "order-desc")] == ["y", "x"]
    assert [row["id"] for row in sort.apply(rows, "order-desc-desc")] == ["x", "y"]


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.integers(),
    st.floats(),
    st.text(max_size=2),
    st.lists(st.integers(), max_size=2),
)
tables = st.lists(
    st.builds(lambda x, y: {"params": {"x": x, "y": y}, "created": x}, values, values), min_size=1, max_size=12
).map(lambda rows: [{**row, "id": number} for number, row in enumerate(rows)])


@given(tables, st.sampled_from(["x", "-x", "x,-y", "created-desc,y", "y-desc,x"]))
def test_sorting_keeps_every_row_and_sorting_again_changes_nothing(rows: list[Row], keys: str) -> None:
    ordered = sort.apply(rows, keys)
    assert sorted(str(row["id"]) for row in ordered) == sorted(str(row["id"]) for row in rows)
    assert sort.apply(ordered, keys) == ordered


@given(tables, st.sampled_from(["x", "x-desc"]), st.randoms())
def test_the_order_of_values_does_not_depend_on_the_order_of_rows(rows: list[Row], keys: str, random: Random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    shown = [[_shown(row) for row in sort.apply(one, keys)] for one in (rows, shuffled)]
    assert shown[0] == shown[1]


@given(tables, st.booleans())
def test_kinds_keep_their_places_in_both_directions(rows: list[Row], descending: bool) -> None:
    ranks = [_rank(row["params"]["x"]) for row in sort.apply(rows, "x-desc" if descending else "x")]  # type: ignore[index]
    assert ranks == sorted(ranks)


@given(tables, st.booleans())
def test_equal_rows_keep_their_order(rows: list[Row], descending: bool) -> None:
    seen: dict[str, int] = {}
    for row in sort.apply(rows, "x-desc" if descending else "x"):
        value = _shown(row)
        assert seen.get(value, -1) < int(str(row["id"]))
        seen[value] = int(str(row["id"]))


@given(st.text(max_size=20) | st.lists(st.sampled_from([*"ab,-'\" ", "-desc", "-asc"]), max_size=8).map("".join))
def test_whatever_is_typed_is_keys_or_a_filter_error(text: str) -> None:
    try:
        keys = sort.parse(text)
    except FilterError:
        return
    assert sort.parse(",".join(map(str, keys))) == keys


def _shown(row: Row) -> str:
    """The value that was sorted by, equal numbers looking alike."""
    value = row["params"]["x"]  # type: ignore[index]
    return repr(int(value)) if isinstance(value, float) and value.is_integer() else repr(value)


def _rank(value: object) -> int:
    if value is None or is_nan(value):
        return 9
    if is_number(value):
        return 0
    return 2 if isinstance(value, str) else 1 if isinstance(value, bool) else 3
