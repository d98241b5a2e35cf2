"""How an experiment stands or ended, in one sentence for a person. Pure."""

from __future__ import annotations

import math
import signal

from kwrap.analysis.table import format_duration
from kwrap.clock import to_rfc3339
from kwrap.records import Outcome, Reason, State, Status
from kwrap.repository import status


def sentence(state: State, now_ns: int) -> str:
    """`Failed with exit status 1 after 3 min 12 s.`"""
    outcome = status.worst_outcome(state)
    if outcome is None:
        return _without_outcome(state, now_ns)
    took = _took(outcome)
    which = f" (run {outcome.run}, one of {len(state.runs)})" if len(state.runs) > 1 else ""
    if outcome.reason is Reason.LOST:
        since = f": no sign of life since {_utc(status.wall_ns(outcome.ended_at))}" if outcome.ended_at else ""
        lived = f", {took} after it began" if took else ""
        return f"Lost{since}{lived}{which}."
    if outcome.reason is Reason.STOPPED:
        since = f", last heard of at {_utc(status.wall_ns(outcome.ended_at))}" if outcome.ended_at else ""
        return f"Stopped{since}; Keepsake does not record how a run ends{which}."
    return f"{_end(outcome)}{f' after {took}' if took else ''}{which}."


def _took(outcome: Outcome) -> str:
    known = outcome.duration_s is not None and math.isfinite(outcome.duration_s)
    return format_duration(outcome.duration_s) if known else ""


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
    began_ns = status.began_ns(state)
    heard_ns = max([status.wall_ns(one.at) for one in state.heartbeats], default=began_ns)
    if status.status(state, now_ns) is Status.RUNNING:
        heard = f"; last sign of life {_between(heard_ns, now_ns)} ago" if state.heartbeats else ""
        return f"Running for {_between(began_ns, now_ns)}{heard}."
    if not heard_ns:
        return "Lost: no record says when it began."
    lived = f", {_between(began_ns, heard_ns)} after it began" if state.heartbeats else ", when it began"
    return f"Lost: no sign of life since {_utc(heard_ns)}{lived}."


def _between(earlier_ns: int, later_ns: int) -> str:
    return format_duration(max(later_ns - earlier_ns, 0) / 1e9)


def _utc(wall_ns: int) -> str:
    return f"{to_rfc3339(wall_ns)[:19].replace('T', ' ')} UTC"
