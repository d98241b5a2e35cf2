"""What the log has told of one experiment: the union of its events, in any order. Pure.

Events may come twice, late or not at all; a union does not mind the first two, and says when something is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kwrap import ids
from kwrap.encoding import from_json
from kwrap.errors import Damaged
from kwrap.records import Checkpoint, Experiment, Heartbeat, Note, Outcome, Run, State
from kwrap.repository import events, layout

# An object may be seen so long after the time in its name, and writers' clocks may differ by so much.
OVERLAP_NS = 15 * 60 * 1_000_000_000

# In place of the id of an event that told of a removal: there may have been one. Whoever reads it looks at the records.
DOUBTFUL = "0"

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Told:
    """Records as JSON values under the names of their objects, and the numbers of the checkpoints there should be.

    `last` and `removed`: the ids of the last event that told a record, and of the last that told they are gone; empty
    when there is none. Ids sort by time.
    """

    experiment: str
    records: Mapping[str, Any]
    checkpoints: tuple[int, ...] = ()
    last: str = ""
    removed: str = ""
    text: str | None = field(default=None, compare=False, repr=False)  # the JSON it was read from

    def joined(self, other: Told) -> Told:
        """What both say. Of an experiment that is gone, no more than that."""
        last, removed = max(self.last, other.last), max(self.removed, other.removed)
        numbers = tuple(sorted({*self.checkpoints, *other.checkpoints}))
        joined = Told(self.experiment, {**self.records, **other.records}, numbers, last, removed)
        return Told(self.experiment, {}, (), last, removed) if joined.is_gone else joined

    @property
    def is_gone(self) -> bool:
        """Whether it was removed, and so long after anything else was told that no clocks can be to blame."""
        return bool(self.removed) and ids.moment_ns(self.removed) > ids.moment_ns(self.last) + OVERLAP_NS

    @property
    def record(self) -> Mapping[str, Any] | None:
        """The experiment's own record; None when that was not told, or is another's."""
        found = self.records.get(layout.experiment(self.experiment))
        return found if isinstance(found, dict) and found.get("id") == self.experiment else None

    @property
    def is_lacking(self) -> bool:
        """Whether the records themselves must be read: some were not told, or were removed and came again."""
        if self.is_gone:
            return False
        known = self.records
        lacks = any(layout.checkpoint(self.experiment, one) not in known for one in self.checkpoints)
        return lacks or bool(self.removed) or self.record is None

    @property
    def is_open(self) -> bool:
        """Whether some run of it may go on: one without an outcome."""
        runs = [name for name in self.records if name.startswith(layout.RUNS)]
        ended = {name for name in self.records if name.startswith(layout.OUTCOMES)}
        return not ended or any(name.replace(layout.RUNS, layout.OUTCOMES) not in ended for name in runs)

    def to_fields(self) -> dict[str, Any]:
        """As a segment's line has it."""
        fields: dict[str, Any] = {"experiment": self.experiment, "records": self.records, "last": self.last}
        if self.checkpoints:
            fields["checkpoints"] = self.checkpoints
        if self.removed:
            fields["removed"] = self.removed
        return fields


def of_event(event: events.Event, event_id: str) -> Told:
    return Told(
        event.experiment,
        event.records,
        event.checkpoints,
        last=event_id if event.records else "",
        removed=event_id if event.removed else "",
    )


def from_fields(fields: Mapping[str, Any], text: str | None = None) -> Told:
    """From a segment's line, of this text. Raises ValueError, TypeError or KeyError for one that makes no sense."""
    experiment, records = fields["experiment"], fields["records"]
    if not isinstance(experiment, str) or not isinstance(records, dict):
        raise ValueError("its fields are of another type")
    return Told(
        experiment,
        records,
        tuple(fields.get("checkpoints", ())),
        fields.get("last", ""),
        fields.get("removed", ""),
        text,
    )


def state(told: Told, heartbeats: Mapping[str, Any], url: str) -> tuple[State | None, list[str]]:
    """The records together, and a sentence for each that makes no sense. None without the experiment's own."""
    problems: list[str] = []
    found = {**told.records, **heartbeats}
    own = layout.experiment(told.experiment)
    experiments = list(_of(Experiment, (own,), found, url, problems))
    if not experiments or experiments[0].id != told.experiment:
        return None, problems
    names = sorted(found)
    made = State(
        experiment=experiments[0],
        runs=tuple(sorted(_under(layout.RUNS, Run, names, found, url, problems), key=lambda o: (o.rank, o.attempt))),
        outcomes=tuple(_under(layout.OUTCOMES, Outcome, names, found, url, problems)),
        checkpoints=tuple(
            sorted(_under(layout.CHECKPOINTS, Checkpoint, names, found, url, problems), key=lambda one: one.sequence)
        ),
        heartbeats=tuple(_under(layout.HEARTBEATS, Heartbeat, names, found, url, problems)),
        notes=tuple(_under(layout.NOTES, Note, names, found, url, problems)),
    )
    return made, problems


def _under(
    folder: str, record_type: type[R], names: Iterable[str], found: Mapping[str, Any], url: str, problems: list[str]
) -> Iterable[R]:
    return _of(record_type, (name for name in names if name.startswith(folder)), found, url, problems)


def _of(
    record_type: type[R], names: Iterable[str], found: Mapping[str, Any], url: str, problems: list[str]
) -> Iterable[R]:
    for name in names:
        if name in found:
            try:
                yield from_json(record_type, found[name])
            except Damaged as error:
                problems.append(f"{url}/{name} is damaged: {error.message}")
