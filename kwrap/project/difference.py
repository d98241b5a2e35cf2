"""How two experiments, or two of their checkpoints, differ: facts, params, packages, metrics, code and files."""

from __future__ import annotations

from dataclasses import dataclass

from kwrap.analysis.code_difference import FileDifference, Read, code_differences
from kwrap.analysis.difference import FieldDifference, Sections, differences
from kwrap.project import rows
from kwrap.project.checkpoint import Checkpoint
from kwrap.project.experiment import Experiment


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two: an experiment, and the checkpoint that it stands for (its best, else latest), if it has one."""

    experiment: Experiment
    checkpoint: Checkpoint | None

    @property
    def id(self) -> str:
        return self.checkpoint.id if self.checkpoint else self.experiment.short_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What differs. `code` is None when it was not compared; `code_known` says whether both have a code snapshot."""

    left: Side
    right: Side
    fields: tuple[FieldDifference, ...]
    code: tuple[FileDifference, ...] | None
    code_known: bool


def diff(left: Experiment | Checkpoint, right: Experiment | Checkpoint, *, code: bool = True) -> Difference:
    """Compare two of them. With `code`, files that differ are read and compared line by line."""
    sides = _side(left), _side(right)
    known = all(side.experiment.record.source is not None for side in sides)
    return Difference(
        left=sides[0],
        right=sides[1],
        fields=tuple(differences(_sections(sides[0]), _sections(sides[1]))),
        code=tuple(_code(*sides)) if code and known else None,
        code_known=known,
    )


def _side(one: Experiment | Checkpoint) -> Side:
    if isinstance(one, Checkpoint):
        return Side(experiment=one.experiment, checkpoint=one)
    return Side(experiment=one, checkpoint=one.best() or one.latest())


def _code(left: Side, right: Side) -> list[FileDifference]:
    sources = [side.experiment.record.source for side in (left, right)]
    if sources[0] and sources[1] and sources[0].content_sha256 == sources[1].content_sha256:
        return []
    return code_differences(left.experiment.code(), right.experiment.code(), _reader(left), _reader(right))


def _reader(side: Side) -> Read:
    content = side.experiment.project.repository.content
    return lambda entries: ((entry, stream.read()) for entry, stream in content.entries_in_pack_order(entries))


def _sections(side: Side) -> Sections:
    experiment, checkpoint = side.experiment, side.checkpoint
    record = experiment.record
    return {
        "experiment": _facts(experiment),
        "params": experiment.params,
        "packages": record.packages or {},
        "environment": record.environment,
        "checkpoint": _checkpoint_facts(checkpoint),
        "metrics": checkpoint.metrics if checkpoint else rows.last_printed(experiment.state),
        "files": _files(checkpoint),
    }


def _facts(experiment: Experiment) -> dict[str, object]:
    """Without what is never the same: id, time and duration."""
    record = experiment.record
    facts: dict[str, object] = {
        "name": record.name,
        "status": experiment.status.value,
        "command": experiment.command,
        "working_directory": record.working_directory,
        "user": record.user,
        "host": rows.host(experiment.state),
        "tags": list(experiment.tags) or None,
        "primary_metric": experiment.primary_metric.name if experiment.primary_metric else None,
    }
    if record.interpreter:
        facts |= {"interpreter": record.interpreter.executable, "python": record.interpreter.version}
    if record.git:
        facts |= {"git_commit": record.git.commit, "git_branch": record.git.branch, "git_dirty": record.git.dirty}
    return {name: value for name, value in facts.items() if value is not None}


def _checkpoint_facts(checkpoint: Checkpoint | None) -> dict[str, object]:
    if checkpoint is None:
        return {}
    facts = {"step": checkpoint.step, "epoch": checkpoint.epoch, "size_bytes": checkpoint.size_bytes}
    return {name: value for name, value in facts.items() if value is not None}


def _files(checkpoint: Checkpoint | None) -> dict[str, object]:
    files = checkpoint.files if checkpoint else ()
    return {file.path: {"size_bytes": file.size_bytes, "sha256": file.sha256} for file in files}
