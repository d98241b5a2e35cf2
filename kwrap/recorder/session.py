"""The recorder of one run: follows its run directory and completes its record in the repository.

It may be killed at any instant and started again, or never have run: everything it does is done again from the run
directory with the same result. This thread alone follows and decides; what is large is carried by `kwrap-upload`.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

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
from kwrap.rundir import KEPT, RECORDED, Journal, RunDirectory, read_journal

# The watch costs more than a short command: it begins when the child has lived so long. The last look finds the rest.
_WATCH_AFTER_S = 0.1
_IDLE_LEAST_S, _IDLE_MOST_S = 0.1, 0.5
# Of a run whose recorder and supervisor were killed: what was written so long after the last sign of life may be its.
_UNSEEN_NS = int(2 * facts.HEARTBEAT_INTERVAL_S * 1e9)
# Exit status of a recorder, besides RECORDED and KEPT: another one is at work.
BUSY = 76
_WARNED = "warned"  # in the recorder's journal


class Live(NamedTuple):
    """What a recorder has that is at work beside its supervisor.

    `wake` ends when the supervisor does. `take_over` carries the child's output if the supervisor was killed; `let_go`
    lets go of that output and of the user's terminal, once the run is over.
    """

    wake: int
    take_over: Callable[[], None]
    let_go: Callable[[], None]


def record(run_directory: RunDirectory, live: Live | None) -> int:
    """Record a run to its end: RECORDED, KEPT or BUSY. `live` is None when the run is over already.

    What turns out to be missing in the repository then (it was removed meanwhile) is stored once more.
    """
    last_life_ns, alive_ns = int(run_directory.last_life_s() * 1e9), int(run_directory.last_alive_s() * 1e9)
    lock = run_directory.try_lock()
    if lock is None:
        return BUSY
    try:
        for session_live in (live, None):
            events = run_directory.events()
            if "created" not in events:
                return KEPT
            if "recorded" in events:  # and its removal was interrupted, or is under way
                run_directory.remove()
                return RECORDED
            session = Session(run_directory, events, session_live, last_life_ns, alive_ns)
            if session.run():
                return RECORDED
            if not session.lacking:
                break
        return KEPT
    finally:
        os.close(lock)


class Session:
    """One recorder at work."""

    def __init__(
        self,
        run_directory: RunDirectory,
        events: dict[str, dict[str, Any]],
        live: Live | None,
        last_life_ns: int,
        alive_ns: int,
    ) -> None:
        """`last_life_ns`: the last sign of the run or of a recorder of it; `alive_ns`: that of the command itself."""
        self.lacking = False
        self._alive_ns = alive_ns
        self._run_directory = run_directory
        self._events = events
        self._live = live
        self._warnings = _warnings_before(run_directory)
        self._warn_lock = threading.Lock()
        created = events["created"]
        self._id, self._run = created["experiment"], created["run"]
        self._spawned = events.get("spawned", {})
        self._follower = OutputFollower(run_directory)
        self._metrics = RunMetrics(created)
        self._segments = Segments(run_directory, self._id, self._run)
        self._journal = Journal(run_directory.recorder_journal)
        project = os.path.realpath(created["project_directory"])
        self._spool = Spool(run_directory, self._journal, project)
        self._offline: bool = created["offline"] and live is not None
        self._deposit = Deposit(events, self._spool, self._warn, offline=self._offline)
        self._watch = self._checkpoint_watch(project, last_life_ns)
        self._watching = False
        self._heartbeat_at_s = facts.HEARTBEAT_INTERVAL_S

    def run(self) -> bool:
        """Follow until the run has ended, then complete the record. Returns whether the repository has all of it.

        `lacking` is set when it takes what it is given and still lacks something.
        """
        self._deposit.start()
        idle_s = _IDLE_LEAST_S
        while self._live is not None and not self._ended(self._live, idle_s):
            moved = self._turn()
            idle_s = _IDLE_LEAST_S if moved or self._watch.busy else min(_IDLE_MOST_S, idle_s * 1.5)
        return self._finish()

    def _turn(self) -> bool:
        """One look at everything. Returns whether there was something new."""
        moved = self._follow()
        age_s = self._age_s()
        self._watch_checkpoints(age_s)
        self._send_if_due(age_s)
        if age_s >= self._heartbeat_at_s:
            self._heartbeat_at_s = age_s + facts.HEARTBEAT_INTERVAL_S
            self._run_directory.show_life()
            heartbeat = self._heartbeat(age_s)
            self._deposit.send_soon("heartbeat", lambda repository: repository.write_heartbeat(heartbeat))
        return moved

    def _follow(self) -> bool:
        if not self._metrics.wanted:
            return self._follower.skip()
        pieces = self._follower.read()
        for piece in pieces:
            self._segments.add(self._metrics.feed(piece))
        return bool(pieces)

    def _send_if_due(self, age_s: float, *, now: bool = False) -> None:
        """`now`: nothing hurries, and more may come than can wait in memory; so following waits for the repository."""
        end = self._follower.position
        if not (self._segments.due(age_s) and end):
            return

        def send(repository: Repository) -> None:
            self._segments.send(repository, end, age_s)

        if now:
            self._deposit.attempt(send)
        else:
            self._deposit.send_soon("segments", send)

    def _checkpoint_watch(self, project: str, last_life_ns: int) -> CheckpointWatch:
        created = self._events["created"]
        started_ns = self._spawned.get("wall_ns", created["wall_ns"])
        ended_ns = None
        if self._live is None:
            ended_ns = self._events.get("exited", {}).get("wall_ns", last_life_ns + _UNSEEN_NS)
        watch = CheckpointWatch(project, created["watch"], created["excluded"], started_ns, ended_ns)
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
                self._warn("watch_failed")
        self._watch.started_by(time.time_ns() - int(age_s * 1e9))
        for found in self._watch.settled():
            self._pin(found)

    def _pin(self, found: WeightSet) -> None:
        if self._live is not None:  # by the clock as it is now: it may have been set since the start
            t_s = self._age_s() - (time.time_ns() - found.at_ns) / 1e9
        else:
            t_s = (found.at_ns - self._spawned.get("wall_ns", found.at_ns)) / 1e9
        t_s = round(max(0.0, t_s), 3)
        for seen in found.files:
            self._watch.mark_recorded(seen.path, seen.version)
        try:
            entry = self._spool.pin(found, self._metrics.known.at(t_s, found.numbers), t_s, to_rfc3339(found.at_ns))
        except OSError:
            self._warn("checkpoint_not_pinned")
            return
        if entry is not None:
            self._deposit.add(entry)

    def _ended(self, live: Live, idle_s: float) -> bool:
        """Wait a moment; whether the run is over."""
        poll = select.poll()
        poll.register(live.wake, select.POLLIN)
        if not poll.poll(idle_s * 1000):
            return False
        os.close(live.wake)
        self._events = self._run_directory.events()
        if "exited" in self._events or self._outlive_supervisor(live):
            live.let_go()
        self._alive_ns = time.time_ns()
        return True

    def _outlive_supervisor(self, live: Live) -> bool:
        """The supervisor was killed: carry the child's output in its place until the child is gone.

        Returns whether there is nothing to carry any more, not from what the child left behind either.
        """
        carrier = threading.Thread(target=live.take_over, name="kwrap-carrier", daemon=True)
        carrier.start()
        spawned = self._spawned
        if spawned:
            child = processes.Identity(spawned["pid"], spawned["start_ticks"], spawned["boot_id"])
            while processes.is_alive(child):
                self._turn()
                time.sleep(_IDLE_MOST_S / 2)
        carrier.join(1.0)
        return not carrier.is_alive()

    def _finish(self) -> bool:
        """Everything that is left, then the outcome, then the proof that the repository has it all."""
        while self._follow():
            self._send_if_due(self._age_s(), now=self._live is None)
        self._segments.add(self._metrics.finish())
        self._watch.stop()
        if not self._spool.looked:
            for found in self._watch.settled(final=True):
                self._pin(found)
            self._spool.mark_looked()
        repository = self._deposit.finish()
        try:
            complete = repository is not None and self._complete(repository)
            self.lacking = repository is not None and not complete
        except (StorageError, Damaged):  # a damaged segment is for 'verify' to name; the run directory stays
            complete = False
        self._follower.close()
        if not complete:
            self._keep_warnings()
        self._journal.close()
        if complete:
            self._run_directory.mark_recorded()
            self._run_directory.remove()
        return complete

    def _keep_warnings(self) -> None:
        """For the recorder that will complete the record."""
        try:
            self._journal.append(_WARNED, counts=self._warnings)
        except OSError:
            pass

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
            alive_ns=self._alive_ns,
        )
        self._deposit.write_outcome(repository, written)
        return (
            self._segments.complete(repository)
            and repository.outcome(self._id, self._run) is not None
            and repository.has_experiment(self._id)
        )

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
        if code == "storage_failed" and self._offline:
            return  # it was not tried, as was asked for
        with self._warn_lock:
            self._warnings[code] += 1


def _warnings_before(run_directory: RunDirectory) -> Counter[str]:
    """What earlier recorders of the run counted, as far as they came to write it down: the last knew of the others'."""
    kept = [entry["counts"] for entry in read_journal(run_directory.recorder_journal) if entry["event"] == _WARNED]
    return Counter(kept[-1] if kept else {})
