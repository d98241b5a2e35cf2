"""A repository of Keepsake's, as kwrap reads one: the same questions, and the same records for answers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from kwrap.errors import AmbiguousId, RepositoryError, UnknownId
from kwrap.records import Checkpoint, CheckpointFile, MetricPoint, Outcome, State
from kwrap.repository.keepsake import gathering, layout, records
from kwrap.repository.keepsake.content import KeepsakeContent
from kwrap.repository.repository import Repository
from kwrap.repository.segments import OutputChunk
from kwrap.storage.base import Storage
from kwrap.storage.read_only import ReadOnly

_SHORTEST_CHECKPOINT_PREFIX = 4


def refusal(url: str) -> RepositoryError:
    """What to tell whoever would write."""
    return RepositoryError(
        f"{url} is a repository of Keepsake's: kwrap reads it, and does not write into it",
        hint=f"'kwrap copy --all -R {shlex.quote(url)} --to DIRECTORY' brings it into one of kwrap's own",
    )


class KeepsakeRepository(Repository):
    """One of format 1. Everything that writes raises RepositoryError."""

    def __init__(self, storage: Storage) -> None:
        read_only = ReadOnly(storage, refusal(storage.url))
        super().__init__(read_only, "")
        self.content = KeepsakeContent(read_only)

    def ids(self) -> list[str]:
        """Every experiment, in the order of the ids, which says nothing: Keepsake's are random."""
        names = (stored.name for stored in self.storage.list(layout.EXPERIMENTS))
        return [found for name in names if (found := layout.id_of(name, layout.EXPERIMENTS))]

    def states(self) -> tuple[list[State], list[str]]:
        return gathering.gather(self.storage)

    def state_and_problems(self, experiment_id: str) -> tuple[State, list[str]]:
        states, problems = gathering.gather(self.storage, experiment_id)
        if states:
            return states[0], problems
        # What is there and cannot be read raises Damaged here.
        name = layout.experiment(experiment_id)
        if self.storage.size(name) is not None:
            records.experiment(self.storage.read(name), f"{self.url}/{name}")
        raise UnknownId(f"no experiment {experiment_id} in {self.url}", hint="'kwrap ls --last 20' lists recent ids")

    def look_up(self, name: str) -> tuple[State, list[str]]:
        """As of any repository; for the beginning of one id, only that experiment is read."""
        wanted = name.strip().lower()
        matching = [one for one in self.ids() if one.startswith(wanted)] if wanted else []
        return self.state_and_problems(matching[0]) if len(matching) == 1 else super().look_up(name)

    def has_experiment(self, experiment_id: str) -> bool:
        return self.storage.size(layout.experiment(experiment_id)) is not None

    def find_checkpoint(self, prefix: str) -> tuple[str, int] | None:
        """The experiment and number of the checkpoint whose id begins so. Raises AmbiguousId.

        Only for what is no experiment: it costs reading them all.
        """
        if len(prefix) < _SHORTEST_CHECKPOINT_PREFIX:
            return None
        found = [
            (one.experiment, one.sequence)
            for state in self.states()[0]
            for one in state.checkpoints
            if str(one.extra[records.KEY]["id"]).startswith(prefix.lower())
        ]
        if len(found) > 1:
            raise AmbiguousId(f"'{prefix}' means {len(found)} checkpoints", hint="give more characters of the id")
        return found[0] if found else None

    def files_of(self, checkpoint: Checkpoint) -> tuple[CheckpointFile, ...]:
        """Read from its tarball, the whole of it. Raises Damaged."""
        entries = self.content.tree(checkpoint.tree) if checkpoint.tree else ()
        return tuple(
            CheckpointFile(
                path=entry.path.decode("utf-8", "backslashreplace"), size_bytes=entry.size_bytes, sha256=entry.sha256
            )
            for entry in entries
        )

    def outcome(self, experiment_id: str, run_id: str) -> Outcome | None:
        return next(iter(self.state(experiment_id).outcomes), None)

    def checkpoint_sequences(self, experiment_id: str) -> list[int]:
        return [one.sequence for one in self.state(experiment_id).checkpoints]

    # Keepsake keeps no output, and of metrics only what checkpoints were given.

    def output_end(self, experiment_id: str, run_id: str) -> int:
        return 0

    def output(self, experiment_id: str, run_id: str, start: int = 0) -> Iterator[OutputChunk]:
        return iter(())

    def metrics_end(self, experiment_id: str, run_id: str) -> int:
        return len(records.points(self.state(experiment_id).checkpoints))

    def metric_points(
        self, experiment_id: str, run_id: str | None = None, name: str | None = None
    ) -> Iterator[MetricPoint]:
        points = records.points(self.state(experiment_id).checkpoints)
        return (point for point in points if name in (None, point.name))
