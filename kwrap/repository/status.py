"""What an experiment's records say together: how it stands, its tags and notes, its best checkpoint. Pure.

Nothing here is stored: a run that was killed with its recorder writes no farewell, so what is said of it must follow
from what is there and from the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from kwrap.clock import from_rfc3339
from kwrap.records import Checkpoint, Goal, Note, NoteKind, Outcome, PrimaryMetric, Reason, Run, State, Status

INTERVALS = 3  # heartbeats that may be late or lost before a run counts as lost
_INTERVAL_S = 10.0  # until a run record says another
_LONGEST_INTERVAL_S = 86_400.0
_OF_REASON = {
    Reason.FINISHED: Status.FINISHED,
    Reason.STOPPED: Status.STOPPED,
    Reason.LOST: Status.LOST,
    Reason.KILLED: Status.KILLED,
    Reason.FAILED: Status.FAILED,
}
_KEEPSAKE = "keepsake"  # in `extra` of what Keepsake recorded: silence is how its runs usually end
_SEVERITY = tuple(_OF_REASON)  # of several ranks, the one that failed says why the others were killed


def status(state: State, now_ns: int) -> Status:
    """From the last attempt of every rank: the worst outcome there is, else a sign of life that is fresh enough."""
    outcome = worst_outcome(state)
    if outcome is not None:
        return _OF_REASON[outcome.reason]
    if _alive_until_ns(state) >= now_ns:
        return Status.RUNNING
    return Status.STOPPED if _KEEPSAKE in state.experiment.extra else Status.LOST


def is_running(state: State, now_ns: int) -> bool:
    return status(state, now_ns) is Status.RUNNING


def alive_until_ns(state: State) -> int | None:
    """Until when it counts as running, unless something more is heard of it; None when it has ended."""
    return None if worst_outcome(state) is not None else _alive_until_ns(state)


def while_running(began_ns: int, now_ns: int) -> dict[str, object]:
    """What else its row says at a time when it runs."""
    return {"status": Status.RUNNING.value, "duration": max(now_ns - began_ns, 0) / 1e9}


def _last_attempts(state: State) -> set[str]:
    last: dict[int, Run] = {}
    for run in state.runs:
        if run.rank not in last or last[run.rank].attempt < run.attempt:
            last[run.rank] = run
    return {run.run for run in last.values()}


def worst_outcome(state: State) -> Outcome | None:
    """The outcome that says how it ended; None while no run that counts has one."""
    if len(state.outcomes) <= 1 and len(state.runs) <= 1:  # nearly all there are, and lists ask often
        return state.outcomes[0] if state.outcomes else None
    known = {run.run for run in state.runs}
    last = _last_attempts(state)
    outcomes = [one for one in state.outcomes if one.run in last or one.run not in known]
    return max(outcomes, key=lambda one: _SEVERITY.index(one.reason), default=None)


def _alive_until_ns(state: State) -> int:
    """Until when its runs, or a recorder that has yet to say something, may be taken to live."""
    interval_s = max((run.heartbeat_interval_s for run in state.runs), default=_INTERVAL_S)
    heard = [wall_ns(one.at) + _patience_ns(one.interval_s) for one in state.heartbeats]
    return max([0, *(start + _patience_ns(interval_s) for start in _starts_ns(state)), *heard])


def _patience_ns(interval_s: float) -> int:
    """How long nothing may be heard. What is no interval, as in a damaged record, gives none."""
    return int(INTERVALS * interval_s * 1e9) if 0 < interval_s < _LONGEST_INTERVAL_S else 0


def began_ns(state: State) -> int:
    """When it began; 0 when no record of it says so."""
    return min((start for start in _starts_ns(state) if start), default=0)


def _starts_ns(state: State) -> list[int]:
    return [wall_ns(state.experiment.created_at), *(wall_ns(run.started_at) for run in state.runs)]


def wall_ns(recorded: str) -> int:
    """A recorded time; one that cannot be read was long ago."""
    try:
        return from_rfc3339(recorded)
    except ValueError:
        return 0


def duration_s(state: State, now_ns: int) -> float | None:
    """How long it took, or has been running; of a lost one, how long it is known to have lived. None: not known."""
    if status(state, now_ns) is Status.RUNNING:
        return max(now_ns - began_ns(state), 0) / 1e9
    known = [one.duration_s for one in state.outcomes if one.duration_s is not None]
    return max(known or [one.t_s for one in state.heartbeats], default=None)


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


def note_text(state: State, checkpoint: int | None = None) -> str | None:
    """The note that counts: the last one written of it or of a checkpoint, else the one given at the start."""
    written = [note.text for note in state.notes if note.kind is NoteKind.NOTE and note.checkpoint == checkpoint]
    return written[-1] if written else state.experiment.note if checkpoint is None else None


def deleted(state: State) -> bool:
    """Whether the experiment was removed: what it stored is still there until it is collected."""
    return any(note.kind is NoteKind.DELETE and note.checkpoint is None for note in state.notes)


def remaining_checkpoints(state: State) -> tuple[Checkpoint, ...]:
    """Those that were not removed."""
    if not state.notes:
        return state.checkpoints
    gone = {note.checkpoint for note in state.notes if note.kind is NoteKind.DELETE}
    return tuple(one for one in state.checkpoints if one.sequence not in gone)


def latest_checkpoint(state: State) -> Checkpoint | None:
    return max(remaining_checkpoints(state), key=lambda one: one.sequence, default=None)


def best_checkpoint(state: State) -> Checkpoint | None:
    """By the primary metric: the experiment's, else that of the last checkpoint that has one. Of equals, the later.

    None when there is no primary metric, or no checkpoint with a value of it. Not-a-number is never best.
    """
    primary = primary_metric(state)
    if primary is None:
        return None
    best, best_value = None, math.nan
    for checkpoint in sorted(remaining_checkpoints(state), key=lambda one: one.sequence):
        value = checkpoint.metrics.get(primary.name, math.nan)
        as_good = value <= best_value if primary.goal is Goal.MINIMIZE else value >= best_value
        if as_good or (best is None and not math.isnan(value)):
            best, best_value = checkpoint, value
    return best


def primary_metric(state: State) -> PrimaryMetric | None:
    """The metric that says which checkpoint is best: the experiment's, else that of its last checkpoint with one."""
    if state.experiment.primary_metric is not None:
        return state.experiment.primary_metric
    named = [one.primary_metric for one in state.checkpoints if one.primary_metric is not None]
    return named[-1] if named else None
