"""An experiment as one row: plain values under the names that filters, sort keys and `ls` know. Pure.

Lists keep rows in their cache: whoever changes what is in a row raises the cache's format.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from kwrap import ids
from kwrap.records import Checkpoint, State
from kwrap.repository import status


def row(state: State, now_ns: int) -> dict[str, Any]:
    """The row of an experiment. `metrics` are those of its best, else latest checkpoint, and what it printed last.

    Behind `metrics` stands what lists show besides.
    """
    experiment = state.experiment
    primary = status.primary_metric(state)
    best, latest = status.best_checkpoint(state), status.latest_checkpoint(state)
    printed = last_printed(state)
    return {
        "id": experiment.id,
        "name": experiment.name,
        "user": experiment.user,
        "host": host(state),
        "command": shlex.join(experiment.argv),
        "status": status.status(state, now_ns).value,
        "created": experiment.created_at,
        "duration": status.duration_s(state, now_ns),
        "step": last_step(state, latest),
        "tags": list(status.tags(state)),
        "note": status.note_text(state),
        "params": {name: param.value for name, param in experiment.params.items()},
        "metrics": {**printed, **metrics_of(best or latest)},
        "argv": list(experiment.argv),
        "primary_metric": {"name": primary.name, "goal": primary.goal.value} if primary else None,
        "checkpoints": len(status.remaining_checkpoints(state)),
        "best": brief(best),
        "latest": brief(latest),
        "printed": printed,
    }


def brief(checkpoint: Checkpoint | None) -> dict[str, Any] | None:
    """What lists show of a checkpoint."""
    if checkpoint is None:
        return None
    return {
        "sequence": checkpoint.sequence,
        "created_at": checkpoint.created_at,
        "step": checkpoint.step,
        "epoch": checkpoint.epoch,
        "metrics": dict(metrics_of(checkpoint)),
        "size_bytes": checkpoint.size_bytes,
        "keepsake": checkpoint.extra.get("keepsake"),
    }


def short_id(state: State) -> str:
    return ids.short(state.experiment.id)


def host(state: State) -> str | None:
    """Where it ran; of several machines, the first."""
    return state.experiment.host or next((run.machine.host for run in state.runs), None)


def last_step(state: State, latest: Checkpoint | None) -> int | None:
    """The furthest step that is known of."""
    steps = [beat.step for beat in state.heartbeats]
    steps += [summary.last_step for outcome in state.outcomes for summary in outcome.metrics.values()]
    steps.append(latest.step if latest else None)
    return max((step for step in steps if step is not None), default=None)


def last_printed(state: State) -> dict[str, float]:
    """The last value of every metric that was printed: from the outcome, else from the heartbeat."""
    values: dict[str, float] = {}
    for beat in state.heartbeats:
        values.update(beat.metrics)
    for outcome in state.outcomes:
        values.update({name: summary.last for name, summary in outcome.metrics.items()})
    return values


def metrics_of(checkpoint: Checkpoint | None) -> Mapping[str, Any]:
    """What it was given as metrics, whether or not all of them are numbers."""
    if checkpoint is None:
        return {}
    return {**checkpoint.metrics, **checkpoint.values} if checkpoint.values else checkpoint.metrics
