"""Every record: whether it can be read, is what the log has told of it, and belongs to an experiment."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from kwrap.errors import Damaged, NotFound
from kwrap.records import Checkpoint, Experiment, Heartbeat, Note, Outcome, Reason, Run
from kwrap.repository import events, layout, record_objects
from kwrap.repository.collector.removed import Removed
from kwrap.repository.verify.log import Log, digest
from kwrap.repository.verify.problems import Kind, Problem
from kwrap.repository.workers import in_order
from kwrap.storage.base import Storage, Stored

Report = Callable[[Problem], object]
TYPES: dict[str, type[Any]] = {
    layout.EXPERIMENTS: Experiment,
    layout.RUNS: Run,
    layout.OUTCOMES: Outcome,
    layout.CHECKPOINTS: Checkpoint,
    layout.HEARTBEATS: Heartbeat,
    layout.NOTES: Note,
}
_JUST_NOW_NS = 60 * 1_000_000_000  # a record is written before it is told of


class Root(NamedTuple):
    """A tree that a record names."""

    tree: str
    experiment: str
    record: str


class Found:
    """What the records say. `roots` are those of what was not removed."""

    def __init__(self) -> None:
        self.experiments: set[str] = set()
        self.projects: dict[str, str] = {}
        self.roots: list[Root] = []
        self.outcomes: list[Outcome] = []
        self.names: set[str] = set()
        self.untold: dict[str, list[str]] = {}
        self.size_bytes = 0


class _Read(NamedTuple):
    stored: Stored
    record: Any
    problem: Problem | None
    told: bool | None  # None: not compared


def check_records(
    storage: Storage, log: Log, removed: Removed, wanted: Collection[str] | None, report: Report
) -> Found:
    """Read all, and report what is wrong with them."""
    found = Found()

    def read(stored: Stored) -> _Read | None:
        try:
            return _read(storage, log, stored)
        except NotFound:
            return None  # removed since it was listed

    listed = _listed(storage, wanted)
    for one in in_order(read, listed, threads=storage.parallel, most=4 * storage.parallel):
        if one is not None:
            _take(one, found, removed, storage.now_ns(), report)
    for experiment_id, names in found.untold.items():
        for name in names:
            message = f"{storage.url}/{name} is not in the log: lists may not show it"
            report(Problem(kind=Kind.MISSING, object=name, message=message, experiments=(experiment_id,)))
    _look_for_missing(storage, found, log, removed, wanted, report)
    return found


def folder_of(name: str) -> str:
    return name[: name.index("/", len("metadata/")) + 1]


def _listed(storage: Storage, wanted: Collection[str] | None) -> Iterator[Stored]:
    for folder in TYPES:
        if wanted is None:
            yield from (one for one in storage.list(folder) if one.name.endswith(".json"))
            continue
        for experiment_id in sorted(wanted):
            prefix = layout.experiment(experiment_id) if folder == layout.EXPERIMENTS else f"{folder}{experiment_id}/"
            yield from (one for one in storage.list(prefix) if one.name.endswith(".json"))


def _read(storage: Storage, log: Log, stored: Stored) -> _Read:
    name = stored.name
    where = f"{storage.url}/{name}"
    data = storage.read(name)
    experiment_id = layout.of_experiment(name)
    try:
        record = record_objects.decode(TYPES[folder_of(name)], data, where)
        _check_name(record, name, where)
        if not record_objects.is_as_written(data):
            raise Damaged(f"{where} is damaged: its bytes are not those that were written")
    except Damaged as error:
        return _Read(stored, None, _wrong(name, error.message, experiment_id), None)
    if name.startswith(layout.HEARTBEATS):
        return _Read(stored, record, None, None)
    told = log.records.get(name)
    if told is not None and digest(events.shortened(json.loads(data))) not in told:
        return _Read(stored, record, _wrong(name, f"{where} is not what the log has told of it", experiment_id), True)
    return _Read(stored, record, None, told is not None)


def _wrong(name: str, message: str, experiment_id: str) -> Problem:
    return Problem(kind=Kind.WRONG, object=name, message=message, experiments=(experiment_id,))


def _check_name(record: Any, name: str, where: str) -> None:
    names = {
        Experiment: lambda: layout.experiment(record.id),
        Run: lambda: layout.run(record.experiment, record.run),
        Outcome: lambda: layout.outcome(record.experiment, record.run),
        Checkpoint: lambda: layout.checkpoint(record.experiment, record.sequence),
        Heartbeat: lambda: layout.heartbeat(record.experiment, record.run),
        Note: lambda: layout.note(record.experiment, record.id),
    }
    own = names[type(record)]()
    if own != name:
        raise Damaged(f"{where} is damaged: by what it says it would be {own}")


def _take(one: _Read, found: Found, removed: Removed, now_ns: int, report: Report) -> None:
    name, record = one.stored.name, one.record
    experiment_id = layout.of_experiment(name)
    found.names.add(name)
    found.size_bytes += one.stored.size_bytes
    if one.problem is not None:
        report(one.problem)
    if (
        one.told is False
        and one.stored.modified_ns + _JUST_NOW_NS < now_ns
        and experiment_id not in removed.experiments
    ):
        found.untold.setdefault(experiment_id, []).append(name)
    if name.startswith(layout.EXPERIMENTS):
        found.experiments.add(experiment_id)
    if isinstance(record, Experiment):
        found.projects[experiment_id] = record.project_directory
        if record.source is not None and not removed.holds(name):
            found.roots.append(Root(record.source.tree, experiment_id, name))
    elif isinstance(record, Checkpoint) and record.tree is not None and not removed.holds(name):
        found.roots.append(Root(record.tree, experiment_id, name))
    elif isinstance(record, Outcome) and experiment_id not in removed.experiments:
        found.outcomes.append(record)


def _look_for_missing(
    storage: Storage, found: Found, log: Log, removed: Removed, wanted: Collection[str] | None, report: Report
) -> None:
    """What was told of, or has to be there because of others, and is not."""
    told = set(log.records)
    for experiment_id, numbers in log.checkpoints.items():
        told.update(layout.checkpoint(experiment_id, number) for number in numbers)
    for name in found.names:
        # A run may have begun just now; whatever has an end or a checkpoint has an experiment.
        if name.startswith((layout.OUTCOMES, layout.CHECKPOINTS)):
            told.add(layout.experiment(layout.of_experiment(name)))
    for outcome in found.outcomes:
        if outcome.reason is not Reason.STOPPED:  # Keepsake's experiments have no runs
            told.add(layout.run(outcome.experiment, outcome.run))
    for name in sorted(told - found.names):
        experiment_id = layout.of_experiment(name)
        if experiment_id in removed.experiments or log.is_gone(experiment_id):
            continue
        if wanted is not None and experiment_id not in wanted:
            continue
        if storage.size(name) is None:
            message = f"{storage.url}/{name} is missing"
            report(Problem(kind=Kind.MISSING, object=name, message=message, experiments=(experiment_id,)))
