"""Experiments from one repository of this format into another: first their content and series, then their records.

Objects are brought as they are, under the names they have, so what is there already is told by its name. An experiment
is committed when all of it has been verified, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from kwrap.errors import AlreadyExists, Damaged, NotFound
from kwrap.records import Checkpoint, Experiment, Note, Outcome, Run, State
from kwrap.repository import cached, compression, layout, record_objects, segments, status
from kwrap.repository import listing as listings
from kwrap.repository.cache import IN_MEMORY
from kwrap.repository.collector.guard import Guard
from kwrap.repository.content_transfer import ContentTransfer
from kwrap.repository.listing import Listing
from kwrap.repository.repository import Repository
from kwrap.repository.workers import in_order
from kwrap.storage.base import Storage

_THREADS = 8
# In the order that readers rely on.
_RECORDS: dict[str, type[Any]] = {
    layout.RUNS: Run,
    layout.NOTES: Note,
    layout.EXPERIMENTS: Experiment,
    layout.CHECKPOINTS: Checkpoint,
    layout.OUTCOMES: Outcome,
}
_CREATED_TWICE = "holds another experiment of the id {id}: {name} is not the one that is to be copied"


class Brought(NamedTuple):
    """What was stored for one experiment: checkpoints that are new there, objects, and bytes of content, output and
    metrics."""

    checkpoints: int
    objects: int
    content_bytes: int
    series_bytes: int


class Transfer:
    """Brings experiments, one after the other."""

    def __init__(self, source: Repository, target: Repository) -> None:
        self._source = source
        self._target = target
        self._guard = Guard(target.storage)

    def bring(self, state: State, known: State | None, progress: Callable[[int], None] | None = None) -> Brought:
        """Bring what `known`, which is what `told` says of it, lacks of `state`. Both may be brief.

        `progress` is told of the bytes of files as they are there. Raises Damaged when something in the source is
        missing or wrong, or when the target has another experiment of that id; StorageError.
        """
        check_same(state, known, self._target.url)
        names = _lacking(state, known)
        if not names and not state.heartbeats and not _open_runs(state, known):
            return Brought(0, 0, 0, 0)
        series = self._bring_series(state, known)
        transfer = ContentTransfer(self._source.storage, self._target.storage, progress or (lambda _: None))
        trees = wanted_trees(state, known)

        def store(again: Collection[str]) -> Sequence[str]:
            transfer.bring(trees, again)
            return trees

        threads = min(_THREADS, self._source.storage.parallel)
        read = in_order(self._read_record, names, threads=threads, most=2 * _THREADS)
        records = dict(zip(names, read, strict=True))
        if trees:
            self._guard.commit(store, lambda stored: stored, lambda _: self._write(state, known, records))
        else:
            self._write(state, known, records)
        objects = transfer.objects + series.objects + len(names)
        checkpoints = sum(name.startswith(layout.CHECKPOINTS) for name in names)
        return Brought(checkpoints, objects, transfer.written_bytes, series.bytes)

    def _bring_series(self, state: State, known: State | None) -> _Series:
        """Output and metrics of the runs that the target does not know the end of."""
        bringing = _Series(self._source.storage, self._target.storage)
        for run_id in _open_runs(state, known):
            for prefix in (
                layout.output_segments(state.experiment.id, run_id),
                layout.run_series(state.experiment.id, run_id),
            ):
                bringing.bring(prefix)
        return bringing

    def _read_record(self, name: str) -> bytes:
        """The record's bytes. A log may have told of it; what is copied is what is there."""
        where = f"{self._source.url}/{name}"
        try:
            data = self._source.storage.read(name)
        except NotFound as error:
            raise Damaged(f"{where} is missing") from error
        record_type = next(one for folder, one in _RECORDS.items() if name.startswith(folder))
        record_objects.decode(record_type, data, where)
        return data

    def _write(self, state: State, known: State | None, records: dict[str, bytes]) -> None:
        """Create the records, and tell of them."""
        for folder in _RECORDS:
            names = [name for name in records if name.startswith(folder)]
            for _ in in_order(
                lambda name: self._create(name, records[name], state.experiment.id),
                names,
                threads=min(_THREADS, self._target.storage.parallel),
                most=2 * _THREADS,
            ):
                pass
        if records:
            self._target.tell(state.experiment.id)
        ended = {one.run for one in state.outcomes}
        for heartbeat in state.heartbeats:
            if heartbeat.run not in ended:
                self._target.write_heartbeat(heartbeat)
        for run_id in ended & {one.run for one in (known.heartbeats if known else ())}:
            self._target.delete_heartbeat(state.experiment.id, run_id)

    def _create(self, name: str, data: bytes, experiment_id: str) -> None:
        try:
            self._target.storage.create(name, data)
        except AlreadyExists as error:
            if not _same_record(self._target.storage.read(name), data):
                message = _CREATED_TWICE.format(id=experiment_id, name=name)
                raise Damaged(f"{self._target.url} {message}") from error


