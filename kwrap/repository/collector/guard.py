"""What every writer of content does before it commits, so that a collector may work beside it.

A writer relies on content that is there already, and a collector may be about to delete just that. So a commit looks
at the collector's lists first: what they name is stored again, which gives it a new time of modification, and the
collector passes over whatever has another than its list says. While it deletes, the writer steps back and tries later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from kwrap.clock import SYSTEM, Clock
from kwrap.errors import Damaged, StorageError
from kwrap.repository import layout
from kwrap.repository.collector import condemned
from kwrap.repository.collector.condemned import DAY_NS, MINUTE_NS, Look, Standing
from kwrap.repository.collector.lock import find_active
from kwrap.repository.collector.stopwatch import Stopwatch
from kwrap.repository.content import Content
from kwrap.storage.base import Storage, Stored

T = TypeVar("T")

# From the look at the lists to the commit. A collector waits for longer (`collect.SWEEP_NS`) between its announcement
# and its last look at the records.
COMMIT_WITHIN_NS = 10 * MINUTE_NS
# So long are lists remembered as done, and may storing take before it is gone over again; the collector keeps what is
# done for a week.
_KNOWN_FOR_NS = 3 * DAY_NS
_ATTEMPTS = 20


class Guard:
    """Commits of one writer, one after the other. What it stores must not rely on what it knew before `commit`."""

    def __init__(self, storage: Storage, clock: Clock = SYSTEM) -> None:
        self._storage = storage
        self._clock = clock
        self._content = Content(storage)
        self._known: tuple[frozenset[str], Stopwatch] | None = None
        self._read: dict[str, dict[str, Stored]] = {}

    def commit(
        self,
        store: Callable[[Collection[str]], T],
        trees: Callable[[T], Iterable[str]],
        write: Callable[[T], object],
    ) -> T:
        """Store content, make sure that all of it stays, and then write the record that names it; what `store` gave.

        `store` stores what is not there, and the hashes it is given even if they are; it may be called several times,
        until the record is written. `trees` are the manifests that the record will name. Raises what they raise;
        StorageError, transient, when a collector is deleting what they need: try again later.
        """
        with self._storage.writers_lock(shared=True):
            before, stored = self._store(store)
            written = False
            for _ in range(_ATTEMPTS):
                watch, look = Stopwatch(self._clock), condemned.look(self._storage)
                lacking = self._lacking(look, before, trees(stored))
                if lacking is None:
                    continue
                if lacking:
                    stored = store(lacking)
                    continue
                if not written and watch.elapsed_ns() <= COMMIT_WITHIN_NS:
                    write(stored)
                    written = True
                # A commit that came late may have missed a collector: then look again, while the bytes are still here.
                if written and watch.elapsed_ns() <= COMMIT_WITHIN_NS:
                    self._known = (look.done(), watch)
                    return stored
        raise self._later()

    def _store(self, store: Callable[[Collection[str]], T]) -> tuple[frozenset[str], T]:
        """What is stored, and the lists that were done before anything was looked for."""
        while True:
            if self._known is None or self._known[1].elapsed_ns() > _KNOWN_FOR_NS:
                watch = Stopwatch(self._clock)
                self._known = (condemned.look(self._storage).done(), watch)
            before, watch = self._known
            stored = store(frozenset())
            if watch.elapsed_ns() <= _KNOWN_FOR_NS:
                return before, stored

    def _lacking(self, look: Look, before: frozenset[str], trees: Iterable[str]) -> Collection[str] | None:
        """The hashes that must be stored again; None when it is to be looked again."""
        lists = [one for one in look.lists if one.id not in before]
        self._read = {one.id: self._read[one.id] for one in lists if one.id in self._read}
        if not lists:
            return ()
        stems, lacking = self._stems(trees)
        for one in lists:
            objects = self._objects(one)
            hits = {stem for name in objects if (stem := name.partition(".")[0]) in stems}
            if hits and one.done_ns is None:
                if find_active(self._storage, look.locks) is not None:
                    raise self._later()
                if one.swept_ns is not None:
                    # Nobody acts on it now. Whoever will finds it gone, and announces it anew; whoever has come just
                    # now is seen by the next look, since it made its lock before it looked.
                    self._storage.delete(layout.sweep(one.id))
                    return None
            lacking |= {stem[-64:] for stem in hits if not self._stays(stem, one, objects)}
        return lacking

    def _stems(self, trees: Iterable[str]) -> tuple[set[str], set[str]]:
        """What all the content of some trees is called, without suffixes; and those of the trees that are not there."""
        stems, lacking = set(), set()
        for tree in trees:
            stems.add(layout.tree(tree).partition(".")[0])
            try:
                entries = self._content.tree(tree)
            except Damaged:
                lacking.add(tree)
                continue
            for entry in entries:
                if entry.pack is not None:
                    stems.add(layout.pack(entry.pack).partition(".")[0])
                stems.update(layout.blob(sha256, compressed=False) for sha256, _ in entry.pieces)
        return stems, lacking

    def _objects(self, one: Standing) -> dict[str, Stored]:
        if one.id not in self._read:
            try:
                self._read[one.id] = dict(condemned.read(self._storage, one.id).objects)
            except Damaged as error:  # no fault of what is being stored, which a Damaged would say
                raise StorageError(error.message, hint=error.hint) from error
        return self._read[one.id]

    def _stays(self, stem: str, one: Standing, objects: dict[str, Stored]) -> bool:
        """Whether it is there, and in a form that the list does not mean. What a list that is done has left, it
        leaves."""
        return any(
            one.done_ns is not None
            or stored.name not in objects
            or objects[stored.name].modified_ns != stored.modified_ns
            for stored in self._storage.list(stem)
        )

    def _later(self) -> StorageError:
        return StorageError(
            f"'kwrap gc' is deleting what this needs in {self._storage.url}",
            hint="try again in a few minutes",
            transient=True,
        )
