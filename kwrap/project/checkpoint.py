"""The handle of a checkpoint: a version of an experiment's outputs, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from kwrap import records
from kwrap.errors import UnknownId, UsageError
from kwrap.project import files, named_checkpoint, notes
from kwrap.records import CheckpointFile, MetricPoint, NoteKind
from kwrap.repository import rows
from kwrap.repository import status as standing
from kwrap.repository.trees import TreeEntry

if TYPE_CHECKING:
    from kwrap.project.checkout import Checkout, Plan
    from kwrap.project.experiment import Experiment


@dataclass(frozen=True, slots=True, repr=False)
class Checkpoint:
    """One checkpoint of an experiment: files that settled together, with the metrics known then."""

    experiment: Experiment
    record: records.Checkpoint

    def __repr__(self) -> str:
        step = f", step {self.step}" if self.step is not None else ""
        return f"<checkpoint {self.id}{step}, {self.size_bytes:,} bytes>"

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def id(self) -> str:
        """`k3f9qx7a@3`, as it can be typed."""
        return f"{self.experiment.short_id}@{self.sequence}"

    @property
    def sequence(self) -> int:
        return self.record.sequence

    @property
    def step(self) -> int | None:
        return self.record.step

    @property
    def epoch(self) -> float | None:
        return self.record.epoch

    @property
    def created_at(self) -> str:
        """RFC 3339, UTC."""
        return self.record.created_at

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The last values known when its files settled: numbers, and whatever else Keepsake was given as a metric."""
        return rows.metrics_of(self.record)

    def points(self) -> list[MetricPoint]:
        """The same as points, so that they can stand beside those of the experiment."""
        return [
            MetricPoint(name, value, step=self.step, epoch=self.epoch, t_s=self.record.t_s)
            for name, value in self.record.metrics.items()
        ]

    @property
    def files(self) -> tuple[CheckpointFile, ...]:
        """Raises Damaged where only the files themselves say what they are, and cannot be read."""
        return self.experiment.project.repository.files_of(self.record)

    @property
    def size_bytes(self) -> int:
        return self.record.size_bytes

    @property
    def tags(self) -> tuple[str, ...]:
        return standing.checkpoint_tags(self.experiment.state).get(self.sequence, ())

    @property
    def note_text(self) -> str | None:
        """The note that counts: the last one written of this checkpoint."""
        return standing.note_text(self.experiment.state, self.sequence)

    def is_best(self) -> bool:
        return standing.best_checkpoint(self.experiment.state) == self.record

    def tree(self) -> tuple[TreeEntry, ...]:
        """The entries of its manifest; empty where it has no files."""
        return self.experiment.project.repository.content.tree(self.record.tree) if self.record.tree else ()

    def open(self, path: str) -> BinaryIO:
        """A seekable stream of one of its files. Raises UnknownId."""
        return files.open_file(self.experiment.project.repository.content, [self.tree()], path, self.id)

    def plan_checkout(self, directory: str | None = None, *, paths: Sequence[str] = ()) -> Plan:
        """As of an experiment: its code, and over it the files of this checkpoint."""
        return self.experiment.plan_with(self, directory, paths)

    def checkout(
        self,
        directory: str | None = None,
        *,
        paths: Sequence[str] = (),
        force: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Checkout:
        """As of an experiment."""
        return self.plan_checkout(directory, paths=paths).apply(force=force, progress=progress)

    def tag(self, text: str) -> None:
        """Add a tag: `ID@TAG` names this checkpoint from now on."""
        if text in (named_checkpoint.BEST, named_checkpoint.LATEST) or text.isdecimal():
            raise UsageError(f"'@{text}' names a checkpoint already", hint="choose another word")
        self._note(NoteKind.TAG, notes.checked_tag(text))

    def untag(self, text: str) -> None:
        """Take a tag away. Raises UnknownId when it has none such."""
        if text not in self.tags:
            raise UnknownId(f"checkpoint {self.id} has no tag '{text}'", hint=notes.tags_hint(self.tags))
        self._note(NoteKind.UNTAG, text)

    def note(self, text: str) -> None:
        """Add a note to this checkpoint."""
        self._note(NoteKind.NOTE, notes.checked_note(text))

    def delete(self) -> None:
        """Mark it as removed."""
        self._note(NoteKind.DELETE)

    def _note(self, kind: NoteKind, text: str = "") -> None:
        notes.add(self.experiment.project, self.experiment.state, kind, text, self.sequence)

    def to_json(self) -> dict[str, Any]:
        """Everything known of it as plain values, for `json.dumps`. Raises Damaged as `files` does."""
        from kwrap.project import export

        return export.checkpoint(self, self.files)

    def _repr_html_(self) -> str:
        from kwrap.project import html

        return html.checkpoint(self)