class _Series:
    """Segments on their way."""

    def __init__(self, source: Storage, target: Storage) -> None:
        self._source = source
        self._target = target
        self.objects = 0
        self.bytes = 0

    def bring(self, prefix: str) -> None:
        there = {stored.name for stored in self._target.list(prefix)}
        names = (stored.name for stored in self._source.list(prefix) if stored.name not in there)
        threads = min(_THREADS, max(self._source.parallel, self._target.parallel))
        for size in in_order(self._bring_one, names, threads=threads, most=threads):
            self.objects += 1
            self.bytes += size

    def _bring_one(self, name: str) -> int:
        try:
            data = self._source.read(name)
        except NotFound as error:
            raise Damaged(f"{self._source.url}/{name} is missing") from error
        where = f"{self._source.url}/{name}"
        if name.startswith(layout.OUTPUT):
            segments.decode_output(data, where)
        else:
            compression.decompress(data, where)
        try:
            self._target.create(name, data)
        except AlreadyExists:
            pass  # written meanwhile, by whoever else copies it
        return len(data)


def told(target: Repository) -> Listing:
    """What the target's log tells of it. Its records may say more: of a copy that was interrupted, and did not come to
    tell."""
    if not listings.are_few(target):
        return target.listing()
    return cached.cached(target.storage, IN_MEMORY) or listings.Gathered(*target.states())


def wanted_trees(state: State, known: State | None) -> list[str]:
    """The trees that the target does not have by what it knows. Of a removed checkpoint the files may be gone."""
    there = {one.sequence for one in known.checkpoints} if known else set()
    new = [one.tree for one in status.remaining_checkpoints(state) if one.sequence not in there and one.tree]
    code = state.experiment.source
    return [*([code.tree] if code and known is None else []), *new]


def wanted_bytes(state: State, known: State | None) -> int:
    """How many bytes of files `bring` will have gone through at its end."""
    there = {one.sequence for one in known.checkpoints} if known else set()
    new = (one.size_bytes for one in status.remaining_checkpoints(state) if one.sequence not in there)
    code = state.experiment.source
    return sum(new) + ((code.size_bytes or 0) if code and known is None else 0)


def check_same(state: State, known: State | None, url: str) -> None:
    """Raise Damaged when the target has another experiment, or another checkpoint of the same number."""
    if known is None:
        return
    own, other = state.experiment, known.experiment
    if not _same(own, other):
        name = layout.experiment(own.id)
        raise Damaged(f"{url} {_CREATED_TWICE.format(id=own.id, name=name)}")
    there = {one.sequence: one for one in known.checkpoints}
    for checkpoint in state.checkpoints:
        found = there.get(checkpoint.sequence)
        if found is not None and not _same(checkpoint, found):
            name = layout.checkpoint(own.id, checkpoint.sequence)
            raise Damaged(f"{url} {_CREATED_TWICE.format(id=own.id, name=name)}")


def _lacking(state: State, known: State | None) -> list[str]:
    """The names of the records that the target does not know of."""
    before = set(_names(known)) if known else set()
    return [name for name in _names(state) if name not in before]


def _names(state: State) -> Iterable[str]:
    own = state.experiment.id
    yield from (layout.run(own, one.run) for one in state.runs)
    yield from (layout.note(own, one.id) for one in state.notes)
    yield layout.experiment(own)
    yield from (layout.checkpoint(own, one.sequence) for one in state.checkpoints)
    yield from (layout.outcome(own, one.run) for one in state.outcomes)


def _open_runs(state: State, known: State | None) -> list[str]:
    """The runs whose end the target does not know, also those that nothing but an outcome tells of."""
    ended = {one.run for one in known.outcomes} if known else set()
    return sorted({*(one.run for one in state.runs), *(one.run for one in state.outcomes)} - ended)


def _same(left: Experiment | Checkpoint, right: Experiment | Checkpoint) -> bool:
    """Whether two records are one: by the mark of who wrote them; what has none is told apart by its time."""
    return (left.write_id, left.created_at) == (right.write_id, right.created_at)


def _same_record(there: bytes, data: bytes) -> bool:
    if there == data:
        return True
    try:
        one, other = json.loads(there), json.loads(data)
        return "write_id" in one and one["write_id"] == other["write_id"]
    except (ValueError, KeyError, TypeError):
        return False
