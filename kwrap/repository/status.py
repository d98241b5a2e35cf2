"""What an experiment's records say together: how it stands, how it ended, its tags, its best checkpoint. Pure.

Nothing here is stored: a run that was killed with its recorder writes no farewell, so what is said of it must follow
from what is there and from the time.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterable

from kwrap.clock import from_rfc3339, to_rfc3339
from kwrap.records import Checkpoint, Goal, Note, NoteKind, Outcome, PrimaryMetric, Reason, Run, State, Status

INTERVALS = 3  # heartbeats that may be late or lost before a run counts as lost
_INTERVAL_S = 10.0  # until a run record says another
_OF_REASON = {
    Reason.FINISHED: Status.FINISHED,
    Reason.LOST: Status.LOST,
    Reason.KILLED: Status.KILLED,
    Reason.FAILED: Status.FAILED,
}
_SEVERITY = tuple(_OF_REASON)  # of several ranks, the one that failed says why the others were killed


def status(state: State, now_ns: int) -> Status:
    """From the last attempt of every rank: the worst outcome there is, else a sign of life that is fresh enough."""
    outcome = _worst_outcome(state)
    if outcome is not None:
        return _OF_REASON[outcome.reason]
    return Status.RUNNING if _alive_until_ns(state) >= now_ns else Status.LOST


def _last_attempts(state: State) -> set[str]:
    last: dict[int, Run] = {}
    for run in state.runs:
        if run.rank not in last or last[run.rank].attempt < run.attempt:
            last[run.rank] = run
    return {run.run for run in last.values()}


def _worst_outcome(state: State) -> Outcome | None:
    known = {run.run for run in state.runs}
    last = _last_attempts(state)
    outcomes = [one for one in state.outcomes if one.run in last or one.run not in known]
    return max(outcomes, key=lambda one: _SEVERITY.index(one.reason), default=None)


def _alive_until_ns(state: State) -> int:
    """Until when its runs, or a recorder that has yet to say something, may be taken to live."""
    interval_s = max((run.heartbeat_interval_s for run in state.runs), default=_INTERVAL_S)
    beats = [_ns(one.at) + _nanoseconds(INTERVALS * one.interval_s) for one in state.heartbeats]
    return max(*beats, *(start + _nanoseconds(INTERVALS * interval_s) for start in _starts_ns(state)), 0)


def _starts_ns(state: State) -> list[int]:
    return [_ns(state.experiment.created_at), *(_ns(run.started_at) for run in state.runs)]


def _ns(text: str) -> int:
    try:
        return from_rfc3339(text)
    except ValueError:
        return 0  # a time that cannot be read was long ago


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


def duration_s(state: State, now_ns: int) -> float | None:
    """How long it took, or has been running; of a lost one, how long it is known to have lived. None: not known."""
    if status(state, now_ns) is Status.RUNNING:
        return max(now_ns - min(_starts_ns(state)), 0) / 1e9
    known = [one.duration_s for one in state.outcomes if one.duration_s is not None]
    return max(known or [one.t_s for one in state.heartbeats], default=None)


def sentence(state: State, now_ns: int) -> str:
    """How it stands or ended, for a person: `Failed with exit status 1 after 3 min 12 s.`"""
    outcome = _worst_outcome(state)
    if outcome is None:
        return _without_outcome(state, now_ns)
    after = "" if outcome.duration_s is None else f" after {in_words(outcome.duration_s)}"
    which = f" (run {outcome.run}, one of {len(state.runs)})" if len(state.runs) > 1 else ""
    if outcome.reason is Reason.LOST:
        since = f": no sign of life since {_utc(_ns(outcome.ended_at))}" if outcome.ended_at else ""
        lived = "" if outcome.duration_s is None else f", {in_words(outcome.duration_s)} after it began"
        return f"Lost{since}{lived}{which}."
    return f"{_end(outcome)}{after}{which}."


def _end(outcome: Outcome) -> str:
    if outcome.signal is not None:
        return f"Killed by signal {outcome.signal}{_signal_name(outcome.signal)}"
    if outcome.reason is Reason.FINISHED:
        return "Finished"
    how = f"with exit status {outcome.exit_status}" if outcome.exit_status is not None else "in a way nobody saw"
    return f"{'Killed, and ended' if outcome.reason is Reason.KILLED else 'Failed'} {how}"


def _signal_name(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:
        return ""


def _without_outcome(state: State, now_ns: int) -> str:
    began_ns = min(_starts_ns(state))
    seen_ns = max([_ns(one.at) for one in state.heartbeats], default=began_ns)
    if _alive_until_ns(state) >= now_ns:
        ago = f"; last sign of life {in_words(max(now_ns - seen_ns, 0) / 1e9)} ago" if state.heartbeats else ""
        return f"Running for {in_words(max(now_ns - began_ns, 0) / 1e9)}{ago}."
    lived = f", {in_words(max(seen_ns - began_ns, 0) / 1e9)} after it began" if state.heartbeats else ", when it began"
    return f"Lost: no sign of life since {_utc(seen_ns)}{lived}."


def _utc(wall_ns: int) -> str:
    return f"{to_rfc3339(wall_ns)[:19].replace('T', ' ')} UTC"


def in_words(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`: the two largest units, as a person would say it."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, smaller, smaller_size in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def tags(state: State) -> tuple[str, ...]:
    """Those given at the start and those added since, without those taken off, in the order they came."""
    return _apply(state.experiment.tags, (note for note in state.notes if note.checkpoint is None))


def checkpoint_tags(state: State) -> dict[int, tuple[str, ...]]:
    """By the checkpoint's number; those without tags are left out."""
    numbers = sorted({note.checkpoint for note in state.notes if note.checkpoint is not None})
    tagged = {one: _apply((), (note for note in state.notes if note.checkpoint == one)) for one in numbers}
    return {number: found for number, found in tagged.items() if found}


