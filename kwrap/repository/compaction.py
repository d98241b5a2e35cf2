"""Compaction: the many small events of the log joined in few segments, by whoever comes by.

Any number may do it at once, and be killed at any point: a segment is created under a name of its own, what it replaces
is deleted a day later, and by then every reader finds the segment. Segments of like size are merged, so that there are
few (each more than twice those after it together) and an event is written again about as often as their number doubles.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby, islice
from typing import NamedTuple

from kwrap import ids
from kwrap.errors import Damaged, NotFound
from kwrap.repository import events, index, layout, log_segments, record_objects, told
from kwrap.repository.following import in_parallel
from kwrap.repository.log_segments import Header
from kwrap.repository.told import Told
from kwrap.storage.base import Storage, Stored

LOOSE = 1000  # events that may lie about on their own
_MOST = 10_000  # events that are joined at once, in memory
KEPT_NS = 24 * 3600 * 1_000_000_000  # how long what was replaced stays, for those who have just listed it
_LARGEST_BYTES = 8 << 20  # compressed: larger ones are merged no more, so that whoever comes by is not kept for long
_HEADER_BYTES = 1 << 20  # in which the first line of a segment lies
_FEW = 100  # experiments that may be read anew in passing


def compact(storage: Storage, *, loose: int = LOOSE) -> bool:
    """Join the loose events when there are more than that, and delete what was replaced long ago.

    Whether it did. Raises StorageError; nothing is lost by that.
    """
    listed = list(storage.list(layout.LOG))
    if len(listed) <= loose:
        return False
    log = _Log(storage, listed)
    log.delete_old()
    fresh = log.loose()
    if len(fresh) <= loose:
        return False
    try:
        _write_segment(storage, log, fresh[:_MOST], log.to_merge(len(fresh[:_MOST])))
    except Damaged:  # a segment; readers tell it
        _write_segment(storage, log, fresh[:_MOST], [])
    return True


def _write_segment(storage: Storage, log: _Log, fresh: Sequence[str], merged: Sequence[_Segment]) -> None:
    every: list[Iterable[bytes]] = [*(_lines_of(storage, one) for one in merged), _lines_of_events(storage, fresh)]
    untold = [] if log.is_complete() else log.untold(every[-1])
    if untold:
        every.append(sorted(_read_anew(storage, untold, {}), key=log_segments.experiment_of))
    header = Header(
        events=frozenset(fresh).union(*(one.header.events & log.names for one in merged)),
        segments=frozenset(one.name for one in merged).union(*(one.header.segments & log.names for one in merged)),
        amount=len(fresh) + sum(one.header.amount for one in merged),
        complete=untold is not None,
    )
    data = log_segments.encode(header, _joined(storage, every))
    record_objects.create_unique(storage, layout.log_segment(ids.new_note_id(storage.now_ns())), data)


class _Segment(NamedTuple):
    """A segment as it is listed, with its first line."""

    name: str
    size_bytes: int
    modified_ns: int
    header: Header


class _Log:
    """What a log consists of at one moment."""

    def __init__(self, storage: Storage, listed: Sequence[Stored]) -> None:
        self._storage = storage
        self._now_ns = storage.now_ns()
        self.names = frozenset(one.name for one in listed)
        stored = [one for one in listed if one.name.startswith(layout.INDEX)]
        self._events = [one.name for one in listed if not one.name.startswith(layout.INDEX)]
        read = in_parallel(self._header, stored, storage.parallel)
        self._segments = [
            _Segment(*one, header) for one, header in zip(stored, read, strict=True) if header is not None
        ]
        self._replaced = frozenset[str]().union(*(one.header.segments for one in self._segments))

    def _header(self, one: Stored) -> Header | None:
        """None for a damaged one, which is left alone: readers tell it."""
        try:
            data = self._storage.read_range(one.name, 0, _HEADER_BYTES)
            return log_segments.decode_header(data, one.name)
        except (Damaged, NotFound):
            return None

    def delete_old(self) -> None:
        """Delete what was replaced a day ago."""
        old = [one for one in self._segments if one.modified_ns < self._now_ns - KEPT_NS]
        gone = frozenset[str]().union(*(one.header.events | one.header.segments for one in old))
        for name in sorted(gone & self.names):
            self._storage.delete(name)

    def loose(self) -> list[str]:
        """Events that no segment has."""
        told_of = frozenset[str]().union(*(one.header.events for one in self._segments))
        return [name for name in self._events if name not in told_of]

    def _current(self) -> list[_Segment]:
        return [one for one in self._segments if one.name not in self._replaced]

    def is_complete(self) -> bool:
        return any(one.header.complete for one in self._segments)

    def to_merge(self, amount: int) -> list[_Segment]:
        """The segments that are not much larger than what comes to them, smallest first."""
        merged = []
        for one in sorted(self._current(), key=lambda one: one.header.amount):
            if one.header.amount > 2 * amount or one.size_bytes > _LARGEST_BYTES:
                break
            amount += one.header.amount
            merged.append(one)
        return merged

    def untold(self, fresh: Iterable[bytes]) -> list[str] | None:
        """Experiments that nothing tells of; None when they are too many to be read in passing."""
        known = {log_segments.experiment_of(line).decode() for line in fresh}
        for one in self._current():
            known.update(log_segments.experiment_of(line).decode() for line in _lines_of(self._storage, one))
        found = []
        for stored in self._storage.list(layout.EXPERIMENTS):
            key = layout.of_experiment(stored.name)
            if stored.name == layout.experiment(key) and key not in known:
                found.append(key)
                if len(found) > _FEW:
                    return None
        return found


def _lines_of(storage: Storage, one: _Segment) -> Iterator[bytes]:
    yield from log_segments.decode(storage.read(one.name), f"{storage.url}/{one.name}")[1]


def _lines_of_events(storage: Storage, names: Sequence[str]) -> list[bytes]:
    """The events joined, sorted. What they do not tell is read from the records."""
    known: dict[str, Told] = {}
    anew = set()
    for name, data in zip(
        names, in_parallel(partial(index.read_or_none, storage), names, storage.parallel), strict=True
    ):
        found = _event(name, data)
        if found is None:  # damaged; its name says all but what it told
            anew.add(layout.event_experiment(name))
            found = Told(layout.event_experiment(name), {}, last=layout.event_id(name), removed=told.DOUBTFUL)
        before = known.get(found.experiment)
        known[found.experiment] = before.joined(found) if before else found
    anew.update(islice((key for key, one in known.items() if one.removed and one.is_lacking), _FEW))
    lines = [log_segments.line(one) for key, one in known.items() if key not in anew]
    return sorted([*lines, *_read_anew(storage, anew - {""}, known)], key=log_segments.experiment_of)


def _event(name: str, data: bytes | None) -> Told | None:
    try:
        return told.of_event(events.decode(data, name), layout.event_id(name)) if data is not None else None
    except Damaged:
        return None


def _read_anew(storage: Storage, wanted: Iterable[str], known: Mapping[str, Told]) -> list[bytes]:
    """Lines of experiments, from their records. Of one that was removed that is said on: older lines are not its."""
    lines = []
    for key in sorted(wanted):
        records = events.tellable(index.read_those(storage, index.record_names(storage, key)))
        one = known.get(key, Told(key, {}))
        # Not by the clock of whoever comes by, which may be ahead by years: by those who told.
        if not records:
            one = replace(one, records={}, checkpoints=(), last="", removed=one.removed or one.last)
        lines.append(log_segments.line(replace(one, records=records)))
    return lines


def _joined(storage: Storage, every: Sequence[Iterable[bytes]]) -> Iterator[bytes]:
    """The lines of all, one for each experiment, in order."""
    in_order = heapq.merge(*every, key=log_segments.experiment_of)
    for _, group in groupby(in_order, key=log_segments.experiment_of):
        first, *others = group
        if not others:
            yield first
            continue
        one = log_segments.decode_line(first, storage.url)
        for line in others:
            one = one.joined(log_segments.decode_line(line, storage.url))
        yield log_segments.line(one)
