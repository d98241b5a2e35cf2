"""An experiment as one row: plain values under the names that filters, sort keys and `ls` know. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from kwrap import ids
from kwrap.records import Checkpoint, State
from kwrap.repository import status


def row(state: State, now_ns: int) -> dict[str, object]:
    """The row of an experiment. `metrics` are those of its best, else latest checkpoint, and what it printed last."""
    experiment = state.experiment
    latest = status.latest_checkpoint(state)
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
        "metrics": {**last_printed(state), **metrics_of(status.best_checkpoint(state) or latest)},
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


def metrics_of(checkpoint: Checkpoint | None) -> Mapping[str, float]:
    return checkpoint.metrics if checkpoint else {}
