"""`Project.collect`: freeing what no experiment names any more, step by step or all at once."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

from kwrap.clock import Clock
from kwrap.errors import UsageError
from kwrap.repository.collector.collect import Collected, Collector, Progress
from kwrap.storage.base import Storage
from kwrap.storage.leftovers import remove_unfinished
from kwrap.storage.read_only import ReadOnly

__all__ = ["Collected", "collect"]

_UNFINISHED_NS = 7 * 24 * 3600 * 1_000_000_000


def collect(
    storage: Storage,
    clock: Clock,
    *,
    dry_run: bool,
    now: bool,
    wait: bool,
    force: bool,
    progress: Progress,
    pause: Callable[[float], object] | None = None,
) -> Collected:
    """See `Project.collect`. `pause` waits for so many seconds."""
    if now and wait:
        raise UsageError("--now and --wait exclude each other", hint="--now waits for nothing")
    if force and not now:
        raise UsageError("--force is for --now", hint="without --now nothing needs to be forced")
    if isinstance(storage, ReadOnly):
        storage.batch()  # says why it is
    collector = Collector(storage, clock=clock, progress=progress)
    if dry_run:
        return collector.preview()
    remove_unfinished(storage, storage.now_ns() - _UNFINISHED_NS)
    if now:
        return collector.now(force=force)
    done = collector.advance()
    while wait and done.due_ns is not None:
        (pause or threading.Event().wait)(max(done.due_ns - storage.now_ns(), 0) / 1e9 + 1)
        step = collector.advance(condemn=False)
        done = dataclasses.replace(
            step,
            freed_bytes=done.freed_bytes + step.freed_bytes,
            freed_objects=done.freed_objects + step.freed_objects,
            freed_experiments=done.freed_experiments + step.freed_experiments,
        )
    return done
