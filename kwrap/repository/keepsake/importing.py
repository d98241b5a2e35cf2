"""An experiment of Keepsake's brought into a repository of kwrap's own, with its code, checkpoints and metrics.

Its id here follows from its id there, so that bringing it in again brings what has come since, and nothing twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from kwrap import __version__, ids
from kwrap.clock import from_rfc3339, to_rfc3339
from kwrap.errors import AlreadyExists, Damaged
from kwrap.records import Checkpoint, CheckpointFile, Experiment, Source, State
from kwrap.repository import layout, record_objects, status, trees
from kwrap.repository.collector.guard import Guard
from kwrap.repository.keepsake import records, storing
from kwrap.repository.keepsake.repository import KeepsakeRepository
from kwrap.repository.keepsake.storing import Progress, Stored
from kwrap.repository.repository import Repository

_SHORT = 7
_TOO_EARLY = "experiment {} has just begun, and its code is not all there yet: copy it later"


class Imported(NamedTuple):
    """What came of it: the id here, how many checkpoints are new, and a sentence for each thing that was left out."""

    id: str
    new: bool
    checkpoints: int
    problems: tuple[str, ...]


def imported_id(experiment: Experiment) -> str:
    """The id that an experiment of Keepsake's has, or will have, in a repository of kwrap's own."""
    return ids.imported_experiment_id(from_rfc3339(experiment.created_at), experiment.id)


def import_experiment(
    source: KeepsakeRepository, state: State, target: Repository, progress: Progress | None = None
) -> Imported:
    """Bring one in, or what of it is not there yet. `progress` is told of bytes as they are read.

    What is damaged there is left out and told; a checkpoint with a damaged tarball is left out wholly, and comes when
    the tarball is mended. One that is left out altogether is neither new nor has it checkpoints. Raises StorageError.
    """
    importing = _Importing(source, state, target, progress or (lambda _: None))
    if importing.is_too_early():
        return Imported(importing.id, False, 0, (_TOO_EARLY.format(state.experiment.id[:_SHORT]),))
    new = importing.experiment()
    checkpoints = sum(map(importing.checkpoint, status.remaining_checkpoints(state)))
    importing.series()
    importing.end(told=not new and not checkpoints)
    return Imported(importing.id, new, checkpoints, tuple(importing.problems))


class _Importing:
    def __init__(self, source: KeepsakeRepository, state: State, target: Repository, progress: Progress) -> None:
        self._source = source
        self._state = state
        self._target = target
        self._progress = progress
        self._guard = Guard(target.storage)
        self.id = imported_id(state.experiment)
        self._there = set(target.checkpoint_sequences(self.id))
        self.problems: list[str] = []

    def is_too_early(self) -> bool:
        """Whether its code is still to come: its record here could not be completed later."""
        record = self._state.experiment
        waits = bool(self._state.heartbeats and record.extra[records.KEY]["path"] and record.source is None)
        return waits and not self._target.has_experiment(self.id)

    def experiment(self) -> bool:
        """Whether it is new."""
        if self._target.has_experiment(self.id):
            return False
        record, tarball = self._state.experiment, self._state.experiment.source
        try:
            self._commit(
                tarball.tree if tarball else None, lambda stored: self._write(_experiment(record, self.id, stored))
            )
        except Damaged as error:
            self.problems.append(f"{error.message}; experiment {record.id[:_SHORT]} comes without its code")
            self._write(_experiment(record, self.id, None))
        return True

    def checkpoint(self, checkpoint: Checkpoint) -> bool:
        """Whether it is new."""
        if checkpoint.sequence in self._there:
            return False
        try:
            self._commit(checkpoint.tree, lambda stored: self._write(_checkpoint(checkpoint, self.id, stored)))
        except Damaged as error:
            which = str(checkpoint.extra[records.KEY]["id"])[:_SHORT]
            self.problems.append(f"{error.message}; checkpoint {which} is left out")
            return False
        return True

    def series(self) -> None:
        """The metrics of all checkpoints, also of those that are left out."""
        points = records.points(self._state.checkpoints)
        end = self._target.metrics_end(self.id, records.RUN)
        self._target.write_metrics_segment(self.id, records.RUN, end, points[end:])

    def end(self, *, told: bool) -> None:
        """How it stands. The outcome comes last: as long as it is missing, an earlier import may have told nothing."""
        ended = self._target.outcome(self.id, records.RUN) is not None
        if not (ended and told):
            self._target.tell(self.id)
        for heartbeat in self._state.heartbeats if not ended else ():
            self._target.write_heartbeat(replace(heartbeat, experiment=self.id, at=_milliseconds(heartbeat.at)))
        for outcome in self._state.outcomes if not ended else ():
            ended_at = _milliseconds(outcome.ended_at) if outcome.ended_at else None
            write_id = _write_id(self.id, "outcome")
            self._target.write_outcome(replace(outcome, experiment=self.id, ended_at=ended_at, write_id=write_id))
            self._target.delete_heartbeat(self.id, records.RUN)

    def _write(self, record: Experiment | Checkpoint) -> None:
        """Create a record; one that an earlier import made stays."""
        name = (
            layout.experiment(record.id)
            if isinstance(record, Experiment)
            else layout.checkpoint(record.experiment, record.sequence)
        )
        try:
            record_objects.create(self._target.storage, name, record)
        except AlreadyExists:
            pass

    def _commit(self, tarball: str | None, write: Callable[[Stored | None], None]) -> None:
        if tarball is None:
            write(None)
            return
        store = partial(storing.store, self._source.storage, tarball, self._target.content, self._progress)
        stored = self._guard.commit(lambda again: store(again=again), lambda stored: (stored.tree,), write)
        self.problems += [f"{self._source.url}/{tarball}: '{one.path}' is {one.reason}" for one in stored.refused]


def _experiment(record: Experiment, experiment_id: str, stored: Stored | None) -> Experiment:
    known = {**record.extra[records.KEY], "created": record.created_at}
    return replace(
        record,
        id=experiment_id,
        created_at=_milliseconds(record.created_at),
        kwrap_version=__version__,
        tags=(record.id[:_SHORT],),
        source=_source(stored) if stored else None,
        write_id=_write_id(experiment_id, "experiment"),
        extra={**record.extra, records.KEY: known},
    )


def _source(stored: Stored) -> Source:
    return Source(
        tree=stored.tree,
        content_sha256=trees.content_sha256(stored.entries),
        files=len(stored.entries),
        size_bytes=sum(entry.size_bytes for entry in stored.entries),
        left_out=stored.refused,
        left_out_count=len(stored.refused),
    )


def _checkpoint(record: Checkpoint, experiment_id: str, stored: Stored | None) -> Checkpoint:
    entries = stored.entries if stored else ()
    return replace(
        record,
        experiment=experiment_id,
        created_at=_milliseconds(record.created_at),
        tree=stored.tree if stored else None,
        files=tuple(
            CheckpointFile(
                path=entry.path.decode("utf-8", "backslashreplace"),
                size_bytes=entry.size_bytes,
                sha256=entry.sha256,
                pieces_sha256=None if entry.sha256 else trees.pieces_sha256(entry.pieces),
            )
            for entry in entries
        ),
        size_bytes=sum(entry.size_bytes for entry in entries),
        write_id=_write_id(experiment_id, str(record.sequence)),
        extra={**record.extra, records.KEY: {**record.extra[records.KEY], "created": record.created_at}},
    )


def _milliseconds(recorded: str) -> str:
    """As kwrap writes a time; what Keepsake wrote stands in `extra`, and has nine digits of which six are true."""
    return to_rfc3339(from_rfc3339(recorded))


def _write_id(experiment_id: str, what: str) -> str:
    """The same for the same record, so that another import knows it for its own."""
    return hashlib.sha256(f"keepsake {experiment_id} {what}".encode()).hexdigest()[:16]
