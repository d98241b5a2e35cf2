"""The recorder of one run: follows its run directory and completes its record in the repository.

It may be killed at any instant and started again, or never have run: everything it does is done again from the run
directory with the same result. This thread alone follows and decides; what is large is carried by `kwrap-upload`.
"""

from __future__ import annotations

import os
import select
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from kwrap import processes
from kwrap.clock import to_rfc3339
from kwrap.errors import Damaged, StorageError
from kwrap.recorder import facts, outcome
from kwrap.recorder.checkpoints import CheckpointWatch, WeightSet
from kwrap.recorder.deposit import Deposit
from kwrap.recorder.follow import OutputFollower
from kwrap.recorder.metrics import RunMetrics
from kwrap.recorder.segments import Segments
from kwrap.recorder.spool import Spool
from kwrap.records import Heartbeat
from kwrap.repository.repository import Repository
from kwrap.rundir import Journal, RunDirectory

# The watch costs more than a short command: it begins when the child has lived so long. The last look finds the rest.
_WATCH_AFTER_S = 0.1
_IDLE_LEAST_S, _IDLE_MOST_S = 0.1, 0.5


def record(run_directory: RunDirectory, wake: int | None, take_over: Callable[[], None] | None) -> bool | None:
    """Record a run to its end. Returns whether the repository has all of it; None when another recorder is at work.

    `wake` ends when the supervisor does; None: the run is over already. `take_over` carries the child's output if the
    supervisor was killed.
    """
    lock = run_directory.try_lock()
    if lock is None:
        return None
    try:
        events = run_directory.events()
        if "created" not in events:
            return False
        return Session(run_directory, events, wake, take_over).run()
    finally:
        os.close(lock)


