"""A repository: what experiments mean, over any storage. What the rest of kwrap reads and writes.

Writers take no lock: a record is created, never changed, and only the heartbeat is written over. Content is stored
before a record names it. Knows nothing of processes, threads or terminals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from kwrap.errors import AlreadyExists, NotFound, UnknownId
from kwrap.records import Checkpoint, CheckpointFile, Experiment, Heartbeat, MetricPoint, Note, Outcome, Run, State
from kwrap.repository import events, header, index, layout, lookup, record_objects, series
from kwrap.repository import listing as listings
from kwrap.repository.content import Content
from kwrap.repository.listing import Listing
from kwrap.repository.segments import OutputChunk
from kwrap.storage.base import Storage
from kwrap.storage.open import open_storage
from kwrap.storage.read_only import ReadOnly

__all__ = ["OutputChunk", "Repository"]

R = TypeVar("R")


class Repository:
    """An open repository of format 2. `open` makes one from a URL."""

    def __init__(self, storage: Storage, repository_id: str) -> None:
        self.storage = storage
        self.url = storage.url
        self.id = repository_id
        self.content = Content(storage)

    @classmethod
    def open(cls, url: str, *, base: str = ".", create: bool = False) -> Repository:
        """The repository at a URL or path, relative to `base`; with `create`, made there if nothing is there.

        Raises RepositoryError when there is none, or none that this kwrap can read, or write with `create`;
        StorageError when the place cannot be reached.
        """
        storage = open_storage(url, base=base)
        found = header.open_header(storage, create=create)
        if found.version == header.KEEPSAKE:
            from kwrap.repository.keepsake.repository import KeepsakeRepository, refusal

            if create:
                raise refusal(storage.url)
            return KeepsakeRepository(storage)
        newer = header.refusal(storage.url, found)
        if newer is None:
            return cls(storage, found.id)
        if create:
            raise newer
        return cls(ReadOnly(storage, newer), found.id)

    # Records. Each is created once: what exists already is success when it is ours, else AlreadyExists is raised.
    # What changes how an experiment stands is told in the log, once its record is there.

    def begin(self, run: Run, experiment: Experiment) -> None:
        """Write both records and tell of them. Done again, as after a crash, it only tells again."""
        run_name, name = layout.run(run.experiment, run.run), layout.experiment(experiment.id)
        records = {run_name: record_objects.create(self.storage, run_name, run)}
        records[name] = record_objects.create(self.storage, name, experiment)
        events.tell(self.storage, experiment.id, records)

    def write_experiment(self, experiment: Experiment) -> None:
        """The record alone, which lists may not see before something tells of it: see `begin` and `tell`."""
        record_objects.create(self.storage, layout.experiment(experiment.id), experiment)

    def write_run(self, run: Run) -> None:
        """The record alone, as `write_experiment`."""
        record_objects.create(self.storage, layout.run(run.experiment, run.run), run)

    def write_outcome(self, outcome: Outcome) -> None:
        """The end of a run. What it tells has all that a lost event of that run may have told."""
        name = layout.outcome(outcome.experiment, outcome.run)
        try:
            record_objects.create(self.storage, name, outcome)
        except AlreadyExists:
            self._tell_end(outcome.experiment, outcome.run)
            raise
        self._tell_end(outcome.experiment, outcome.run)

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        self._create_and_tell(
            checkpoint.experiment, layout.checkpoint(checkpoint.experiment, checkpoint.sequence), checkpoint
        )

    def add_note(self, note: Note) -> None:
        self._create_and_tell(note.experiment, layout.note(note.experiment, note.id), note)

    def _create_and_tell(self, experiment_id: str, name: str, record: object) -> None:
        try:
            written = record_objects.create(self.storage, name, record)
        except AlreadyExists:  # whoever was first may have been killed before it told
            events.tell(self.storage, experiment_id, index.read_those(self.storage, [name]))
            raise
        events.tell(self.storage, experiment_id, {name: written})

    def _tell_end(self, experiment_id: str, run_id: str) -> None:
        names = [
            layout.experiment(experiment_id),
            layout.run(experiment_id, run_id),
            layout.outcome(experiment_id, run_id),
        ]
        records = index.read_those(self.storage, names)
        events.tell(self.storage, experiment_id, records, checkpoints=self.checkpoint_sequences(experiment_id))

    def tell(self, experiment_id: str) -> None:
        """Tell everything that is recorded of an experiment, as after it was copied here."""
        records = index.read_those(self.storage, index.record_names(self.storage, experiment_id))
        events.tell(self.storage, experiment_id, records)

    def compact_log(self) -> bool:
        """Join the events of the log in a segment when there are many loose ones. Whether it did."""
        from kwrap.repository.compaction import compact

        return compact(self.storage)

    def write_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Say that a run is alive, in place of what was said before."""
        name = layout.heartbeat(heartbeat.experiment, heartbeat.run)
        self.storage.write(name, record_objects.encode(heartbeat))

    def delete_heartbeat(self, experiment_id: str, run_id: str) -> None:
        """Once the outcome is written, and not before: a run with neither is lost."""
        self.storage.delete(layout.heartbeat(experiment_id, run_id))

    # Finding and reading

    def ids(self) -> list[str]:
        """Every experiment, oldest first, removed ones too."""
        names = (stored.name for stored in self.storage.list(layout.EXPERIMENTS))
        return [name[len(layout.EXPERIMENTS) : -len(".json")] for name in names if name.endswith(".json")]

    def find(self, prefix: str) -> str:
        """The id that an id, a prefix of it or of its short part, or an exact name or tag means.

        Raises UnknownId or AmbiguousId.
        """
        return lookup.find(prefix, self.listing(), self.url)

    def look_up(self, text: str) -> tuple[State, list[str]]:
        """Everything known of the experiment that is meant, as `find`, and a sentence for each damaged object of it."""
        if lookup.WHOLE_ID.fullmatch(text) and listings.are_few(self) and self.has_experiment(text):
            return self.state_and_problems(text)
        listing = self.listing()
        try:
            found = lookup.find(text, listing, self.url)
        except UnknownId:
            found = text.strip()
            if not (lookup.WHOLE_ID.fullmatch(found) and self.has_experiment(found)):
                raise  # else whoever recorded it did not come to tell of it
        state = listing.state(found)
        return (state, listing.problems(found)) if state else self.state_and_problems(found)

    def listing(self, *, strict: bool = False) -> Listing:
        """What lists are made of, and names looked up in. `strict`: from the records themselves, all of them read.

        Else from the cache on this machine, once it has followed the log.
        """
        return listings.listing(self, strict=strict)

    def find_checkpoint(self, prefix: str) -> tuple[str, int] | None:
        """The experiment and number of a checkpoint that has an id of its own; in this format none has."""
        return None

    def files_of(self, checkpoint: Checkpoint) -> tuple[CheckpointFile, ...]:
        """The files of a checkpoint, as its record says."""
        return checkpoint.files

    def states(self) -> tuple[list[State], list[str]]:
        """Everything known of every experiment, oldest first, and a sentence for each damaged object.

        Of one that has just begun, nothing may be there but its run: that is no experiment yet.
        """
        return index.gather(self.storage)

    def state(self, experiment_id: str) -> State:
        """Everything known of one experiment. Raises UnknownId; Damaged when its own record cannot be read."""
        return self.state_and_problems(experiment_id)[0]

    def state_and_problems(self, experiment_id: str) -> tuple[State, list[str]]:
        """As `state`, and a sentence for each damaged object of that experiment."""
        states, problems = index.gather(self.storage, experiment_id)
        if states:
            return states[0], problems
        self._read(Experiment, layout.experiment(experiment_id))  # raises when it is there and damaged
        raise UnknownId(f"no experiment {experiment_id} in {self.url}", hint="'kwrap ls --last 20' lists recent ids")

    def has_experiment(self, experiment_id: str) -> bool:
        return self.storage.size(layout.experiment(experiment_id)) is not None

    def outcome(self, experiment_id: str, run_id: str) -> Outcome | None:
        """How a run ended; None when nothing says that it has. Raises Damaged."""
        return self._read(Outcome, layout.outcome(experiment_id, run_id))

    def checkpoint_sequences(self, experiment_id: str) -> list[int]:
        """The numbers of an experiment's checkpoints, in order."""
        names = (stored.name for stored in self.storage.list(layout.checkpoints(experiment_id)))
        stems = (name.rpartition("/")[2].removesuffix(".json") for name in names)
        return sorted(int(stem) for stem in stems if stem.isdecimal())

    def _read(self, record_type: type[R], name: str) -> R | None:
        try:
            data = self.storage.read(name)
        except NotFound:
            return None
        return record_objects.decode(record_type, data, f"{self.url}/{name}")

    # Output and metrics: segments, each written once

    def write_output_segment(self, experiment_id: str, run_id: str, start: int, data: bytes, index: bytes) -> int:
        """Store what was printed from byte `start` on. The byte to go on from.

        That is the end of `data`, or of another recorder's segment that begins at the same byte and was first.
        """
        return series.write_output(self.storage, experiment_id, run_id, start, data, index)

    def write_metrics_segment(
        self, experiment_id: str, run_id: str, first_point: int, points: Sequence[MetricPoint]
    ) -> int:
        """Store points, the first of which is the run's `first_point`-th, counted from 0. The point to go on from."""
        return series.write_metrics(self.storage, experiment_id, run_id, first_point, points)

    def output_end(self, experiment_id: str, run_id: str) -> int:
        """Up to which byte the segments hold a run's output without a gap."""
        return series.output_end(self.storage, experiment_id, run_id)

    def metrics_end(self, experiment_id: str, run_id: str) -> int:
        """How many points, from the first on, the segments hold without a gap."""
        return series.metrics_end(self.storage, experiment_id, run_id)

    def output(self, experiment_id: str, run_id: str, start: int = 0) -> Iterator[OutputChunk]:
        """What a run printed, from byte `start` on, in order; `offset` shows where bytes are missing."""
        return series.output(self.storage, experiment_id, run_id, start)

    def metric_points(
        self, experiment_id: str, run_id: str | None = None, name: str | None = None
    ) -> Iterator[MetricPoint]:
        """The points of one run, or of all of them one after the other; of one metric or of all."""
        return series.metric_points(self.storage, experiment_id, run_id, name)
