"""One collector at a time: `gc/LOCK-…`.

Made first, and only then looked whether there is another: of two collectors that begin at once, both may step back, but
never does neither. A lock expires after a day, and sooner when its process is gone and was on this machine; whoever
holds one stops long before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from kwrap import processes
from kwrap.clock import SYSTEM, Clock, to_rfc3339
from kwrap.errors import NotFound, StorageError
from kwrap.ids import new_write_id
from kwrap.repository import layout, record_objects
from kwrap.repository.collector import condemned
from kwrap.repository.collector.condemned import HOUR_NS, LOCK_EXPIRES_NS
from kwrap.repository.collector.stopwatch import Stopwatch
from kwrap.storage.base import Storage, Stored

# What one collector may take. The rest of the day is how long it may be stopped between a look and what follows it.
_HELD_AT_MOST_NS = 12 * HOUR_NS


class CollectorLock:
    """The lock, held."""

    def __init__(self, storage: Storage, stored: Stored, clock: Clock) -> None:
        self._storage = storage
        self._stored = stored
        self._watch = Stopwatch(clock)
        # The storage's own clock has stamped the lock; its `now_ns` may be off by what an answer takes.
        self._offset_ns = stored.modified_ns - storage.now_ns()

    def now_ns(self) -> int:
        """The time by the clock that modification times are by."""
        return self._storage.now_ns() + self._offset_ns

    def check(self) -> None:
        """Raise StorageError unless it is still ours; asked before every few deletions."""
        if self._watch.elapsed_ns() > _HELD_AT_MOST_NS or self._storage.size(self._stored.name) is None:
            raise StorageError(
                f"the collection of {self._storage.url} was held up, and stops", hint="'kwrap gc' goes on with it"
            )


@contextmanager
def hold(storage: Storage, clock: Clock = SYSTEM) -> Iterator[CollectorLock]:
    """Be the one collector. Raises StorageError, transient, when there is another."""
    name = layout.collector_lock(new_write_id())
    record_objects.create_unique(storage, name, _encode(clock))
    try:
        locks = condemned.look(storage).locks
        own = next((one for one in locks if one.name == name), None)
        others = [one for one in locks if one.name != name]
        active = find_active(storage, others)
        if own is None or active is not None:
            raise StorageError(
                f"another 'kwrap gc' is at work in {storage.url}" + (f": {active}" if active else ""),
                hint="try again when it has ended; one that was killed on another machine counts for a day",
                transient=True,
            )
        for other in others:
            storage.delete(other.name)
        yield CollectorLock(storage, own, clock)
    finally:
        storage.delete(name)


def find_active(storage: Storage, locks: Iterable[Stored]) -> str | None:
    """Who collects now, in words; None when nobody does."""
    for stored in locks:
        if storage.now_ns() - stored.modified_ns >= LOCK_EXPIRES_NS:
            continue
        holder = _holder(storage, stored.name)
        if holder is not None:
            return holder
    return None


def _encode(clock: Clock) -> bytes:
    process = processes.identity(os.getpid())
    return json.dumps({"at": to_rfc3339(clock.wall_ns()), "host": os.uname().nodename, "process": process}).encode()


def _holder(storage: Storage, name: str) -> str | None:
    """None when the process was on this machine and is gone, or the lock is."""
    try:
        found = json.loads(storage.read(name))
        process = processes.Identity(*found["process"])
        if found["host"] == os.uname().nodename and not processes.is_alive(process):
            return None
        return f"process {process.pid} on {found['host']}, since {found['at']}"
    except NotFound:
        return None
    except (ValueError, KeyError, TypeError):
        return "one that does not say who it is"
