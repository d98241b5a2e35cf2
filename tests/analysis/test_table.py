"""Which columns a table needs, and how values read in it."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwrap.analysis import table
from kwrap.analysis.fields import Row
from kwrap.analysis.text import cell_width

BLOCKS = " ▁▂▃▄▅▆▇█"


def rows(*params: dict[str, object]) -> list[Row]:
    return [{"params": one} for one in params]


def test_a_param_with_two_values_varies() -> None:
    assert table.varying(rows({"lr": 1, "opt": "adam"}, {"lr": 2, "opt": "adam"})) == ["lr"]


def test_a_param_that_some_rows_lack_varies() -> None:
    assert table.varying(rows({"lr": 1, "momentum": 0.9}, {"lr": 1})) == ["momentum"]
    assert table.varying([*rows({"lr": 1}), {}]) == ["lr"]
    assert table.varying(rows({"scheduler": None}, {})) == ["scheduler"]


def test_one_and_one_point_nought_are_one_value_and_true_is_another() -> None:
    assert table.varying(rows({"lr": 1}, {"lr": 1.0})) == []
    assert table.varying(rows({"lr": 1}, {"lr": True})) == ["lr"]
    assert table.varying(rows({"x": math.nan}, {"x": math.nan})) == []
    assert table.varying(rows({"x": [1, {"a": 2}]}, {"x": [1.0, {"a": 2.0}]})) == []


def test_in_one_row_and_in_none_nothing_varies() -> None:
    assert table.varying([]) == []
    assert table.varying(rows({"lr": 1})) == []


def test_metrics_vary_too_and_names_come_sorted() -> None:
    found: list[Row] = [{"metrics": {"b": 1, "a": 1, "c": 1}}, {"metrics": {"b": 2, "a": 2, "c": 1}}]
    assert table.varying(found, "metrics") == ["a", "b"]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)), max_size=5))
def test_what_does_not_vary_is_the_same_in_all_rows(params: list[dict[str, object]]) -> None:
    found = set(table.varying(rows(*params)))
    for name in "abc":
        shown = {repr(one.get(name, "nothing")) for one in params}
        assert (name in found) is (len(shown) > 1)


def test_host_and_user_are_columns_when_they_differ() -> None:
    found: list[Row] = [{"host": "a", "user": "ann"}, {"host": "b", "user": "ann"}]
    assert table.differing_columns(found) == ["host"]
    assert table.differing_columns([{"host": "a"}, {}]) == ["host"]
    assert table.differing_columns(found[:1]) == []
    assert table.differing_columns([]) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.123456789, "0.12346"),
        (123456.7, "1.2346e+05"),
        (1e-9, "1e-09"),
        (1.0, "1"),
        (123456789, "123456789"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (True, "true"),
        (None, "null"),
        ("adam", "adam"),
        ("a" * 21, "a" * 19 + "…"),
        ("日本語" * 4, "日本語日本語日本語…"),
        ([64, 32], "[64,32]"),
        ({"a": [1, "x"]}, '{"a":[1,"x"]}'),
        ("two\nlines\x1b[31m", "two\\nlines\\x1b[31m"),
        ("not \udce9 utf-8", "not \\udce9 utf-8"),
    ],
)
def test_a_value_is_short_and_on_one_line(value: object, shown: str) -> None:
    assert table.format_value(value) == shown


@given(st.text(max_size=40) | st.lists(st.text(max_size=10)) | st.floats() | st.integers(), st.integers(0, 30))
def test_no_value_is_wider_than_allowed_or_unprintable(value: object, width: int) -> None:
    shown = table.format_value(value, width)
    assert cell_width(shown) <= width
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "unknown"),
        (math.nan, "unknown"),
        (0, "0 s"),
        (0.08, "80 ms"),
        (0.42, "0.42 s"),
        (4.21, "4.2 s"),
        (42, "42 s"),
        (59.7, "1 min"),
        (60, "1 min"),
        (192, "3 min 12 s"),
        (3599, "59 min 59 s"),
        (3599.7, "1 h"),
        (7500, "2 h 5 min"),
        (85_500, "23 h 45 min"),
        (86_399, "1 d"),
        (273_600, "3 d 4 h"),
        (-192, "-3 min 12 s"),
    ],
)
def test_a_duration_reads_in_two_units(seconds: float | None, shown: str) -> None:
    assert table.format_duration(seconds) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (None, "unknown"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_400_000, "12.4 MB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (10**22, "10000.0 EB"),
    ],
)
def test_a_size_is_in_powers_of_a_thousand(size: int | None, shown: str) -> None:
    assert table.format_size(size) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.4, "0 s ago"),
        (1, "1 s ago"),
        (89, "89 s ago"),
        (90, "2 min ago"),
        (7199, "2 h ago"),
        (86_400 * 3, "3 days ago"),
        (86_400 * 59, "59 days ago"),
        (-300, "in 5 min"),
    ],
)
def test_an_age_is_short_enough_for_a_column(seconds: float, shown: str) -> None:
    now = 1_700_000_000 * 10**9
    assert table.format_age(now - int(seconds * 10**9), now) == shown


def test_after_two_months_an_age_is_a_date() -> None:
    now = 1_700_000_000 * 10**9
    assert re.fullmatch(r"2023-09-1[45]", table.format_age(now - 86_400 * 60 * 10**9, now))


def test_a_sparkline_shows_the_course_of_the_values() -> None:
    assert table.sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8) == "▁▂▃▄▅▆▇█"
    assert table.sparkline([8, 8, 1, 1], 2) == "█▁"
    assert table.sparkline([5, 5, 5], 10) == "▄▄▄"
    assert table.sparkline([], 10) == table.sparkline([1, 2], 0) == ""


def test_a_sparkline_passes_over_what_is_not_finite() -> None:
    assert table.sparkline([1, math.nan, 3, math.inf], 4) == "▁ █ "
    assert table.sparkline([1, math.nan, 3, 3], 2) == "▁█"
    assert table.sparkline([math.nan, math.nan], 5) == "  "


def test_a_sparkline_of_the_largest_numbers_does_not_overflow() -> None:
    assert table.sparkline([-1.7e308, 1.7e308, 1.7e308, 1.7e308], 2) == "▁█"


@given(st.lists(st.floats() | st.integers(-1000, 1000), max_size=50), st.integers(-1, 20))
def test_a_sparkline_is_as_long_as_its_values_and_no_wider_than_allowed(values: list[float], width: int) -> None:
    line = table.sparkline(values, width)
    assert len(line) == min(len(values), max(width, 0))
    assert set(line) <= set(BLOCKS)
    finite = [value for value in values if math.isfinite(value)]
    if len(line) == len(values) and len(set(finite)) > 1:
        by_value = sorted(
            (value, BLOCKS.index(block)) for value, block in zip(values, line, strict=True) if math.isfinite(value)
        )
        assert [block for _, block in by_value] == sorted(block for _, block in by_value)
        assert "▁" in line and "█" in line
