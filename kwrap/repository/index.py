"""Every record of a repository, or of one experiment, gathered into states.

Each folder is listed once, and one bad object costs a sentence, not the listing. Later an index that is kept up to date
stands before this; the states it gives are the same.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Collection, Iterable, Iterator
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


def called(storage: Storage, text: str) -> list[State]:
    """The states of the experiments that have, or had, this name or tag. Only what mentions it is parsed."""
    spelled = {json.dumps(text, ensure_ascii=escaped).encode("utf-8", "surrogatepass") for escaped in (True, False)}
    found = _Gathering(storage, None, spelled)
    experiments = found.experiments()
    keys = {key for key, one in experiments.items() if text == one.name or text in one.tags}
    keys.update(key for key, notes in found.under(layout.NOTES, Note).items() if any(one.text == text for one in notes))
    return [state for key in sorted(keys) for state in gather(storage, key)[0]]


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
    """Reads records, of one experiment or of all, and of these all or those that hold one of some bytes."""

    def __init__(self, storage: Storage, experiment_id: str | None, holding: Collection[bytes] = ()) -> None:
        self._storage = storage
        self._id = experiment_id
        self._holding = holding
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
            if self._holding and not any(one in data for one in self._holding):
                return None
            return record_objects.decode(record_type, data, where)
        except NotFound:
            return None  # removed since it was listed
        except (Damaged, StorageError) as error:
            self.problems.append(error.message)
            return None
