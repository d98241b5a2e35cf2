"""What the tests of the log share: a storage with a clock that can be set wrong, and one that counts requests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from record_makers import checkpoint, experiment, outcome, run

from kwrap import ids
from kwrap.clock import from_rfc3339, to_rfc3339
from kwrap.encoding import to_json
from kwrap.records import PrimaryMetric
from kwrap.repository import layout, log_segments
from kwrap.repository.told import Told
from kwrap.storage.base import Storage, Stored
from kwrap.storage.memory import MemoryStorage

START_NS = from_rfc3339("2026-11-21T20:00:00.000Z")
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS


class Clock:
    """The true time, which only tests move."""

    def __init__(self) -> None:
        self.now_ns = START_NS


class ClockedStorage(MemoryStorage):
    """One storage as a client sees it whose clock is wrong by so much; objects are shared, and have the true time."""

    def __init__(self, clock: Clock, skew_ns: int = 0, shared: ClockedStorage | None = None) -> None:
        super().__init__("clocked://storage")
        self.clock = clock
        self.skew_ns = skew_ns
        if shared is not None:
            self._objects, self._lock = shared._objects, shared._lock

    def now_ns(self) -> int:
        return self.clock.now_ns + self.skew_ns

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        with self._lock:
            found = sorted(item for item in self._objects.items() if item[0].startswith(prefix) and item[0] > after)
        return (Stored(name, len(data), modified_ns) for name, (data, modified_ns) in found)

    def write(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None:
        super().write(name, data)
        self._stamp(name)

    def create(self, name: str, data: bytes) -> None:
        super().create(name, data)
        self._stamp(name)

    def _stamp(self, name: str) -> None:
        with self._lock:
            self._objects[name] = (self._objects[name][0], self.clock.now_ns)


_REQUESTS = ("read", "read_range", "open", "write", "create", "size", "delete", "is_empty")


class Counting:
    """Passes every call on, and counts what would be a request to a bucket: a listing is one for each 1,000 names."""

    def __init__(self, storage: Storage, url: str = "counted://storage") -> None:
        self._storage = storage
        self.url = url
        self.parallel = 4
        self.requests: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found: Callable[..., Any] = getattr(self._storage, name)
        if name not in _REQUESTS:
            return found

        def counted(*arguments: Any, **options: Any) -> Any:
            self.requests[name] += 1
            return found(*arguments, **options)

        return counted

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        self.requests["list"] += 1
        for number, one in enumerate(self._storage.list(prefix, after)):
            if number and number % 1000 == 0:
                self.requests["list"] += 1
            yield one


def fill(storage: Storage, amount: int) -> list[str]:
    """So many finished experiments, a minute apart, told in one segment of the log; their ids, oldest first."""
    every = [_finished(number) for number in range(amount)]
    for one in every:
        for name, record in one.records.items():
            storage.create(name, json.dumps(record).encode())
    header = log_segments.Header(frozenset(), frozenset(), amount, True)
    lines = [log_segments.line(one) for one in every]
    storage.create(layout.log_segment(ids.new_note_id(START_NS)), log_segments.encode(header, lines))
    return [one.experiment for one in every]


def _finished(number: int) -> Told:
    at_ns = START_NS - 100_000 * MINUTE_NS + number * MINUTE_NS
    key = f"{ids.moment(at_ns)[:15]}-k{number:07d}"
    of = {"experiment": key, "run": "r0-a1"}
    made = experiment(id=key, created_at=to_rfc3339(at_ns), name=f"name-{number}", tags=(f"tag-{number}",))
    ended = outcome(**of, duration_s=1.0, metric_points=2)
    last = checkpoint(1, **of, metrics={"loss": number / 7}, primary_metric=PrimaryMetric(name="loss"))
    records = {
        layout.experiment(key): made,
        layout.run(key, "r0-a1"): run(experiment=key, started_at=made.created_at),
        layout.outcome(key, "r0-a1"): ended,
        layout.checkpoint(key, 1): last,
    }
    return Told(key, {name: to_json(record) for name, record in records.items()}, (1,), last=ids.moment(at_ns))
