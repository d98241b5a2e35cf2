"""What a person reads beside the values themselves: counts, local dates, what a warning means."""

from __future__ import annotations

import math
from collections.abc import Iterable
from time import localtime, strftime

from kwrap.clock import from_rfc3339

_OLD_DAYS = 60

# Outcomes count what went wrong by code; a code that is not here is shown as it is.
_WARNINGS = {
    "output_lost": "some of the output could not be written down",
    "recorder_restarted": "the recorder was killed and started again",
    "storage_failed": "the repository could not be written for a while",
    "snapshot_lost": "the code snapshot could not be brought into the repository",
    "checkpoint_not_pinned": "a checkpoint could not be kept: the disk refused it",
    "checkpoint_changed": "a checkpoint changed while it was stored, and was dropped",
    "checkpoint_exists": "a checkpoint's number was taken already",
    "outcome_exists": "another recorder had written the outcome already",
    "watch_failed": "the system had no more inotify watches: checkpoints were looked for at the end only",
}


def count(amount: int, noun: str) -> str:
    """`1 file`, `12,345 files`, `2 processes`."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{amount:,} {noun if amount == 1 else plural}"


def listed(words: Iterable[str], most: int = 8) -> str:
    """`a, b, c and 5 more`."""
    shown = list(words)
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more


def moment(recorded: str) -> str:
    """A recorded time as local date and time: `2026-11-21 20:30:36`; as it is when it cannot be read."""
    try:
        return strftime("%Y-%m-%d %H:%M:%S", localtime(from_rfc3339(recorded) // 1_000_000_000))
    except ValueError:
        return recorded


def age(then_ns: int | None, now_ns: int) -> str:
    """`22 min ago`, short enough for a column; after two months the date."""
    if then_ns is None:
        return ""
    seconds = (now_ns - then_ns) / 1e9
    if seconds > _OLD_DAYS * 86_400:
        return strftime("%Y-%m-%d", localtime(then_ns // 1_000_000_000))
    units = ((1, 90, "s"), (60, 5400, "min"), (3600, 129_600, "h"), (86_400, math.inf, "days"))
    unit_s, _, name = next(unit for unit in units if abs(seconds) < unit[1])
    text = f"{round(abs(seconds) / unit_s)} {name}"
    return f"in {text}" if seconds <= -1 else f"{text} ago"


def number(value: float | None) -> str:
    """Whole numbers as they are, others with five digits; empty when there is none."""
    if value is None:
        return ""
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    return f"{value:.5g}"


def warning(code: str, times: int) -> str:
    """What a counted warning of an outcome means."""
    meaning = _WARNINGS.get(code, code.replace("_", " "))
    return meaning if times == 1 else f"{meaning} ({times} times)"
