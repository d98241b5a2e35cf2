"""Following a repository's log into the cache: what is new there, and nothing else.

One listing of the heartbeats, one of the log, and a reading of each object that is new. Heartbeats are listed first: of
a run whose heartbeat is gone by then, the outcome is told by now. What was lost or is damaged is mended by reading the
records of the experiments concerned. Reads in parallel, for as long as `follow` lasts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from kwrap import ids
from kwrap.errors import Damaged, NotFound, StorageError
from kwrap.repository import events, index, layout, log_segments, told
from kwrap.repository.cache import Cache
from kwrap.repository.told import OVERLAP_NS, Told
from kwrap.storage.base import Storage, Stored

if TYPE_CHECKING:
    from sqlite3 import Connection

_WHOLE_EVERY_S = 3600  # how often the whole log is listed: writers whose clocks are further behind are seen then
_AT_ONCE = 2000  # lines of a segment, or events, between two looks by others
_FEW = 16  # experiments whose records are read one by one rather than by folder

T = TypeVar("T")
R = TypeVar("R")


def follow(storage: Storage, cache: Cache) -> None:
    """Bring the cache up to date. Raises Unusable when it cannot be, StorageError when the storage cannot be read."""
    for _ in range(2):
        if _Following(storage, cache).run():
            return
        cache.clear()  # it is of a repository that was here before, or that was put back to what it was
    raise StorageError(f"the log of {storage.url} changes while it is read", transient=True)


class _Following:
    """One bringing up to date."""

    def __init__(self, storage: Storage, cache: Cache) -> None:
        self._storage = storage
        self._cache = cache
        self._now_ns = storage.now_ns()
        # Also what a process that was killed had found, and did not come to mend.
        self._mend = {key for (key,) in cache.query("SELECT substr(key, 6) FROM facts WHERE key GLOB 'mend *'")}
        self._changed = False

    def run(self) -> bool:
        """False when the log is not the one that the cache followed."""
        newest = str(self._cache.fact("newest") or "")
        first = self._cache.fact("whole_ns") is None
        whole = first or not 0 <= self._now_ns - int(self._cache.fact("whole_ns")) < _WHOLE_EVERY_S * 1_000_000_000
        beats = list(self._storage.list(layout.HEARTBEATS))
        after = "" if whole else _from(newest)
        names = [stored.name for stored in self._storage.list(layout.LOG, after)]
        segments = [name for name in names if name.startswith(layout.INDEX)]
        told_of = [name for name in names if not name.startswith(layout.INDEX)]
        complete = self._read_segments(segments)
        seen = dict(self._cache.among("SELECT name, replaced FROM seen WHERE name", names))
        if not self._is_same_log(newest, set(names), after):
            return False
        self._read_events([name for name in told_of if name not in seen])
        self._read_heartbeats(beats)
        if first and not complete:
            self._mend_untold()
        self._mend_all()
        self._settle(names, whole, newest, told_of)
        return True

    # What is told

    def _read_segments(self, names: Sequence[str]) -> bool:
        """Newest first: what they replace need not be read. Whether one says that the log tells of everything."""
        complete = False
        for name in reversed(names):
            if self._cache.query("SELECT 1 FROM seen WHERE name = ?", (name,)):
                continue
            try:
                complete |= self._read_segment(name)
            except (Damaged, NotFound) as error:
                self._cache.set_problem(name, error.message)
                self._see([name])
                self._mend_untold(everything=True)
        return complete

    def _read_segment(self, name: str) -> bool:
        where = f"{self._storage.url}/{name}"
        header, lines = log_segments.decode(self._storage.read(name), where)
        replaced = header.events | header.segments
        known = [one for (one,) in self._cache.among("SELECT name FROM seen WHERE name", replaced)]
        if len(known) < len(replaced) or not replaced:
            for part in _parts(lines, _AT_ONCE):
                self._join([log_segments.decode_line(line, where) for line in part])
        self._see([name])
        self._see(replaced, replaced=1)
        return header.complete

    def _read_events(self, names: Sequence[str]) -> None:
        for part in _parts(iter(names), _AT_ONCE):
            found: list[Told] = []
            for name, data in self._read(part):
                try:
                    event = events.decode(data, f"{self._storage.url}/{name}") if isinstance(data, bytes) else None
                except Damaged:
                    event = None
                if event is None:
                    self._mend_event(name)
                else:
                    found.append(told.of_event(event, layout.event_id(name)))
            self._join(found)
            self._see(part)

    def _mend_event(self, name: str) -> None:
        """It cannot be read, or no longer: its name says of which experiment it was."""
        experiment_id = layout.event_experiment(name)
        if experiment_id:
            self._mend.add(experiment_id)
        else:
            self._cache.set_problem(name, f"{self._storage.url}/{name} is damaged: its name is not that of an event")

    def _join(self, every: Sequence[Told]) -> None:
        known, changed = self._cache.join(every)
        self._changed |= changed
        self._mend.update(one.experiment for one in known if one.is_lacking)

    def _see(self, names: Iterable[str], replaced: int = 0) -> None:
        with self._cache.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", [(name, replaced) for name in names])
            self._remember_mends(connection)

    def _remember_mends(self, connection: Connection) -> None:
        """Together with what says that they were found."""
        connection.executemany("INSERT OR IGNORE INTO facts VALUES (?, '')", [(f"mend {one}",) for one in self._mend])

    def _is_same_log(self, newest: str, names: set[str], after: str) -> bool:
        """Whether the newest event that was read, and every segment, is still there or was replaced."""
        rows = self._cache.query("SELECT name FROM seen WHERE replaced = 0 AND name > ?", (layout.INDEX,))
        kept = [name for (name,) in rows]
        if newest and not self._cache.query("SELECT 1 FROM seen WHERE name = ? AND replaced = 1", (newest,)):
            kept.append(newest)
        return all(name in names for name in kept)

    # Heartbeats

    def _read_heartbeats(self, beats: Sequence[Stored]) -> None:
        known = dict(self._cache.query("SELECT name, modified_ns FROM heartbeats"))
        there = {beat.name: beat.modified_ns for beat in beats if beat.name.endswith(".json")}
        changed = [name for name, at in there.items() if known.get(name) != at]
        gone = [name for name in known if name not in there]
        if not changed and not gone:
            return
        rows = []
        for name, data in self._read(changed):
            text, problem = _heartbeat(data, f"{self._storage.url}/{name}")
            if text is None and problem is None:
                gone.append(name)  # since it was listed
            else:
                rows.append((name, layout.of_experiment(name), there[name], text, problem))
        self._mend.update(self._unknown({layout.of_experiment(name) for name in changed}))
        self._mend.update(self._without_end(gone))
        self._write_heartbeats(rows, gone)

    def _write_heartbeats(
        self, rows: Sequence[tuple[str, str, int, str | None, str | None]], gone: Sequence[str]
    ) -> None:
        with self._cache.writing() as connection:
            for name, key, modified_ns, text, problem in rows:
                connection.execute(
                    "INSERT OR REPLACE INTO heartbeats VALUES (?, ?, ?, ?)", (name, key, modified_ns, text)
                )
                connection.execute("DELETE FROM problems WHERE key = ?", (name,))
                if problem:
                    connection.execute("INSERT INTO problems VALUES (?, ?, ?)", (name, key, problem))
            connection.executemany("DELETE FROM heartbeats WHERE name = ?", [(name,) for name in gone])
            connection.executemany("DELETE FROM problems WHERE key = ?", [(name,) for name in gone])
            of = {(layout.of_experiment(name),) for name in (*gone, *(row[0] for row in rows))}
            connection.executemany("UPDATE experiments SET row = NULL WHERE id = ?", list(of))
            self._remember_mends(connection)

    def _unknown(self, keys: Iterable[str]) -> set[str]:
        wanted = set(keys)
        return wanted - {key for (key,) in self._cache.among("SELECT id FROM experiments WHERE there AND id", wanted)}

    def _without_end(self, gone: Sequence[str]) -> Iterator[str]:
        """Those whose heartbeat went, though no outcome of that run was told."""
        known = self._cache.told({layout.of_experiment(name) for name in gone})
        for name in gone:
            one = known.get(layout.of_experiment(name))
            if one and not one.is_gone and name.replace(layout.HEARTBEATS, layout.OUTCOMES) not in one.records:
                yield one.experiment

    # Mending

    def _mend_untold(self, *, everything: bool = False) -> None:
        """Find experiments that the log did not tell of: of an older kwrap, made by hand, or in a damaged segment."""
        listed = [stored.name for stored in self._storage.list(layout.EXPERIMENTS)]
        found = {name[len(layout.EXPERIMENTS) : -len(".json")] for name in listed if name.endswith(".json")}
        self._mend.update(found if everything else self._unknown(found))

    def _mend_all(self) -> None:
        if not self._mend:
            return
        self._changed = True
        wanted = sorted(self._mend)
        if len(wanted) <= _FEW:
            read = {one: index.read_those(self._storage, index.record_names(self._storage, one)) for one in wanted}
        else:
            read = self._by_folder(set(wanted))
        now = ids.moment(self._now_ns)
        for part in _parts(iter(wanted), _AT_ONCE):
            self._cache.join([self._mended(one, read.get(one, {}), now) for one in part], instead=True)
            for one in part:
                self._tell_of_missing(one, read.get(one, {}))
        with self._cache.writing() as connection:
            connection.executemany("DELETE FROM facts WHERE key = ?", [(f"mend {one}",) for one in wanted])

    def _mended(self, experiment_id: str, found: dict[str, bytes], now: str) -> Told:
        """What the records themselves say."""
        records = {name: record for name, data in found.items() if (record := self._record(name, data)) is not None}
        return Told(experiment_id, records, (), last=now if records else "", removed="" if records else now)

    def _record(self, name: str, data: bytes) -> dict[str, object] | None:
        try:
            return events.shortened(events.parsed(data, f"{self._storage.url}/{name}"))
        except Damaged as error:
            self._cache.set_problem(name, error.message, layout.of_experiment(name))
            return None

    def _tell_of_missing(self, experiment_id: str, found: dict[str, bytes]) -> None:
        """As gathering does: of records without their experiment."""
        own = layout.experiment(experiment_id)
        if own not in found and any(name.startswith((layout.OUTCOMES, layout.CHECKPOINTS)) for name in found):
            text = f"{self._storage.url}/{own} is missing, though other records of that experiment are there"
            self._cache.set_problem(own, text, experiment_id)

    def _by_folder(self, wanted: set[str]) -> dict[str, dict[str, bytes]]:
        """The records of many: each folder is listed once."""
        read: dict[str, dict[str, bytes]] = {}
        folders = (layout.EXPERIMENTS, layout.RUNS, layout.NOTES, layout.CHECKPOINTS, layout.OUTCOMES)
        for folder in folders:
            names = (stored.name for stored in self._storage.list(folder) if stored.name.endswith(".json"))
            mine = [name for name in names if layout.of_experiment(name) in wanted]
            for name, data in self._read(mine):
                if isinstance(data, bytes):
                    read.setdefault(layout.of_experiment(name), {})[name] = data
        return read

    # The end

    def _settle(self, names: Sequence[str], whole: bool, newest: str, told_of: Sequence[str]) -> None:
        """Remember how far the log was read."""
        now = layout.event(ids.moment(self._now_ns), "")
        before = [name for name in told_of if name <= now]  # a writer's clock may be ahead by years
        facts: dict[str, object] = {}
        if before and max(before) > newest:
            facts["newest"] = max(before)
        if whole:
            facts["whole_ns"] = self._now_ns
            there = {*names, newest}
            old = [(name,) for (name,) in self._cache.query("SELECT name FROM seen") if name not in there]
            with self._cache.writing() as connection:
                connection.executemany("DELETE FROM seen WHERE name = ?", old)
        if self._changed or self._cache.fact("total") is None:
            facts["total"] = self._cache.query("SELECT count(*) FROM experiments WHERE listed")[0][0]
        if facts:
            self._cache.set_facts(facts)

    def _read(self, names: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Each object's bytes, as many at once as the storage takes; None for one that is gone."""
        work = partial(index.read_or_none, self._storage)
        return zip(names, in_parallel(work, names, self._storage.parallel), strict=True)