def _apply(given: Iterable[str], notes: Iterable[Note]) -> tuple[str, ...]:
    kept = dict.fromkeys(given)
    for note in notes:
        if note.kind is NoteKind.TAG:
            kept.setdefault(note.text)
        elif note.kind is NoteKind.UNTAG:
            kept.pop(note.text, None)
    return tuple(kept)


def note_text(state: State) -> str | None:
    """The note that counts: the last one written, else the one given at the start."""
    written = [note.text for note in state.notes if note.kind is NoteKind.NOTE and note.checkpoint is None]
    return written[-1] if written else state.experiment.note


def deleted(state: State) -> bool:
    """Whether the experiment was removed: what it stored is still there until it is collected."""
    return any(note.kind is NoteKind.DELETE and note.checkpoint is None for note in state.notes)


def remaining_checkpoints(state: State) -> tuple[Checkpoint, ...]:
    """Those that were not removed."""
    gone = {note.checkpoint for note in state.notes if note.kind is NoteKind.DELETE}
    return tuple(one for one in state.checkpoints if one.sequence not in gone)


def latest_checkpoint(state: State) -> Checkpoint | None:
    return max(remaining_checkpoints(state), key=lambda one: one.sequence, default=None)


def best_checkpoint(state: State) -> Checkpoint | None:
    """By the primary metric: the experiment's, else that of the last checkpoint that has one. Of equals, the later.

    None when there is no primary metric, or no checkpoint with a value of it. Not-a-number is never best.
    """
    primary = _primary_metric(state)
    if primary is None:
        return None
    best, best_value = None, math.nan
    for checkpoint in sorted(remaining_checkpoints(state), key=lambda one: one.sequence):
        value = checkpoint.metrics.get(primary.name, math.nan)
        as_good = value <= best_value if primary.goal is Goal.MINIMIZE else value >= best_value
        if as_good or (best is None and not math.isnan(value)):
            best, best_value = checkpoint, value
    return best


def _primary_metric(state: State) -> PrimaryMetric | None:
    if state.experiment.primary_metric is not None:
        return state.experiment.primary_metric
    named = [one.primary_metric for one in state.checkpoints if one.primary_metric is not None]
    return named[-1] if named else None
