"""How two experiments, or two of their checkpoints, differ: facts, params, packages, metrics, code and files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from kwrap.analysis.code_difference import FileDifference, Read, code_differences
from kwrap.analysis.difference import FieldDifference, Sections, differences
from kwrap.project.checkpoint import Checkpoint
from kwrap.project.experiment import Experiment
from kwrap.records import CheckpointFile
from kwrap.repository import rows
from kwrap.repository.content import Content
from kwrap.repository.trees import TreeEntry


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
        fields=tuple(differences(*_all_sections(*sides))),
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
    codes = left.experiment.code(), right.experiment.code()
    return code_differences(*codes, _reader(left), _reader(right), partial(_same, left, right))


def _same(left: Side, right: Side, one: TreeEntry, other: TreeEntry) -> bool:
    return _content(left).same_content(one, other, _content(right))


def _content(side: Side) -> Content:
    return side.experiment.project.repository.content


def _reader(side: Side) -> Read:
    content = _content(side)
    return lambda entries: ((entry, stream.read()) for entry, stream in content.entries_in_pack_order(entries))


def _all_sections(left: Side, right: Side) -> tuple[Sections, Sections]:
    sections = _sections(left), _sections(right)
    files = [dict(one["files"]) for one in sections]
    for path in _equal_files(left, right):
        files[1][path] = files[0][path]
    return sections[0], {**sections[1], "files": files[1]}


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
    return {file.path: _file_facts(file) for file in (checkpoint.files if checkpoint else ())}


def _file_facts(file: CheckpointFile) -> dict[str, object]:
    facts: dict[str, object] = {"size_bytes": file.size_bytes, "sha256": file.sha256}
    return facts if file.sha256 is not None else {**facts, "pieces_sha256": file.pieces_sha256}


def _equal_files(left: Side, right: Side) -> Iterator[str]:
    """The files that hold the same in both, though no hash can say so: they were cut differently."""
    if left.checkpoint is None or right.checkpoint is None:
        return
    others = {file.path: file for file in right.checkpoint.files}
    doubtful = [one.path for one in left.checkpoint.files if _is_doubtful(one, others.get(one.path))]
    if doubtful:
        trees = [
            {os.fsdecode(entry.path): entry for entry in one.tree()} for one in (left.checkpoint, right.checkpoint)
        ]
        for path in doubtful:
            entries = [tree.get(path) for tree in trees]
            if entries[0] and entries[1] and _same(left, right, entries[0], entries[1]):
                yield path


def _is_doubtful(one: CheckpointFile, other: CheckpointFile | None) -> bool:
    if other is None or one.size_bytes != other.size_bytes or None not in (one.sha256, other.sha256):
        return False
    return one.pieces_sha256 is None or one.pieces_sha256 != other.pieces_sha256
