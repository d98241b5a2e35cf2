"""Experiments as plain values, for `--json` and `to_json`. Keys are stable: added, never renamed; units are in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kwrap import ids
from kwrap.analysis.fields import Row
from kwrap.encoding import to_json
from kwrap.records import CheckpointFile, NoteKind, Status
from kwrap.repository import rows

if TYPE_CHECKING:
    from kwrap.project.checkpoint import Checkpoint
    from kwrap.project.experiment import Experiment
    from kwrap.project.project import ExperimentList


def summaries(experiments: ExperimentList) -> Iterator[dict[str, Any]]:
    """What `ls` shows of each."""
    return map(summary, experiments.rows())


def summary(row: Row) -> dict[str, Any]:
    """What `ls` shows of the experiment with this row. Every key is there; what is not known is null."""
    return {
        "id": row["id"],
        "short_id": ids.short(str(row["id"])),
        "name": row["name"],
        "created_at": row["created"],
        "status": row["status"],
        "running": row["status"] == Status.RUNNING.value,
        "duration_s": row["duration"],
        "user": row["user"],
        "host": row["host"],
        "command": row["command"],
        "argv": row["argv"],
        "tags": row["tags"],
        "note": row["note"],
        "params": to_json(row["params"]),
        "metrics": to_json(row["metrics"]),
        "step": row["step"],
        "primary_metric": row["primary_metric"],
        "num_checkpoints": row["checkpoints"],
        "best_checkpoint": _brief(str(row["id"]), row["best"]),
        "latest_checkpoint": _brief(str(row["id"]), row["latest"]),
    }


def brief(checkpoint: Checkpoint | None) -> dict[str, Any] | None:
    """A checkpoint in few words."""
    return _brief(checkpoint.experiment.id, rows.brief(checkpoint.record)) if checkpoint else None


def _brief(experiment_id: str, found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"id": f"{ids.short(experiment_id)}@{found['sequence']}", **found, "metrics": to_json(found["metrics"])}


def experiment(experiment: Experiment) -> dict[str, Any]:
    """Everything: the summary, and the records it is made of."""
    record = experiment.record
    return {
        **summary(experiment.row()),
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
        "checkpoints": [checkpoint(one) for one in experiment.checkpoints],
        "keepsake": experiment.record.extra.get("keepsake"),
    }


def checkpoint(checkpoint: Checkpoint, files: tuple[CheckpointFile, ...] = ()) -> dict[str, Any]:
    """Everything that is known of a checkpoint; `files` are those that its record does not tell."""
    data: dict[str, Any] = to_json(checkpoint.record)
    data["files"] = to_json(files) or data["files"]
    marks = {"best": checkpoint.is_best(), "tags": list(checkpoint.tags), "note": checkpoint.note_text}
    return {"id": checkpoint.id, **data, **marks}
