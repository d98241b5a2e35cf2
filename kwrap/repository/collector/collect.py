"""The collector: frees what no record names, while any number of writers go on without a lock.

Four steps, each by whoever calls next: condemn what is not named, in a list; an hour later announce that it will be
deleted; a quarter of an hour later look at all records again, and delete what is still not named and has not been
stored again; say that the list is done. What each step relies on is told in `docs/decisions/0007-…`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kwrap import ids
from kwrap.clock import SYSTEM, Clock
from kwrap.errors import StorageError
from kwrap.repository import layout, record_objects
from kwrap.repository.collector import condemned, reachable, removed
from kwrap.repository.collector.condemned import DAY_NS, HOUR_NS, MINUTE_NS, Look, Standing
from kwrap.repository.collector.lock import CollectorLock, hold
from kwrap.repository.collector.reachable import Hashes
from kwrap.repository.collector.removed import Removed
from kwrap.repository.workers import in_order
from kwrap.storage.base import Storage, Stored

# Content that is younger is most likely being uploaded: to condemn it would be safe, and have it uploaded twice.
YOUNG_NS = DAY_NS
CONDEMNED_NS = HOUR_NS
# More than a writer may take from its look at the lists to its commit (`guard.COMMIT_WITHIN_NS`).
SWEEP_NS = 15 * MINUTE_NS
# A removed experiment whose run has no outcome is left alone until it was silent for so long.
PATIENCE_NS = DAY_NS
PATIENCE_NOW_NS = 10 * MINUTE_NS
# Longer than a writer remembers that a list was not yet done (`guard`).
_KEPT_NS = 7 * DAY_NS
_LIST_OBJECTS = 50_000  # of one list: writers read them, 7 MB each

Progress = Callable[[str], object]


class Pace(NamedTuple):
    """How long things take. Another than the usual is for tests that show why it is the usual one."""

    young_ns: int = YOUNG_NS
    condemned_ns: int = CONDEMNED_NS
    sweep_ns: int = SWEEP_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection did. `freed`: deleted by this call; `condemned`: what is on its way; `young`: named by nothing,
    but stored within the last day, and left for later.

    `due_ns`: when the next step may be taken, by the storage's clock; None: there is none.
    """

    freed_bytes: int = 0
    freed_objects: int = 0
    freed_experiments: int = 0
    condemned_bytes: int = 0
    condemned_objects: int = 0
    condemned_experiments: int = 0
    young_bytes: int = 0
    young_objects: int = 0
    due_ns: int | None = None


class Found(NamedTuple):
    """What is named by nothing."""

    old: list[Stored]
    young: list[Stored]


