"""What the log has told of records: digests, to compare the records with, and single records, to mend them from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from typing import Any

from kwrap.errors import Damaged, NotFound
from kwrap.repository import events, layout, log_segments, told
from kwrap.repository.told import Told
from kwrap.repository.verify.problems import Kind, Problem
from kwrap.repository.workers import in_order
from kwrap.storage.base import Storage

_Told = list[Told] | Problem


def digest(record: Any) -> bytes:
    """Equal for equal JSON values, however they are spelled."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).digest()


class Log:
    """The log as it was when this was made. `records`: digests, by the names of objects."""

    def __init__(self, storage: Storage, report: Callable[[Problem], object], wanted: Collection[str] | None) -> None:
        """`wanted`: of these experiments alone."""
        self._storage = storage
        self._wanted = wanted
        self.records: dict[str, set[bytes]] = {}
        self.checkpoints: dict[str, set[int]] = {}
        self._gone: dict[str, Told] = {}
        self.names: list[str] = []
        for name, found in self._read():
            self.names.append(name)
            if isinstance(found, Problem):
                report(found)
                continue
            for one in found:
                self._take(one)

    def is_gone(self, experiment_id: str) -> bool:
        """Whether the last that was told of it is that its records are gone."""
        found = self._gone.get(experiment_id)
        return found is not None and (found.is_gone or bool(found.removed > found.last))

    def find(self, names: Collection[str]) -> dict[str, list[Any]]:
        """Everything that was told of some records."""
        told_of: dict[str, list[Any]] = {}
        for _, found in self._read():
            for one in found if isinstance(found, list) else ():
                for name in names & one.records.keys() if isinstance(names, (set, frozenset)) else ():
                    if one.records[name] not in told_of.setdefault(name, []):
                        told_of[name].append(one.records[name])
        return told_of

    def _take(self, one: Told) -> None:
        for name, record in one.records.items():
            self.records.setdefault(name, set()).add(digest(record))
        if one.checkpoints:
            self.checkpoints.setdefault(one.experiment, set()).update(one.checkpoints)
        known = self._gone.get(one.experiment)
        bare = Told(one.experiment, {}, (), one.last, one.removed)
        self._gone[one.experiment] = known.joined(bare) if known else bare

    def _read(self) -> Iterator[tuple[str, _Told]]:
        names = [stored.name for stored in self._storage.list(layout.LOG)]
        if self._wanted is not None:
            wanted = self._wanted
            names = [one for one in names if one.startswith(layout.INDEX) or layout.event_experiment(one) in wanted]
        parallel = self._storage.parallel
        yield from zip(names, in_order(self._object, names, threads=parallel, most=2 * parallel), strict=True)

    def _object(self, name: str) -> _Told:
        where = f"{self._storage.url}/{name}"
        try:
            data = self._storage.read(name)
            if not name.startswith(layout.INDEX):
                return [self._event(name, data, where)]
            _, lines = log_segments.decode(data, where)
            every = (log_segments.decode_line(line, where) for line in lines)
            return [one for one in every if self._wanted is None or one.experiment in self._wanted]
        except NotFound:
            return []  # compacted since it was listed
        except (Damaged, ValueError) as error:
            message = error.message if isinstance(error, Damaged) else f"{where} is damaged: {error}"
            concerned = layout.event_experiment(name)
            return Problem(kind=Kind.WRONG, object=name, message=message, experiments=(concerned,) if concerned else ())

    def _event(self, name: str, data: bytes, where: str) -> Told:
        event = events.decode(data, where)
        if event.experiment != layout.event_experiment(name):
            raise Damaged(f"{where} is damaged: it is of another experiment than its name says")
        strange = [one for one in event.records if layout.of_experiment(one) != event.experiment]
        if strange:
            raise Damaged(f"{where} is damaged: it tells of {strange[0]}")
        return told.of_event(event, layout.event_id(name))
