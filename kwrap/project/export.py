"""Experiments as plain values, for `--json` and `to_json`. Keys are stable: added, never renamed; units are in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kwrap.analysis.fields import Row
from kwrap.encoding import to_json
from kwrap.project import rows
from kwrap.records import NoteKind, Status

if TYPE_CHECKING:
    from kwrap.project.checkpoint import Checkpoint
    from kwrap.project.experiment import Experiment
    from kwrap.project.project import ExperimentList


def summaries(experiments: ExperimentList) -> Iterator[dict[str, Any]]:
    """What `ls` shows of each."""
    return map(summary, experiments, experiments.rows())


def summary(experiment: Experiment, row: Row) -> dict[str, Any]:
    """What `ls` shows of an experiment with this row. Every key is there; what is not known is null."""
    return {
        "id": experiment.id,
        "short_id": experiment.short_id,
        "name": experiment.name,
        "created_at": experiment.created_at,
        "status": row["status"],
        "running": row["status"] == Status.RUNNING.value,
        "duration_s": row["duration"],
        "user": row["user"],
        "host": row["host"],
        "command": row["command"],
        "argv": list(experiment.record.argv),
        "tags": row["tags"],
        "note": row["note"],
        "params": to_json(row["params"]),
        "metrics": to_json(row["metrics"]),
        "step": row["step"],
        "primary_metric": to_json(experiment.primary_metric),
        "num_checkpoints": len(experiment.checkpoints),
        "best_checkpoint": brief(experiment.best()),
        "latest_checkpoint": brief(experiment.latest()),
    }


def experiment(experiment: Experiment) -> dict[str, Any]:
    """Everything: the summary, and the records it is made of."""
    record = experiment.record
    return {
        **summary(experiment, experiment.row()),
        "sentence": experiment.sentence,
        "deleted": experiment.deleted,
        "working_directory": record.working_directory,
        "project_directory": record.project_directory,
        "kwrap_version": record.kwrap_version,
        "params_from": {name: param.source for name, param in record.params.items()},
        "source": to_json(record.source),
        "git": to_json(record.git),
        "interpreter": to_json(record.interpreter),
        "packages": to_json(record.packages),
        "environment": to_json(record.environment),
        "parent": record.parent,
        "last_metrics": to_json(rows.last_printed(experiment.state)),
        "metric_summaries": to_json(experiment.summaries),
        "runs": to_json(experiment.state.runs),
        "outcomes": to_json(experiment.state.outcomes),
        "heartbeats": to_json(experiment.state.heartbeats),
        "notes": [to_json(note) for note in experiment.state.notes if note.kind is not NoteKind.DELETE],
        "checkpoints": [one.to_json() for one in experiment.checkpoints],
    }


def checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    """Everything that is known of a checkpoint."""
    data: dict[str, Any] = to_json(checkpoint.record)
    marks = {"best": checkpoint.is_best(), "tags": list(checkpoint.tags), "note": checkpoint.note_text}
    return {"id": checkpoint.id, **data, **marks}


def brief(checkpoint: Checkpoint | None) -> dict[str, Any] | None:
    if checkpoint is None:
        return None
    return {
        "id": checkpoint.id,
        "sequence": checkpoint.sequence,
        "created_at": checkpoint.created_at,
        "step": checkpoint.step,
        "epoch": checkpoint.epoch,
        "metrics": to_json(checkpoint.metrics),
        "size_bytes": checkpoint.size_bytes,
    }