class Collector:
    """Collects in one storage. `progress` is told in a word what is being done, at every object or folder."""

    def __init__(
        self,
        storage: Storage,
        *,
        clock: Clock = SYSTEM,
        progress: Progress = lambda _: None,
        pace: Pace = Pace(),  # noqa: B008 - immutable
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._progress = progress
        self._pace = pace

    def preview(self) -> Collected:
        """What there is to free. Changes nothing."""
        now_ns = self._storage.now_ns()
        look = condemned.look(self._storage)
        gone = removed.find(self._storage, now_ns, PATIENCE_NS)
        found = self._unnamed(gone, now_ns)
        records = [stored for one in sorted(gone.experiments) for stored in removed.records_of(self._storage, one)]
        dues = [self._due_ns(one) for one in look.live()]
        return Collected(
            condemned_bytes=_size(found.old) + _size(records),
            condemned_objects=len(found.old),
            condemned_experiments=len(_experiments(records)),
            young_bytes=_size(found.young),
            young_objects=len(found.young),
            due_ns=max(dues, default=None),
        )

    def advance(self, *, condemn: bool = True) -> Collected:
        """Take the steps that are due. Without `condemn`, no new list is begun.

        Raises StorageError, transient, while another collector is at work; Damaged when a record or manifest cannot be
        read, for what it names is not known then.
        """
        with hold(self._storage, self._clock) as lock:
            look = condemned.look(self._storage)
            now_ns = lock.now_ns()
            self._forget(look, now_ns)
            live, due = [], []
            for one in look.live():
                if one.swept_ns is None and now_ns >= self._due_ns(one):
                    self._storage.write(layout.sweep(one.id), b"\n")
                    one = one._replace(swept_ns=now_ns)
                elif one.swept_ns is not None and now_ns >= self._due_ns(one):
                    due.append(one)
                    continue
                live.append(one)
            freed = self._act_on(due, lock) if due else Collected()
            if not due and all(one.done_ns is None or one.done_ns + HOUR_NS < now_ns for one in look.lists):
                self._delete_old_marks(now_ns)
            on_its_way = self._condemn(lock) if condemn and not live else self._condemned(live)
            return _together(freed, on_its_way)

    def now(self, *, force: bool) -> Collected:
        """Free all that is not named at once, which needs every writer to be kept off.

        `force`: without, as where the storage has no lock for writers; then the caller knows that nobody writes.
        Raises StorageError when writers cannot be kept off, or go on for long.
        """
        with self._storage.writers_lock(shared=False) as alone:
            if not alone and not force:
                raise StorageError(
                    f"{self._storage.url} cannot keep writers off, and --now would take away what they store",
                    hint="leave --now out; or add --force when nothing is recorded, copied or synced there now",
                )
            with hold(self._storage, self._clock) as lock:
                look, now_ns = condemned.look(self._storage), lock.now_ns()
                self._forget(look, now_ns)
                gone = removed.find(self._storage, now_ns, PATIENCE_NOW_NS)
                freed_records = self._delete_records(gone.experiments, lock)
                found = self._unnamed(gone, now_ns)
                freed = self._delete(found.old + found.young, Hashes(), lock)
                for one in look.live():
                    self._storage.write(layout.done(one.id), b"\n")
                return _together(freed_records, freed)

    # The steps

    def _condemn(self, lock: CollectorLock) -> Collected:
        """Write lists of what is named by nothing."""
        now_ns = lock.now_ns()
        gone = removed.find(self._storage, now_ns, PATIENCE_NS)
        found = self._unnamed(gone, now_ns)
        records = [stored for one in sorted(gone.experiments) for stored in removed.records_of(self._storage, one)]
        experiments = _experiments(records)
        left = found.old
        due_ns = None
        while left or experiments:
            lock.check()
            part, left = left[:_LIST_OBJECTS], left[_LIST_OBJECTS:]
            name = layout.condemned(ids.new_note_id(now_ns))
            record_objects.create_unique(self._storage, name, condemned.encode(part, experiments))
            experiments = []
            due_ns = lock.now_ns() + self._pace.condemned_ns
        return Collected(
            condemned_bytes=_size(found.old) + _size(records),
            condemned_objects=len(found.old),
            condemned_experiments=len(_experiments(records)),
            young_bytes=_size(found.young),
            young_objects=len(found.young),
            due_ns=due_ns,
        )

    def _delete_old_marks(self, now_ns: int) -> None:
        """Of experiments that went with an earlier collection: no reader is left that saw them and needs the mark."""
        for one in removed.find(self._storage, now_ns, PATIENCE_NS).experiments:
            removed.delete_old_marks(self._storage, one, now_ns - DAY_NS)

    def _condemned(self, live: Iterable[Standing]) -> Collected:
        """What the lists hold that are not yet due."""
        lists = {one: condemned.read(self._storage, one.id) for one in live}
        objects = [stored for found in lists.values() for stored in found.objects.values()]
        experiments = [one for found in lists.values() for one in found.experiments]
        records = [stored for one in experiments for stored in removed.records_of(self._storage, one)]
        return Collected(
            condemned_bytes=_size(objects) + _size(records),
            condemned_objects=len(objects),
            condemned_experiments=len(experiments),
            due_ns=max(map(self._due_ns, lists), default=None),
        )

    def _act_on(self, lists: list[Standing], lock: CollectorLock) -> Collected:
        """Look again, and delete what the lists name and nothing else does."""
        found = [condemned.read(self._storage, one.id) for one in lists]
        gone = removed.find(self._storage, lock.now_ns(), PATIENCE_NS)
        listed = {one for each in found for one in each.experiments}
        freed_records = self._delete_records(listed & gone.experiments, lock)
        named = self._mark(gone)
        freed = self._delete([stored for each in found for stored in each.objects.values()], named, lock)
        for one in lists:
            lock.check()
            self._storage.write(layout.done(one.id), b"\n")
        return _together(freed_records, freed)

    def _delete_records(self, experiments: Iterable[str], lock: CollectorLock) -> Collected:
        """Before the content that they name: whatever is listed can be checked out."""
        count = size_bytes = 0
        for one in sorted(experiments):
            lock.check()
            freed_bytes = removed.delete_records(self._storage, one)
            count += freed_bytes > 0
            size_bytes += freed_bytes
            self._progress("records")
        return Collected(freed_experiments=count, freed_bytes=size_bytes)

    def _delete(self, objects: Iterable[Stored], named: Hashes, lock: CollectorLock) -> Collected:
        """Delete objects that are not named, and that are still what they were when they were listed.

        Trees go first, so that of a tree which is there everything is.
        """
        folders: dict[str, dict[str, Stored]] = {}
        for stored in objects:
            if (layout.content_hash(stored.name) or "") not in named:
                folders.setdefault(stored.name.rpartition("/")[0] + "/", {})[stored.name] = stored

        def delete_in(folder: str) -> list[Stored]:
            lock.check()
            wanted = folders[folder]
            found = [one for one in self._storage.list(folder) if one.name in wanted]
            victims = [one for one in found if one.modified_ns == wanted[one.name].modified_ns]
            for one in victims:
                self._storage.delete(one.name)
                self._progress("deleted")
            return victims

        freed: list[Stored] = []
        for kind in (layout.TREES, layout.PACKS, layout.BLOBS):
            mine = sorted(folder for folder in folders if folder.startswith(kind))
            for victims in in_order(delete_in, mine, threads=self._storage.parallel, most=2 * self._storage.parallel):
                freed += victims
        return Collected(freed_bytes=_size(freed), freed_objects=len(freed))

    # What they need

    def _mark(self, gone: Removed) -> Hashes:
        return reachable.mark(self._storage, gone, lambda: self._progress("trees"))

    def _unnamed(self, gone: Removed, now_ns: int) -> Found:
        named = self._mark(gone)
        found = Found([], [])

        def unnamed_in(prefix: str) -> list[Stored]:
            listed = ((layout.content_hash(stored.name), stored) for stored in self._storage.list(prefix))
            return [stored for sha256, stored in listed if sha256 is not None and sha256 not in named]

        parallel = self._storage.parallel
        for unnamed in in_order(unnamed_in, content_prefixes(), threads=parallel, most=2 * parallel):
            for stored in unnamed:
                old = stored.modified_ns + self._pace.young_ns <= now_ns
                (found.old if old else found.young).append(stored)
            self._progress("folders")
        return found

    def _due_ns(self, one: Standing) -> int:
        """When the next step of a list that is not done may be taken."""
        if one.swept_ns is not None:
            return one.swept_ns + self._pace.sweep_ns
        return one.written_ns + self._pace.condemned_ns

    def _forget(self, look: Look, now_ns: int) -> None:
        """Remove lists that were done long ago; what says so goes last."""
        for one in look.lists:
            if one.done_ns is not None and one.done_ns + _KEPT_NS < now_ns:
                for name in (layout.condemned(one.id), layout.sweep(one.id), layout.done(one.id)):
                    self._storage.delete(name)


def content_prefixes() -> Iterator[str]:
    """Of trees, packs and blobs: together, everything. Each can be listed by itself."""
    numbers = [f"{number:02x}/" for number in range(256)]
    yield from (layout.TREES + number for number in numbers)
    yield layout.PACKS
    yield from (layout.BLOBS + number for number in numbers)


def _experiments(records: Iterable[Stored]) -> list[str]:
    """Those that some records are of."""
    found = {
        stored.name[len(layout.EXPERIMENTS) : -len(".json")]
        if stored.name.startswith(layout.EXPERIMENTS)
        else stored.name.removeprefix("metadata/").split("/")[1]
        for stored in records
    }
    return sorted(found)


def _size(objects: Iterable[Stored]) -> int:
    return sum(stored.size_bytes for stored in objects)


def _together(one: Collected, other: Collected) -> Collected:
    """Two parts of one collection."""
    dues = [part.due_ns for part in (one, other) if part.due_ns is not None]
    sums = {
        name: getattr(one, name) + getattr(other, name) for name in Collected.__dataclass_fields__ if name != "due_ns"
    }
    return Collected(**sums, due_ns=max(dues, default=None))
