"""What holds for every filter, over generated texts, trees and rows."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from kwrap.analysis import filter as filters
from kwrap.analysis.fields import Row
from kwrap.analysis.filter_syntax import Comparison, Expression, Literal, Not, Operator, both, either
from kwrap.errors import FilterError

_PIECES = """
and or not in contains ( ) [ ] { } , ' " \\ = == != < <= > >= =~ !~ <> && || - --lr=1 ^(a|b) (?i)x [1,2] {"a":1} é 日
loss lr opt a-b x/y@1 params. metrics.loss created duration status tags id
0.5 1e-3 -1 nan inf null None true False 2h 3 days ago yesterday running 2026-11-21 10:30
"""
PIECES = [*_PIECES.split(), "\n", " \t"]
texts = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=14).map("".join),
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(),
    st.sampled_from(["adam", "1", "1.0", "", "true", "2026-11-21T10:00:00Z", "running"]),
    st.text(max_size=5),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
)
names = st.sampled_from(["loss", "lr", "opt", "a-b", "x/y@1"])
rows = st.fixed_dictionaries(
    {"params": st.dictionaries(names, values, max_size=4), "metrics": st.dictionaries(names, values, max_size=4)},
    optional=dict.fromkeys(
        ("id", "name", "status", "created", "duration", "step", "tags", "command", "note", "user"), values
    ),
)

literals = st.one_of(
    st.text(max_size=8).map(lambda text: Literal(text, in_quotes=True)),
    st.sampled_from(["1", "-0.5", "1e9", "adam", "null", "true", "[1, 2]", "two words", "f(x and y)", "a\\)b"]).map(
        Literal
    ),
)
comparisons = st.one_of(
    st.builds(
        lambda name, operator, literal: Comparison(name, operator, (literal,)),
        st.one_of(names, st.text(max_size=6), st.sampled_from(["and", "Not", "in", "params.x"])),
        st.sampled_from([one for one in Operator if one not in (Operator.IN, Operator.NOT_IN)]),
        literals,
    ),
    st.builds(
        lambda name, operator, found: Comparison(name, operator, tuple(found)),
        names,
        st.sampled_from([Operator.IN, Operator.NOT_IN]),
        st.lists(literals, max_size=3),
    ),
)
trees: st.SearchStrategy[Expression] = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=1, max_size=3).map(both),
        st.lists(inner, min_size=1, max_size=3).map(either),
    ),
    max_leaves=8,
)


def holds(text: str, row: Row) -> bool:
    return filters.compile(text)(row)


@given(texts, rows)
def test_whatever_is_typed_selects_or_is_a_filter_error(text: str, row: Row) -> None:
    try:
        assert filters.compile(text)(row) in (True, False)
        filters.apply([row], text)
    except FilterError as error:
        assert str(error) and error.exit_status == 2


@given(texts)
def test_what_is_parsed_prints_as_what_parses_to_the_same(text: str) -> None:
    try:
        tree = filters.parse(text)
    except FilterError:
        return
    assert filters.parse(str(tree)) == tree


@given(trees)
def test_every_tree_can_be_written_and_read_back(tree: Expression) -> None:
    assert filters.parse(str(tree)) == tree


@given(rows, names, st.sampled_from(["adam", "1", "0.5", "true", "[1, 2]", "nan", "'1'", "null"]))
def test_the_negated_operators_are_the_opposite_of_the_plain_ones(row: Row, name: str, value: str) -> None:
    assert holds(f"{name} = {value}", row) is not holds(f"{name} != {value}", row)
    assert holds(f"{name} contains {value}", row) is not holds(f"{name} not contains {value}", row)
    assert holds(f"{name} in [{value}, x]", row) is not holds(f"{name} not in [{value}, x]", row)
    assert holds(f"{name} < {value}", row) is not holds(f"not {name} < {value}", row)


@given(rows, names, names, st.sampled_from(["adam", "1", "true", "null"]), st.sampled_from(["x", "0", "[1]"]))
def test_in_is_an_or_of_equals_and_the_connectives_are_those_of_python(
    row: Row, name: str, other: str, one: str, two: str
) -> None:
    first, second = holds(f"{name} = {one}", row), holds(f"{other} = {two}", row)
    assert holds(f"{name} in [{one}, {two}]", row) is holds(f"{name} = {one} or {name} = {two}", row)
    assert holds(f"{name} = {one} and {other} = {two}", row) is (first and second)
    assert holds(f"{name} = {one} or {other} = {two}", row) is (first or second)
    assert filters.compile([f"{name} = {one}", f"{other} = {two}"])(row) is (first and second)


@given(st.one_of(st.integers(), st.floats(allow_nan=False)), st.one_of(st.integers(), st.floats(allow_nan=False)))
def test_numbers_compare_as_python_compares_them(left: float, right: float) -> None:
    row: Row = {"params": {"x": left}}
    for operator, expected in (("<", left < right), ("<=", left <= right), ("=", left == right), (">", left > right)):
        assert holds(f"x {operator} {right!r}", row) is expected


@given(values)
def test_presence_is_all_that_null_tests(value: object) -> None:
    row: Row = {"params": {"x": value}}
    assert holds("x = null", row) is (value is None)
    assert holds("x != null", row) is (value is not None)


@given(st.floats() | st.none())
def test_nothing_is_before_or_after_a_number_that_is_none(value: float | None) -> None:
    if value is None or math.isnan(value):
        assert not any(holds(f"x {operator} 0", {"metrics": {"x": value}}) for operator in ("<", "<=", ">", ">="))
