"""The whole check, in an order that those who write meanwhile do not disturb.

What is named is stored before its name, and told of after it. So the log is read first, then the records, then what
lies there: whatever the one names must be in the next.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext

from kwrap.repository import layout
from kwrap.repository.collector import removed
from kwrap.repository.collector.condemned import DAY_NS
from kwrap.repository.verify import content, names, records, segments
from kwrap.repository.verify.content import ContentCheck, Trees
from kwrap.repository.verify.log import Log
from kwrap.repository.verify.problems import Problem, Verified
from kwrap.repository.verify.surplus import report_bookkeeping, report_surplus
from kwrap.storage.base import Storage

Steps = Callable[[str], object]
# A function that is told of bytes as they are read, for as long as they are; it is given how many there will be.
Reading = Callable[[int], AbstractContextManager[Callable[[int], object]]]
_NAMING = (layout.TREES, layout.EXPERIMENTS, layout.CHECKPOINTS)


class Check:
    """One check. `problems` and what it knew are there after `run`."""

    def __init__(self, storage: Storage, wanted: Collection[str] | None, *, full: bool) -> None:
        """`wanted`: of these experiments alone; None: of all, and of whatever else lies there."""
        self._storage = storage
        self._wanted = None if wanted is None else frozenset(wanted)
        self._full = full
        self.problems: list[Problem] = []

    def run(
        self,
        steps: Steps = lambda _: None,
        reading: Reading = lambda _: nullcontext(lambda _: None),
    ) -> Verified:
        storage, report = self._storage, self.problems.append
        self.removed = removed.find(storage, storage.now_ns(), DAY_NS)
        self.log = Log(storage, report, self._wanted)
        self.records = records.check_records(storage, self.log, self.removed, self._wanted, report)
        steps("records")
        self.trees = Trees(storage, self.records.roots)
        listed = [stored for stored in segments.listed(storage, self._wanted) if names.is_known(stored.name)]
        objects, strange = content.present(storage)
        check = ContentCheck(storage, self.trees, objects)
        check.look(steps)
        segment_names = [stored.name for stored in listed]
        if self._full:
            segments.read(storage, segment_names, report, steps)
            to_read = sorted(objects if self._wanted is None else check.names & objects.keys())
            with reading(sum(objects[name].size_bytes for name in to_read)) as progress:
                check.read(to_read, progress)
        segments.count(storage, self.records.outcomes, segment_names, report)
        self.problems += check.problems()
        if self._wanted is None:
            # What is named is not known while a record or a manifest cannot be read.
            known = not any(one.object.startswith(_NAMING) for one in self.problems)
            unnamed = [stored for name, stored in objects.items() if known and name not in check.names]
            report_surplus(storage, unnamed, strange, self.removed, report)
            report_bookkeeping(storage, report)
        looked_at = [one for one in objects.values() if self._wanted is None or one.name in check.names]
        return Verified(
            full=self._full,
            experiments=len(self.records.experiments),
            objects=len(looked_at) + len(listed) + len(self.records.names),
            size_bytes=sum(one.size_bytes for one in (*looked_at, *listed)) + self.records.size_bytes,
            problems=tuple(self.problems),
        )
