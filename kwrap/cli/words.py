"""What a person reads beside the values themselves: counts, local dates, what a warning means."""

from __future__ import annotations

from collections.abc import Iterable
from time import localtime, strftime

from kwrap.analysis.table import format_value
from kwrap.clock import from_rfc3339

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


def number(value: float | None) -> str:
    """A number as values are shown; empty when there is none."""
    return "" if value is None else format_value(value)


def warning(code: str, times: int) -> str:
    """What a counted warning of an outcome means."""
    meaning = _WARNINGS.get(code, code.replace("_", " "))
    return meaning if times == 1 else f"{meaning} ({times} times)"
