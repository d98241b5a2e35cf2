"""The experiments of a repository of Keepsake's, each with how it stands and which of its tarballs are there.

One bad object costs a sentence, not the listing. Keepsake writes its metadata in place, and before the tarballs that it
names: a file may be read half written, and a checkpoint may be listed that has no files, yet or any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from kwrap.clock import SYSTEM, from_rfc3339
from kwrap.errors import Damaged, KwrapError, NotFound
from kwrap.records import Checkpoint, Experiment, Heartbeat, Note, NoteKind, State
from kwrap.repository import status
from kwrap.repository.index import without_collecting
from kwrap.repository.keepsake import layout, records
from kwrap.storage.base import Storage

_SHORT = 7  # as much of an id as Keepsake shows
_LOOKS = 5  # at a file that changes while it is read
_LOOKED_UP = 16  # of more tarballs, listing all that are there costs less than asking for each


def gather(storage: Storage, experiment_id: str | None = None) -> tuple[list[State], list[str]]:
    """The states, oldest experiment first, and a sentence for each damaged object; of one experiment, or of all."""
    with without_collecting():
        return _gather(_Gathering(storage), experiment_id)


def _gather(found: _Gathering, experiment_id: str | None) -> tuple[list[State], list[str]]:
    # Heartbeats come first, for one that ends meanwhile; tarballs last, for they are written after what names them.
    heartbeats = found.heartbeats(experiment_id)
    read = found.experiments(experiment_id)
    alive = {one.id: beat for one, _ in read if (beat := found.heartbeat(one, heartbeats.get(one.id))) is not None}
    sizes = found.tarballs([name for each in read for name in _tarballs(*each)])
    states = [found.state(one, checkpoints, alive.get(one.id), sizes) for one, checkpoints in read]
    states.sort(key=lambda one: (status.wall_ns(one.experiment.created_at), one.experiment.id))
    return states, found.problems


def _tarballs(experiment: Experiment, checkpoints: Iterable[Checkpoint]) -> Iterator[str]:
    if experiment.source is not None:
        yield experiment.source.tree
    yield from (one.tree for one in checkpoints if one.tree is not None)


class _Gathering:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.problems: list[str] = []

    def experiments(self, experiment_id: str | None) -> list[tuple[Experiment, tuple[Checkpoint, ...]]]:
        names = self._names(layout.EXPERIMENTS) if experiment_id is None else [layout.experiment(experiment_id)]
        found: list[tuple[Experiment, tuple[Checkpoint, ...]]] = []
        for name, data in self._read(names):
            try:
                record, checkpoints = self._parsed(name, data)
            except Damaged as error:
                self.problems.append(error.message)
                continue
            if name == layout.experiment(record.id):
                found.append((record, checkpoints))
            else:
                self.problems.append(f"{self._storage.url}/{name} is damaged: it is called {record.id} within")
        return found

    def _parsed(self, name: str, data: bytes) -> tuple[Experiment, tuple[Checkpoint, ...]]:
        """What a file says, once it stays the same: it may be written while it is read."""
        where = f"{self._storage.url}/{name}"
        for _ in range(_LOOKS):
            try:
                return records.experiment(data, where)
            except Damaged:  # noqa: PERF203 - this is the exception
                again = self._storage.read(name)
                if again == data:
                    raise
                data = again
        return records.experiment(data, where)

    def heartbeats(self, experiment_id: str | None) -> dict[str, bytes]:
        names = self._names(layout.HEARTBEATS) if experiment_id is None else [layout.heartbeat(experiment_id)]
        return {layout.id_of(name, layout.HEARTBEATS) or "": data for name, data in self._read(names)}

    def heartbeat(self, experiment: Experiment, data: bytes | None) -> Heartbeat | None:
        if data is None:
            return None
        try:
            return records.heartbeat(data, experiment, f"{self._storage.url}/{layout.heartbeat(experiment.id)}")
        except Damaged as error:
            self.problems.append(error.message)
            return None

    def tarballs(self, wanted: Collection[str]) -> dict[str, int]:
        """The sizes in bytes of those that are there."""
        if len(wanted) <= _LOOKED_UP:
            asked = {name: self._storage.size(name) for name in wanted}
            return {name: size for name, size in asked.items() if size is not None}
        folders = (layout.CODE, layout.CHECKPOINTS)
        return {stored.name: stored.size_bytes for folder in folders for stored in self._storage.list(folder)}

    def state(
        self,
        experiment: Experiment,
        checkpoints: tuple[Checkpoint, ...],
        heartbeat: Heartbeat | None,
        sizes: dict[str, int],
    ) -> State:
        """How it stands. What it names and does not have is told, unless it runs: then it may be on its way."""
        running = heartbeat is not None and _is_fresh(heartbeat)
        source = experiment.source
        if source is not None and source.tree not in sizes:
            experiment = replace(experiment, source=None)
            if not running:
                self._miss(source.tree, f"the code of experiment {experiment.id}")
        missing = [one for one in checkpoints if one.tree is not None and one.tree not in sizes]
        for one in missing if not running else ():
            self._miss(one.tree or "", f"the files of checkpoint {_short(one)} of experiment {experiment.id}")
        sized = tuple(replace(one, size_bytes=sizes[one.tree]) if one.tree in sizes else one for one in checkpoints)
        return State(
            experiment=experiment,
            outcomes=() if running else (records.outcome(experiment, sized, heartbeat),),
            checkpoints=sized,
            heartbeats=(heartbeat,) if heartbeat is not None and running else (),
            notes=tuple(map(_gone, missing)),
        )

    def _miss(self, name: str, what: str) -> None:
        self.problems.append(f"{self._storage.url}/{name} is missing, {what}: removed, or never wholly uploaded")

    def _names(self, folder: str) -> list[str]:
        names = (stored.name for stored in self._storage.list(folder))
        return [name for name in names if layout.id_of(name, folder) is not None]

    def _read(self, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Those that are there, in their order; several at once where that is faster."""
        if self._storage.parallel > 2 and len(names) > 1:
            with ThreadPoolExecutor(self._storage.parallel, thread_name_prefix="kwrap-read") as pool:
                found = list(pool.map(self._read_one, names))
        else:
            found = list(map(self._read_one, names))
        for name, data in zip(names, found, strict=True):
            if isinstance(data, bytes):
                yield name, data
            elif data is not None:
                self.problems.append(data.message)

    def _read_one(self, name: str) -> bytes | KwrapError | None:
        try:
            return self._storage.read(name)
        except NotFound:
            return None  # never written, or removed since it was listed
        except KwrapError as error:
            return error


def _is_fresh(heartbeat: Heartbeat) -> bool:
    patience_ns = int(status.INTERVALS * heartbeat.interval_s * 1e9)
    return SYSTEM.wall_ns() - from_rfc3339(heartbeat.at) < patience_ns


def _short(checkpoint: Checkpoint) -> str:
    return str(checkpoint.extra[records.KEY]["id"])[:_SHORT]


def _gone(checkpoint: Checkpoint) -> Note:
    """A checkpoint without its files counts as removed, as one does that kwrap removed."""
    return Note(
        id="",
        experiment=checkpoint.experiment,
        at=checkpoint.created_at,
        kind=NoteKind.DELETE,
        checkpoint=checkpoint.sequence,
    )
