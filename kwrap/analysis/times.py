"""Durations and dates as a person types them: `2h`, `3 min 12 s`, `2026-11-21 10:30`, `yesterday`, `3 days ago`.

A date without a zone is local. Whoever cannot be understood gets a ValueError, whose text is for people.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone
from typing import NamedTuple

from kwrap.analysis.values import is_number, number
from kwrap.clock import from_rfc3339

_SECOND_NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_UNITS = {
    0.001: "ms millisecond milliseconds",
    1: "s sec secs second seconds",
    60: "m min mins minute minutes",
    3600: "h hr hrs hour hours",
    86_400: "d day days",
    604_800: "w week weeks",
}
_SECONDS_OF = {name: seconds for seconds, names in _UNITS.items() for name in names.split()}
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-zA-Z]+)\s*")

_ONE = re.compile(r"^an?\s+", re.IGNORECASE)
_MONTHS_AGO = re.compile(r"([0-9]{1,5})\s*(month|year)s?\s+ago", re.IGNORECASE | re.ASCII)
_AGO = re.compile(r"(.*\S)\s+ago", re.IGNORECASE | re.DOTALL)
_PERIOD = re.compile(r"([0-9]{4})(?:[-/]([0-9]{1,2}))?")
_POINT = re.compile(
    r"(?:(?P<day>today|yesterday|[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}))?"
    r"(?:(?:^|(?<=[0-9])[T_]|\s+)(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?)"
    r"\s*(?P<zone>Z|UTC|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.IGNORECASE | re.ASCII,
)


class Moment(NamedTuple):
    """A time as precisely as it was written: from `start_ns` up to but not including `end_ns`, since the epoch."""

    start_ns: int
    end_ns: int


def parse_duration(text: str) -> float:
    """Seconds of `90`, `30s`, `1h30m`, `1.5 hours` or `3 min 12 s`. Raises ValueError."""
    plain = number(text.strip())
    if plain is not None and plain == plain:
        return plain
    total, at = 0.0, 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None or part[2].lower() not in _SECONDS_OF:
            break
        total += float(part[1]) * _SECONDS_OF[part[2].lower()]
        at = part.end()
    if not text.strip() or at < len(text):
        raise ValueError("not a duration; durations are written as 30s, 5 min, 2h, 1h30m or 3 days")
    return total


def parse_moment(text: str, now_ns: int) -> Moment:
    """The time meant by an ISO date, with or without a time, or by words such as `yesterday 18:00` or `2h ago`.

    Raises ValueError.
    """
    try:
        found = _ago(text.strip(), now_ns) or _calendar(text.strip(), now_ns)
    except (ValueError, OverflowError, OSError):  # no such day, or beyond what the calendar reaches
        found = None
    if found is None:
        raise ValueError("not a date; dates are written as 2026-11-21, '2026-11-21 10:30', yesterday or '3 days ago'")
    return found


def recorded_ns(value: object) -> int | None:
    """A recorded time (RFC 3339 text, or nanoseconds) in nanoseconds since the epoch; None when it is none."""
    if isinstance(value, str):
        try:
            whole, _, fraction = value[:-1].partition(".")
            if value[-1:] == "Z" and len(whole) == 19 and (fraction.isdecimal() or not fraction):
                # Ten times as fast as `strptime`, which matters where ten thousand rows are sorted.
                moment = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
                return _ns(moment) + int(fraction[:9].ljust(9, "0"))
            return from_rfc3339(value)
        except ValueError:
            return None
    return int(value) if is_number(value) and abs(value) < 1e20 else None


def _ago(text: str, now_ns: int) -> Moment | None:
    text = _ONE.sub("1 ", text)
    calendar = _MONTHS_AGO.fullmatch(text)
    if calendar:
        months = int(calendar[1]) * (12 if calendar[2].lower() == "year" else 1)
        return _instant(_at_zone(_months_before(_local(now_ns), months)))
    counted = _AGO.fullmatch(text)
    return _instant(now_ns - int(parse_duration(counted[1]) * _SECOND_NS)) if counted else None


def _calendar(text: str, now_ns: int) -> Moment | None:
    if text.lower() == "now":
        return _instant(now_ns)
    period = _PERIOD.fullmatch(text)
    if period:
        first = datetime(int(period[1]), int(period[2] or 1), 1)
        return Moment(_at_zone(first), _at_zone(_months_before(first, -1 if period[2] else -12)))
    point = _POINT.fullmatch(text)
    if point is None or not (point["day"] or point["time"]):
        return None
    day = _day(point["day"], _local(now_ns).date())
    if not point["time"]:
        return Moment(*(_at_zone(datetime.combine(one, time())) for one in (day, day + timedelta(days=1))))
    whole, _, fraction = point["time"].replace(",", ".").partition(".")
    hour, minute, second = [*map(int, whole.split(":")), 0][:3]
    start = _at_zone(datetime.combine(day, time(hour, minute, second)), point["zone"])
    if fraction:
        return Moment(
            start + int(fraction.ljust(9, "0")), start + int(fraction.ljust(9, "0")) + 10 ** (9 - len(fraction))
        )
    return Moment(start, start + _SECOND_NS * (1 if whole.count(":") == 2 else 60))


def _day(text: str | None, today: date) -> date:
    if text is None or text.lower() == "today":
        return today
    if text.lower() == "yesterday":
        return today - timedelta(days=1)
    year, month, day = map(int, text.replace("/", "-").split("-"))
    return date(year, month, day)


def _months_before(moment: datetime, months: int) -> datetime:
    """The same day of another month, or that month's last day."""
    index = moment.year * 12 + moment.month - 1 - months
    first = moment.replace(year=index // 12, month=index % 12 + 1, day=1)
    following = date((index + 1) // 12, (index + 1) % 12 + 1, 1)
    return first.replace(day=min(moment.day, (following - timedelta(days=1)).day))


def _local(now_ns: int) -> datetime:
    return datetime.fromtimestamp(now_ns // _SECOND_NS)


def _at_zone(moment: datetime, zone: str | None = None) -> int:
    """Nanoseconds since the epoch of a time in the zone written beside it, or in the local one."""
    if zone is None:
        return _ns(moment.astimezone())
    offset = timedelta()
    if zone[0] in "+-":
        digits = zone[1:].replace(":", "")
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:])) * (-1 if zone[0] == "-" else 1)
    return _ns(moment.replace(tzinfo=timezone.utc)) - int(offset.total_seconds()) * _SECOND_NS


def _ns(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * _SECOND_NS + since.microseconds * 1000


def _instant(at_ns: int) -> Moment:
    return Moment(at_ns, at_ns + 1)
