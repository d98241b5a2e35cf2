"""Durations and dates, as people type them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwrap.analysis.table import format_duration
from kwrap.analysis.times import parse_duration, parse_moment, recorded_ns
from kwrap.clock import from_rfc3339, to_rfc3339

NOW = from_rfc3339("2026-03-31T12:00:00Z")


@contextmanager
def local_zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


def start(text: str) -> str:
    return to_rfc3339(parse_moment(text, NOW).start_ns)


def end(text: str) -> str:
    return to_rfc3339(parse_moment(text, NOW).end_ns)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("90", 90),
        ("1.5h", 5400),
        ("1h30m", 5400),
        ("3 min 12 s", 192),
        ("2 Hours 5 minutes", 7500),
        ("500ms", 0.5),
        ("3 days", 259_200),
        ("2 w", 1_209_600),
        (".5 s", 0.5),
        ("1e3", 1000),
    ],
)
def test_a_duration_is_numbers_with_units_or_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "h", "2 parsecs", "2h and", "nan", "1:30", "2 h x", "--"])
def test_what_is_no_duration_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@given(st.floats(min_value=0, max_value=1e8))
def test_a_duration_that_was_shown_can_be_typed(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=0.06, abs=0.001)


@pytest.mark.parametrize(
    ("text", "first", "behind"),
    [
        ("2026-11-21", "2026-11-20T23:00:00.000Z", "2026-11-21T23:00:00.000Z"),
        ("2026/7/1", "2026-06-30T22:00:00.000Z", "2026-07-01T22:00:00.000Z"),
        ("2026-02", "2026-01-31T23:00:00.000Z", "2026-02-28T23:00:00.000Z"),
        ("2025", "2024-12-31T23:00:00.000Z", "2025-12-31T23:00:00.000Z"),
        ("2026-11-21 10:30", "2026-11-21T09:30:00.000Z", "2026-11-21T09:31:00.000Z"),
        ("2026-11-21T10:30:05", "2026-11-21T09:30:05.000Z", "2026-11-21T09:30:06.000Z"),
        ("2026-11-21 10:30:05.25", "2026-11-21T09:30:05.250Z", "2026-11-21T09:30:05.260Z"),
        ("2026-11-21T10:30:05Z", "2026-11-21T10:30:05.000Z", "2026-11-21T10:30:06.000Z"),
        ("2026-11-21T10:30:05+05:30", "2026-11-21T05:00:05.000Z", "2026-11-21T05:00:06.000Z"),
        ("2026-11-21 10:30 -0200", "2026-11-21T12:30:00.000Z", "2026-11-21T12:31:00.000Z"),
        ("today", "2026-03-30T22:00:00.000Z", "2026-03-31T22:00:00.000Z"),
        ("Yesterday", "2026-03-29T22:00:00.000Z", "2026-03-30T22:00:00.000Z"),
        ("yesterday 18:00", "2026-03-30T16:00:00.000Z", "2026-03-30T16:01:00.000Z"),
        ("9:05", "2026-03-31T07:05:00.000Z", "2026-03-31T07:06:00.000Z"),
    ],
)
def test_a_date_is_as_long_as_it_was_written_and_local(text: str, first: str, behind: str) -> None:
    with local_zone("Europe/Berlin"):
        assert (start(text), end(text)) == (first, behind)


def test_a_day_on_which_clocks_change_has_its_own_length() -> None:
    with local_zone("Europe/Berlin"):
        day = parse_moment("2026-03-29", NOW)
    assert (day.end_ns - day.start_ns) // 10**9 == 23 * 3600


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("now", "2026-03-31T12:00:00.000Z"),
        ("3 days ago", "2026-03-28T12:00:00.000Z"),
        ("an hour ago", "2026-03-31T11:00:00.000Z"),
        ("1h30m ago", "2026-03-31T10:30:00.000Z"),
        ("a week ago", "2026-03-24T12:00:00.000Z"),
        ("a month ago", "2026-02-28T12:00:00.000Z"),
        ("13 months ago", "2025-02-28T12:00:00.000Z"),
        ("2 years ago", "2024-03-31T12:00:00.000Z"),
    ],
)
def test_so_long_ago_is_counted_from_now(text: str, at: str) -> None:
    with local_zone("UTC"):
        assert start(text) == at


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026-13-01", "2026-02-30", "0000-01-01", "9999-12-31", "25:00", "2026-01-01 10:61", "tomorrow",
     f"{'9' * 400} days ago", "99999 years ago", "2026-11-21T10", "20261121", "2026-11-21+02:00"],
)  # fmt: skip
def test_what_is_no_date_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a date"):
        parse_moment(text, NOW)


@given(st.text(max_size=30) | st.from_regex(r"[0-9]{1,4}[-/ :][0-9]{1,2}[-/ :][0-9]{1,2}[T ][0-9:., Z+-]{0,12}"))
def test_no_text_raises_anything_else(text: str) -> None:
    with suppress(ValueError):
        parse_moment(text, NOW)
    with suppress(ValueError):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_a_recorded_time_reads_as_what_was_recorded(milliseconds: int) -> None:
    text = to_rfc3339(milliseconds * 1_000_000)
    assert recorded_ns(text) == milliseconds * 1_000_000
    assert parse_moment(text, NOW).start_ns == milliseconds * 1_000_000


def test_recorded_times_of_others_are_read_too() -> None:
    assert recorded_ns("2026-11-21T19:17:45.274952888Z") == from_rfc3339("2026-11-21T19:17:45.274952888Z")
    assert recorded_ns("2026-11-21T19:17:45+02:00") == from_rfc3339("2026-11-21T17:17:45Z")
    assert recorded_ns(5) == 5
    others: list[object] = [None, "", "Z", "soon", True, float("nan"), float("inf"), [], "2026-11-21T19:17:45.x1Z"]
    for value in others:
        assert recorded_ns(value) is None