class Session:
    """One recorder at work."""

    def __init__(
        self,
        run_directory: RunDirectory,
        events: dict[str, dict[str, Any]],
        wake: int | None,
        take_over: Callable[[], None] | None,
    ) -> None:
        self._run_directory = run_directory
        self._events = events
        self._wake = wake
        self._live = wake is not None
        self._take_over = take_over
        self._warnings: Counter[str] = Counter()
        self._warn_lock = threading.Lock()
        created = events["created"]
        self._id, self._run = created["experiment"], created["run"]
        self._spawned = events.get("spawned", {})
        self._follower = OutputFollower(run_directory)
        self._metrics = RunMetrics(created)
        self._segments = Segments(run_directory, self._id, self._run)
        self._journal = Journal(run_directory.recorder_journal)
        self._spool = Spool(run_directory, self._journal, created["project_directory"])
        self._deposit = Deposit(events, self._spool, self._warn, offline=created["offline"] and self._live)
        self._watch = self._checkpoint_watch(created)
        self._watching = False
        self._heartbeat_at_s = facts.HEARTBEAT_INTERVAL_S

    def run(self) -> bool:
        """Follow until the run has ended, then complete the record."""
        self._deposit.start()
        idle_s = _IDLE_LEAST_S
        while not self._ended(idle_s):
            moved = self._turn()
            idle_s = _IDLE_LEAST_S if moved or self._watch.busy else min(_IDLE_MOST_S, idle_s * 1.5)
        return self._finish()

    def _turn(self) -> bool:
        """One look at everything. Returns whether there was something new."""
        moved = self._follow()
        age_s = self._age_s()
        self._watch_checkpoints(age_s)
        if self._segments.due(age_s) and self._follower.position:
            self._deposit.attempt(lambda repository: self._segments.send(repository, self._follower.position, age_s))
        if age_s >= self._heartbeat_at_s:
            self._heartbeat_at_s = age_s + facts.HEARTBEAT_INTERVAL_S
            self._deposit.attempt(lambda repository: repository.write_heartbeat(self._heartbeat(age_s)))
        return moved

    def _follow(self) -> bool:
        if not self._metrics.wanted:
            return self._follower.skip()
        pieces = self._follower.read()
        for piece in pieces:
            self._segments.add(self._metrics.feed(piece))
        return bool(pieces)

    def _checkpoint_watch(self, created: dict[str, Any]) -> CheckpointWatch:
        started_ns = self._spawned.get("wall_ns", created["wall_ns"])
        watch = CheckpointWatch(created["project_directory"], created["watch"], created["excluded"], started_ns)
        for path, version in self._spool.known_versions.items():
            watch.mark_recorded(path, version)
        return watch

    def _watch_checkpoints(self, age_s: float) -> None:
        if not self._watching:
            if age_s < _WATCH_AFTER_S:
                return
            self._watching = True
            try:
                self._watch.start()
            except OSError:
                self._warn("watch_failed")  # inotify has no more watches: the last look at the end finds the files
        for found in self._watch.settled(time.time_ns()):
            self._pin(found)

    def _pin(self, found: WeightSet) -> None:
        started_ns = self._spawned.get("wall_ns", found.at_ns)
        t_s = round(max(0.0, (found.at_ns - started_ns) / 1e9), 3)
        for seen in found.files:
            self._watch.mark_recorded(seen.path, seen.version)
        try:
            entry = self._spool.pin(found, self._metrics.known.at(t_s, found.numbers), t_s, to_rfc3339(found.at_ns))
        except OSError:
            self._warn("checkpoint_not_pinned")
            return
        if entry is not None:
            self._deposit.add(entry)

    def _ended(self, idle_s: float) -> bool:
        """Wait a moment; whether the run is over."""
        if self._wake is None:
            return True
        readable, _, _ = select.select([self._wake], [], [], idle_s)
        if not readable:
            return False
        os.close(self._wake)
        self._wake = None
        self._events = self._run_directory.events()
        if "exited" not in self._events:
            self._outlive_supervisor()
        return True

    def _outlive_supervisor(self) -> None:
        """The supervisor was killed: carry the child's output in its place until the child is gone."""
        carrier = threading.Thread(target=self._take_over or (lambda: None), name="kwrap-carrier", daemon=True)
        carrier.start()
        spawned = self._spawned
        if not spawned:
            return
        child = processes.Identity(spawned["pid"], spawned["start_ticks"], spawned["boot_id"])
        while processes.is_alive(child):
            self._turn()
            time.sleep(_IDLE_MOST_S / 2)
        carrier.join(1.0)

    def _finish(self) -> bool:
        """Everything that is left, then the outcome, then the proof that the repository has it all."""
        if self._live:
            _release_terminal()
        while self._follow():
            pass
        self._segments.add(self._metrics.finish())
        self._watch.stop()
        for found in self._watch.settled(time.time_ns(), final=True):
            self._pin(found)
        repository = self._deposit.finish()
        try:
            complete = repository is not None and self._complete(repository)
        except (StorageError, Damaged):  # a damaged segment is for 'verify' to name; the run directory stays
            complete = False
        self._follower.close()
        self._journal.close()
        if complete:
            Journal(self._run_directory.journal).append("recorded", wall_ns=time.time_ns())
            shutil.rmtree(self._run_directory.path, ignore_errors=True)
            _remove_if_empty(os.path.dirname(self._run_directory.path))
        return complete

    def _complete(self, repository: Repository) -> bool:
        self._segments.send(repository, self._follower.position, self._age_s())
        written = outcome.build(
            self._run_directory,
            self._events,
            metrics=self._metrics.summaries(),
            metric_points=self._segments.points,
            checkpoints=self._spool.committed,
            warnings={**self._warnings, **self._metrics.warnings()},
            output_bytes=self._follower.position,
        )
        self._deposit.write_outcome(repository, written)
        return self._segments.complete(repository) and repository.outcome(self._id, self._run) is not None

    def _heartbeat(self, age_s: float) -> Heartbeat:
        known = self._metrics.known.latest()
        return Heartbeat(
            experiment=self._id,
            run=self._run,
            at=to_rfc3339(time.time_ns()),
            interval_s=facts.HEARTBEAT_INTERVAL_S,
            t_s=round(age_s, 3),
            step=known.step,
            metrics=known.metrics,
            output_bytes=self._follower.position,
        )

    def _age_s(self) -> float:
        now_ns = time.monotonic_ns()
        started_ns: int = self._spawned.get("monotonic_ns", now_ns)
        return (now_ns - started_ns) / 1e9

    def _warn(self, code: str) -> None:
        """Count something that went wrong on our side; from any thread."""
        with self._warn_lock:
            self._warnings[code] += 1


def _release_terminal() -> None:
    """The run is over: hold the terminal, or the pipe that a `| tee` waits for, no longer."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _remove_if_empty(directory: str) -> None:
    try:
        os.rmdir(directory)
    except OSError:
        pass
