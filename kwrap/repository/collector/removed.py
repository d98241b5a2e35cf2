"""Experiments and checkpoints that `kwrap rm` removed, and the end of their records.

An experiment that may still be running is not touched, removed or not: its recorder goes on writing records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kwrap.errors import Damaged, NotFound
from kwrap.records import Note, NoteKind
from kwrap.repository import events, layout, record_objects
from kwrap.repository.workers import in_order
from kwrap.storage.base import Storage, Stored

_DELETE = f'"{NoteKind.DELETE.value}"'.encode("ascii")
_FOLDERS = (layout.OUTPUT, layout.SERIES, layout.CHECKPOINTS, layout.HEARTBEATS, layout.RUNS, layout.OUTCOMES)


class Removed(NamedTuple):
    """What was removed. `experiments`: with all they have; `checkpoints`: of others, by their numbers."""

    experiments: frozenset[str]
    checkpoints: Mapping[str, frozenset[int]]

    def holds(self, name: str) -> bool:
        """Whether the record of an experiment or checkpoint belongs to what was removed."""
        if name.startswith(layout.EXPERIMENTS):
            return name[len(layout.EXPERIMENTS) : -len(".json")] in self.experiments
        experiment_id, _, stem = name[len(layout.CHECKPOINTS) : -len(".json")].partition("/")
        if experiment_id in self.experiments:
            return True
        return stem.isdecimal() and int(stem) in self.checkpoints.get(experiment_id, ())


def find(storage: Storage, now_ns: int, patience_ns: int) -> Removed:
    """What was removed and is over: each run has its outcome, or was not heard of for `patience_ns`.

    All ages are by the storage's clock, and a sign of life is any object that a run writes.
    """

    def mark(name: str) -> Note | None:
        try:
            data = storage.read(name)
            if _DELETE not in data:
                return None
            note = record_objects.decode(Note, data, name)
        except (NotFound, Damaged):
            return None  # as long as nobody can read that it is a mark, it is none
        return note if note.kind is NoteKind.DELETE and name == layout.note(note.experiment, note.id) else None

    experiments: set[str] = set()
    checkpoints: dict[str, set[int]] = {}
    names = (stored.name for stored in storage.list(layout.NOTES))
    for note in in_order(mark, names, threads=storage.parallel, most=4 * storage.parallel):
        if note is not None and note.checkpoint is None:
            experiments.add(note.experiment)
        elif note is not None and note.checkpoint is not None:
            checkpoints.setdefault(note.experiment, set()).add(note.checkpoint)
    over = frozenset(one for one in experiments if not may_run(storage, one, now_ns, patience_ns))
    return Removed(over, {one: frozenset(numbers) for one, numbers in checkpoints.items()})


def may_run(storage: Storage, experiment_id: str, now_ns: int, patience_ns: int) -> bool:
    """Whether a run of it may still write. One without an outcome may, until it was silent for long."""
    runs = _of(storage, layout.RUNS, experiment_id)
    outcomes = {stored.name[len(layout.OUTCOMES) :] for stored in _of(storage, layout.OUTCOMES, experiment_id)}
    open_runs = [stored for stored in runs if stored.name[len(layout.RUNS) :] not in outcomes]
    if outcomes and not open_runs:
        return False
    signs = [*open_runs]
    for folder in (layout.HEARTBEATS, layout.CHECKPOINTS, layout.OUTPUT, layout.SERIES):
        signs += _of(storage, folder, experiment_id)
    signs += storage.list(layout.experiment(experiment_id))
    return any(stored.modified_ns + patience_ns > now_ns for stored in signs)


def records_of(storage: Storage, experiment_id: str) -> list[Stored]:
    """Every object of an experiment but its notes, in the order in which they may go.

    The experiment's own record is the last: without it the others are damage, and it without them is not. The notes,
    and the delete mark among them, stay until a later collection finds nothing else: a reader that saw the experiment
    a moment ago must see the mark, too.
    """
    found = [stored for folder in _FOLDERS for stored in _of(storage, folder, experiment_id)]
    return found + [one for one in storage.list(layout.experiment(experiment_id)) if one.name.endswith(".json")]


def delete_records(storage: Storage, experiment_id: str) -> int:
    """Delete what `records_of` gives; the bytes that were freed. Lists that follow the log hear of it first."""
    found = records_of(storage, experiment_id)
    if found:
        events.tell(storage, experiment_id, {}, removed=True)
    for stored in found:
        storage.delete(stored.name)
    return sum(stored.size_bytes for stored in found)


def delete_old_marks(storage: Storage, experiment_id: str, before_ns: int) -> None:
    """Of an experiment of which nothing is left but its notes, and those are old, delete them."""
    notes = _of(storage, layout.NOTES, experiment_id)
    if all(stored.modified_ns < before_ns for stored in notes) and not records_of(storage, experiment_id):
        for stored in notes:
            storage.delete(stored.name)


def _of(storage: Storage, folder: str, experiment_id: str) -> list[Stored]:
    return list(storage.list(f"{folder}{experiment_id}/"))
