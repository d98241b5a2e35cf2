"""What a table of experiments shows: which params and columns differ, and how values read in few characters.

Pure functions on rows and values; drawing the table is the command line's work.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from time import localtime, strftime

from kwrap.analysis.fields import Row
from kwrap.analysis.text import cut, printable
from kwrap.analysis.values import same
from kwrap.encoding import canonical

_BLOCKS = "▁▂▃▄▅▆▇█"
_FLAT = "▄"
# Up to how many seconds a unit is used with the part of it beside: until it would be rounded to the next unit.
_DURATIONS = (
    (3599.5, 60, "min", 1, "s"),
    (24 * 3600 - 30, 3600, "h", 60, "min"),
    (math.inf, 86_400, "d", 3600, "h"),
)
_SIZES = ("kB", "MB", "GB", "TB", "PB", "EB")
# Up to how many seconds an age is told in a unit; the last one goes on until it is told as a date.
_AGES = ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h"), (60 * 86_400, 86_400, "days"))
_UNKNOWN = "unknown"


def varying(rows: Sequence[Row], namespace: str = "params") -> list[str]:
    """The names under which the rows differ, sorted: two values, or a value in one row and nothing in another.

    1 and 1.0 are one value. Keepsake does not count a name that some rows lack; to whoever added an option, it is the
    difference that matters.
    """
    found = [_mapping(row, namespace) for row in rows]
    names = sorted({name for one in found for name in one})
    return [name for name in names if _differs(found, name)]


def differing_columns(rows: Sequence[Row], names: Iterable[str] = ("host", "user")) -> list[str]:
    """Those of the built-in fields that are not the same in all rows."""
    return [name for name in names if rows and any(not same(row.get(name), rows[0].get(name)) for row in rows)]


def format_value(value: object, width: int = 20) -> str:
    """A param or metric on one line of at most `width` columns: floats in 5 significant digits, lists as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float):
        return cut(f"{value:.5g}", width)
    if isinstance(value, (list, tuple, Mapping)):
        return cut(canonical(value).decode("ascii"), width)
    return cut(printable(str(value)), width)


def format_duration(seconds: float | None) -> str:
    """`80 ms`, `4.2 s`, `42 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`. A filter on `duration` reads it back."""
    if seconds is None or not math.isfinite(seconds):
        return _UNKNOWN
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    if seconds < 59.5:
        return f"{seconds:.2g} s"
    _, unit, name, part, part_name = next(one for one in _DURATIONS if seconds < one[0])
    count, rest = divmod(round(seconds / part), unit // part)
    return f"{count} {name}" + (f" {rest} {part_name}" if rest else "")


def format_size(size_bytes: int | None) -> str:
    """`999 B`, `12.4 MB`: powers of 1000."""
    if size_bytes is None:
        return _UNKNOWN
    if abs(size_bytes) < 1000:
        return f"{size_bytes} B"
    shown = size_bytes / 1000
    larger = iter(_SIZES)
    name = next(larger)
    while abs(shown) >= 999.95 and name != _SIZES[-1]:
        shown, name = shown / 1000, next(larger)
    return f"{shown:.1f} {name}"


def format_age(at_ns: int | None, now_ns: int) -> str:
    """`22 min ago`, short enough for a column; after two months the local date. Empty when it is not known."""
    if at_ns is None:
        return ""
    seconds = (now_ns - at_ns) / 1e9
    found = next(((unit_s, name) for below_s, unit_s, name in _AGES if abs(seconds) < below_s), None)
    if found is None:
        return strftime("%Y-%m-%d", localtime(at_ns // 1_000_000_000))
    text = f"{round(abs(seconds) / found[0])} {found[1]}"
    return f"in {text}" if seconds <= -1 else f"{text} ago"


def sparkline(values: Sequence[float], width: int) -> str:
    """The course of the values in at most `width` characters, from the least `▁` to the greatest `█`.

    Of more values than characters, each character shows the mean of its share. What is not finite is passed over;
    a share without any finite value is a blank, so that the line still ends where the series does.
    """
    means = [_mean(share) for share in _shares(values, width)]
    finite = [mean for mean in means if mean is not None]
    if not finite:
        return " " * len(means)
    least, greatest = min(finite), max(finite)
    return "".join(" " if mean is None else _block(mean, least, greatest) for mean in means)


def _differs(found: list[Mapping[str, object]], name: str) -> bool:
    first = found[0]
    if any(name not in one for one in found):
        return True
    return any(not same(one[name], first[name]) for one in found)


def _shares(values: Sequence[float], width: int) -> list[Sequence[float]]:
    count = min(len(values), max(width, 0))
    return [values[len(values) * i // count : len(values) * (i + 1) // count] for i in range(count)]


def _mean(share: Sequence[float]) -> float | None:
    finite = [float(value) for value in share if math.isfinite(value)]
    return sum(value / len(finite) for value in finite) if finite else None


def _block(value: float, least: float, greatest: float) -> str:
    if least == greatest:
        return _FLAT
    # Halved, because the distance between two finite numbers need not be finite.
    height = (value / 2 - least / 2) / (greatest / 2 - least / 2)
    return _BLOCKS[min(int(height * len(_BLOCKS)), len(_BLOCKS) - 1)]


def _mapping(row: Row, key: str) -> Mapping[str, object]:
    found = row.get(key)
    return found if isinstance(found, Mapping) else {}
