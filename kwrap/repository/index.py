"""Every record of a repository, or of one experiment, gathered into states.

Each folder is listed once, and one bad object costs a sentence, not the listing. The cache of the log spares this
where there are many; the states it gives are the same.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from kwrap.errors import Damaged, NotFound, StorageError
from kwrap.records import Checkpoint, Experiment, Heartbeat, Note, Outcome, Run, State
from kwrap.repository import layout, record_objects
from kwrap.storage.base import Storage

R = TypeVar("R")


def gather(storage: Storage, experiment_id: str | None = None) -> tuple[list[State], list[str]]:
    """The states, oldest experiment first, and a sentence for each damaged object.

    The order of the folders matters, since writers go on meanwhile. A run's record is written before its experiment's,
    and its outcome before its heartbeat goes: so read experiments first, and heartbeats before outcomes. The other way
    round, a run that ends while we look would have neither, and appear lost.
    """
    with without_collecting():
        return _gather(_Gathering(storage, experiment_id))


def _gather(found: _Gathering) -> tuple[list[State], list[str]]:
    experiments = found.experiments()
    heartbeats = found.under(layout.HEARTBEATS, Heartbeat)
    runs = found.under(layout.RUNS, Run)
    notes = found.under(layout.NOTES, Note)
    checkpoints = found.under(layout.CHECKPOINTS, Checkpoint)
    outcomes = found.under(layout.OUTCOMES, Outcome)
    states = [
        State(
            experiment=experiment,
            runs=tuple(sorted(runs.get(key, ()), key=lambda one: (one.rank, one.attempt))),
            outcomes=tuple(outcomes.get(key, ())),
            checkpoints=tuple(sorted(checkpoints.get(key, ()), key=lambda one: one.sequence)),
            heartbeats=tuple(heartbeats.get(key, ())),
            notes=tuple(notes.get(key, ())),
        )
        for key, experiment in experiments.items()
    ]
    states.sort(key=lambda one: (one.experiment.created_at, one.experiment.id))  # ids tell seconds only
    found.look_for_missing((outcomes.keys() | checkpoints.keys()) - experiments.keys())
    return states, found.problems


def record_names(storage: Storage, experiment_id: str) -> list[str]:
    """The names of an experiment's records, without its heartbeats."""
    folders = (layout.RUNS, layout.NOTES, layout.CHECKPOINTS, layout.OUTCOMES)
    found = [stored.name for folder in folders for stored in storage.list(f"{folder}{experiment_id}/")]
    return [layout.experiment(experiment_id), *(name for name in found if name.endswith(".json"))]


def read_those(storage: Storage, names: Iterable[str]) -> dict[str, bytes]:
    """The bytes of those objects that are there, by name."""
    found = ((name, read_or_none(storage, name)) for name in names)
    return {name: data for name, data in found if data is not None}


def read_or_none(storage: Storage, name: str) -> bytes | None:
    """None for one that was never written, or has been removed."""
    try:
        return storage.read(name)
    except NotFound:
        return None


@contextmanager
def without_collecting() -> Iterator[None]:
    """Without Python's search for cycles: records hold none, and among ten thousand of them it takes a quarter of the
    time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _Gathering:
    """Reads records, of one experiment or of all."""

    def __init__(self, storage: Storage, experiment_id: str | None) -> None:
        self._storage = storage
        self._id = experiment_id
        self.problems: list[str] = []

    def under(self, folder: str, record_type: type[R]) -> dict[str, list[R]]:
        """The records of a folder, by experiment, in name order."""
        found: dict[str, list[R]] = {}
        for name in self._names(folder if self._id is None else f"{folder}{self._id}/"):
            record = self._read(name, record_type)
            if record is not None:
                found.setdefault(name[len(folder) :].partition("/")[0], []).append(record)
        return found

    def experiments(self) -> dict[str, Experiment]:
        names = self._names(layout.EXPERIMENTS) if self._id is None else [layout.experiment(self._id)]
        found: dict[str, Experiment] = {}
        for name in names:
            record = self._read(name, Experiment)
            if record is not None and name != layout.experiment(record.id):
                self.problems.append(f"{self._storage.url}/{name} is damaged: it is called {record.id} within")
            elif record is not None:
                found[record.id] = record
        return found

    def look_for_missing(self, keys: Iterable[str]) -> None:
        """Add those that have no experiment record, and not just since we looked."""
        for key in sorted(keys):
            if self._storage.size(layout.experiment(key)) is None:
                where = f"{self._storage.url}/{layout.experiment(key)}"
                self.problems.append(f"{where} is missing, though other records of that experiment are there")

    def _names(self, prefix: str) -> Iterable[str]:
        return (stored.name for stored in self._storage.list(prefix) if stored.name.endswith(".json"))

    def _read(self, name: str, record_type: type[R]) -> R | None:
        where = f"{self._storage.url}/{name}"
        try:
            data = self._storage.read(name)
            return record_objects.decode(record_type, data, where)
        except NotFound:
            return None  # removed since it was listed
        except (Damaged, StorageError) as error:
            self.problems.append(error.message)
            return None