def in_parallel(work: Callable[[T], R], items: Sequence[T], threads: int) -> Iterator[R]:
    """The results in order; threads `kwrap-read` live until the last is taken."""
    if len(items) <= 2 or threads <= 1:
        return map(work, items)
    return _pooled(work, items, threads)


def _pooled(work: Callable[[T], R], items: Sequence[T], threads: int) -> Iterator[R]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(threads, len(items)), thread_name_prefix="kwrap-read") as pool:
        for at in range(0, len(items), 64 * threads):  # so that what is read and not yet used stays bounded
            yield from pool.map(work, items[at : at + 64 * threads])


def _from(newest: str) -> str:
    """After which name to list the log, so that what came late is listed again."""
    at_ns = ids.moment_ns(layout.event_id(newest))
    return layout.event(ids.moment(at_ns - OVERLAP_NS), "") if at_ns > OVERLAP_NS else ""


def _heartbeat(data: bytes | None, where: str) -> tuple[str | None, str | None]:
    """Its JSON text, or what is wrong with it; neither when there is none."""
    if data is None:
        return None, None
    try:
        return json.dumps(events.parsed(data, where)), None
    except Damaged as error:
        return None, error.message


def _parts(items: Iterator[T], amount: int) -> Iterator[list[T]]:
    while part := list(islice(items, amount)):
        yield part
