"""The handle of an experiment: what the repository knew of it when it was looked up, and what can be done to it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from kwrap import ids, records
from kwrap.errors import FilterError, UnknownId
from kwrap.project import files, named_checkpoint, notes
from kwrap.project.checkpoint import Checkpoint
from kwrap.records import MetricPoint, MetricSummary, NoteKind, ParamValue, PrimaryMetric, Status
from kwrap.repository import rows
from kwrap.repository import status as standing
from kwrap.repository.trees import TreeEntry

if TYPE_CHECKING:
    from kwrap.project.checkout import Checkout, Plan
    from kwrap.project.project import Project
    from kwrap.repository.listing import Listing
    from kwrap.repository.segments import OutputChunk


class Experiment:
    """One experiment, as the repository knew it when it was looked up; `refresh` looks again."""

    __slots__ = ("_brief", "_listing", "_problems", "_state", "id", "project")

    def __init__(self, project: Project, state: records.State, problems: tuple[str, ...] = ()) -> None:
        self.project = project
        self.id = state.experiment.id
        self._state: records.State | None = state
        self._brief: records.State | None = None
        self._problems = problems
        self._listing: Listing | None = None

    @classmethod
    def listed(cls, project: Project, listing: Listing, experiment_id: str) -> Experiment:
        """One of a list, of which nothing is read before it is asked for."""
        made = cls.__new__(cls)
        made.project = project
        made.id = experiment_id
        made._state = made._brief = None
        made._problems = ()
        made._listing = listing
        return made

    @property
    def state(self) -> records.State:
        """Everything the repository knew of it."""
        if self._state is None:
            found = self._listing.state(self.id) if self._listing else None
            self._state = found or self.project.repository.state(self.id)
        return self._state

    @property
    def _listed(self) -> records.State:
        """The same, perhaps without the packages and variables, of which lists know nothing."""
        if self._state is None and self._brief is None:
            self._brief = self._listing.brief_state(self.id) if self._listing else None
        return self._state or self._brief or self.state

    def brief_state(self) -> records.State:
        """What lists know of it, looked up and not kept, as where there are many: perhaps without its packages."""
        found = self._state or (self._listing.brief_state(self.id) if self._listing else None)
        return found or self.project.repository.state(self.id)

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each of its objects that is damaged and was passed over."""
        return tuple(self._listing.problems(self.id)) if self._listing else self._problems

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Experiment):
            return NotImplemented
        return (self.project, self.id, self.state) == (other.project, other.id, other.state)

    def __repr__(self) -> str:
        return f"<experiment {self.short_id}{f' {self.name!r}' if self.name else ''}, {self.status.value}>"

    def __hash__(self) -> int:
        return hash(self.id)

    # What it is

    @property
    def record(self) -> records.Experiment:
        """What was known at the start."""
        return self.state.experiment

    @property
    def short_id(self) -> str:
        return ids.short(self.id)

    @property
    def name(self) -> str | None:
        return self._listed.experiment.name

    @property
    def created_at(self) -> str:
        """RFC 3339, UTC."""
        return self._listed.experiment.created_at

    @property
    def command(self) -> str:
        """As it would be typed in a shell."""
        return shlex.join(self._listed.experiment.argv)

    @property
    def params(self) -> dict[str, ParamValue]:
        return {name: param.value for name, param in self._listed.experiment.params.items()}

    @property
    def tags(self) -> tuple[str, ...]:
        return standing.tags(self._listed)

    @property
    def note_text(self) -> str | None:
        """The note that counts: the last one written."""
        return standing.note_text(self._listed)

    @property
    def primary_metric(self) -> PrimaryMetric | None:
        """The metric that says which checkpoint is best."""
        return standing.primary_metric(self._listed)

    # How it stands

    @property
    def status(self) -> Status:
        """By the project's clock, now."""
        return standing.status(self._listed, self._now_ns())

    @property
    def sentence(self) -> str:
        """How it stands or how it ended: `Failed with exit status 1 after 3 min 12 s.`"""
        from kwrap.project.sentence import sentence

        return sentence(self._listed, self._now_ns())

    @property
    def duration_s(self) -> float | None:
        """Seconds it took, or has been running; None when that is not known."""
        return standing.duration_s(self._listed, self._now_ns())

    def is_running(self) -> bool:
        return self.status is Status.RUNNING

    def row(self) -> dict[str, object]:
        """Plain values under the names that filters know: id, name, status, duration, params, metrics …"""
        return rows.row(self._listed, self._now_ns())

    def refresh(self) -> Experiment:
        """The same experiment as the repository knows it now."""
        state, problems = self.project.repository.state_and_problems(self.id)
        return Experiment(self.project, state, tuple(problems))

    # What it measured

    def metrics(self, name: str | None = None) -> list[MetricPoint]:
        """Every point that was recorded, in order, or those of one metric. Raises FilterError when it has none such."""
        points = list(self.project.repository.metric_points(self.id, name=name))
        if name is not None and not points:
            self._refuse_metric(name)
        return points

    def _refuse_metric(self, name: str) -> None:
        from difflib import get_close_matches

        known = sorted({*self.last_metrics, *(one for each in self._listed.checkpoints for one in each.metrics)})
        if name in known:
            return  # known of, and not a point recorded: a damaged or unfinished series
        near = get_close_matches(name, known, n=3)
        hint = f"its metrics are {', '.join(known[:12])}" if known else "it has recorded no metrics"
        hint = f"did you mean {' or '.join(near)}?" if near else hint
        raise FilterError(f"experiment {self.short_id} has no metric '{name}'", hint=hint)

    @property
    def last_metrics(self) -> dict[str, float]:
        """The last value of every metric that was printed."""
        return rows.last_printed(self._listed)

    @property
    def summaries(self) -> dict[str, MetricSummary]:
        """Count, last, least and greatest of every metric, as the outcome says; empty while it runs."""
        return {name: one for outcome in self._listed.outcomes for name, one in outcome.metrics.items()}

    # Its checkpoints

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        return tuple(Checkpoint(self, one) for one in standing.remaining_checkpoints(self._listed))

    def best(self) -> Checkpoint | None:
        """The best one by the primary metric; None without a primary metric, or without a value of it."""
        found = standing.best_checkpoint(self._listed)
        return Checkpoint(self, found) if found else None

    def latest(self) -> Checkpoint | None:
        found = standing.latest_checkpoint(self._listed)
        return Checkpoint(self, found) if found else None

    def checkpoint(self, which: str | int | None = None) -> Checkpoint:
        """The checkpoint of a number or tag, `best` or `latest`; by default the best, else the latest.

        Raises UnknownId.
        """
        return named_checkpoint.find(self, which)

    # Its files

    def code(self) -> tuple[TreeEntry, ...]:
        """What the code snapshot holds; empty where none was taken."""
        source = self._listed.experiment.source
        return self.project.repository.content.tree(source.tree) if source else ()

    def open(self, path: str) -> BinaryIO:
        """A seekable stream of a file of the best, else latest checkpoint; of the code when no checkpoint has it.

        A path may be shortened to its last parts where that is unambiguous. Raises UnknownId.
        """
        chosen = self.best() or self.latest()
        trees = [chosen.tree() if chosen else (), self.code()]
        return files.open_file(self.project.repository.content, trees, path, self.short_id)

    def plan_checkout(self, directory: str | None = None, *, paths: Sequence[str] = ()) -> Plan:
        """What bringing back the code, and over it the best, else latest checkpoint, would change in a directory.

        By default the project's own. `paths` are files, directories or globs of them. Raises UnknownId for a path that
        nothing matches.
        """
        chosen = self.best() or self.latest()
        return self.plan_with(chosen, directory, paths)

    def checkout(
        self,
        directory: str | None = None,
        *,
        paths: Sequence[str] = (),
        force: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Checkout:
        """Bring it back. Refuses to change files that are there unless `force`; keeps what it changes for `undo`."""
        return self.plan_checkout(directory, paths=paths).apply(force=force, progress=progress)

    def plan_with(self, checkpoint: Checkpoint | None, directory: str | None, paths: Sequence[str]) -> Plan:
        """As `plan_checkout`, with a checkpoint of one's choice; None: the code alone."""
        from kwrap.project import checkout

        content = self.project.repository.content
        entries = files.overlaid(self.code(), checkpoint.tree() if checkpoint else ())
        what = checkpoint.id if checkpoint else self.short_id
        return checkout.plan(content, entries, directory or self.project.directory, what, self.command, paths)

    # What it printed

    def logs(self, run: str | None = None, *, follow: bool = False) -> Iterator[OutputChunk]:
        """What a run printed, byte for byte, in order: chunks of one stream each, with their times.

        By default of the last attempt of rank 0. `follow` goes on until the run has ended. Raises UnknownId.
        """
        from kwrap.project import output

        return output.chunks(self.project.repository, self.state, run, follow=follow)

    # What a person says of it

    def tag(self, text: str) -> None:
        """Add a tag, by which it can be found. Raises UsageError for one that could not be typed again."""
        self._note(NoteKind.TAG, notes.checked_tag(text))

    def untag(self, text: str) -> None:
        """Take a tag away. Raises UnknownId when it has none such."""
        if text not in self.tags:
            raise UnknownId(f"experiment {self.short_id} has no tag '{text}'", hint=notes.tags_hint(self.tags))
        self._note(NoteKind.UNTAG, text)

    def note(self, text: str) -> None:
        """Add a note; the last one is shown."""
        self._note(NoteKind.NOTE, notes.checked_note(text))

    def delete(self) -> None:
        """Mark it as removed. Nothing of what it stored is freed by that."""
        self._note(NoteKind.DELETE)

    @property
    def deleted(self) -> bool:
        return standing.deleted(self._listed)

    def _note(self, kind: NoteKind, text: str = "") -> None:
        notes.add(self.project, self._listed, kind, text)

    def _now_ns(self) -> int:
        return self.project.clock.wall_ns()

    # For others to read

    def to_json(self) -> dict[str, Any]:
        """Everything known of it as plain values, for `json.dumps`. Stable: fields are added and never renamed."""
        from kwrap.project import export

        return export.experiment(self)

    def _repr_html_(self) -> str:
        from kwrap.project import html

        return html.experiment(self)
