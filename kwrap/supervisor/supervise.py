"""Carrying one child from its start to its end: output, signals, terminal, reaping, and the recorder beside it.

One thread, one poll. It knows nothing of storage, metrics or GPUs; what it learns goes into the run directory.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from kwrap import processes
from kwrap.rundir import Journal, RunDirectory
from kwrap.supervisor import child as children
from kwrap.supervisor import stdio as standard
from kwrap.supervisor.accounting import Exit, Reaper
from kwrap.supervisor.ending import Ending
from kwrap.supervisor.keyboard import Keyboard
from kwrap.supervisor.pump import OutputLog, Pump
from kwrap.supervisor.recorder_process import Record, RecorderProcess
from kwrap.supervisor.signals import Signals, become_subreaper

# How long output is drained after the command ended while a process it left behind holds the pipe.
_DRAIN_S = 0.5


class Task(NamedTuple):
    """What is to be carried. `run_directory` and `journal` are None when nothing can be recorded."""

    argv: tuple[str, ...]
    program: str
    environment: Mapping[str, str]
    pty: bool | None
    unbuffer: bool
    grace_s: float
    run_directory: RunDirectory | None
    journal: Journal | None
    record: Record | None
    say: Callable[[str], None]


class Ended(NamedTuple):
    """How the command ended, and the recorder that may still be at work.

    `cannot_start` is the errno with which the system refused to execute it.
    """

    exit: Exit
    recorder_pid: int | None
    lost_bytes: int
    cannot_start: int | None


def supervise(task: Task) -> Ended:
    """Run the command to its end. Whatever fails on our side is said and counted; the command goes on."""
    standard.open_standard_descriptors()
    signals = Signals()
    become_subreaper()
    stdio = standard.prepare(task.pty)
    environment = dict(task.environment)
    unbuffered = task.unbuffer and not stdio.pty and "PYTHONUNBUFFERED" not in environment
    if unbuffered:
        environment["PYTHONUNBUFFERED"] = "1"
    child = children.fork(task.argv, task.program, environment, stdio, signals.mask_before)
    stdio.close_child_side()
    started_ns = time.monotonic_ns()
    identity = processes.identity(child.pid)
    _journal(
        task,
        "spawned",
        pid=identity.pid,
        start_ticks=identity.start_ticks,
        boot_id=identity.boot_id,
        wall_ns=time.time_ns(),
        monotonic_ns=started_ns,
        terminal=stdio.pty,
        combined=stdio.combined,
        unbuffered=unbuffered,
    )
    error = children.release(child)
    return _Carrier(task, child.pid, stdio, signals, _open_log(task, started_ns), error).run()


class _Carrier:
    """The state of one supervised child."""

    def __init__(
        self,
        task: Task,
        pid: int,
        stdio: standard.Stdio,
        signals: Signals,
        log: OutputLog | None,
        cannot_start: int | None,
    ) -> None:
        self._task = task
        self._signals = signals
        self._cannot_start = cannot_start
        self._log = log
        self._pump = Pump(stdio.sources, log)
        self._reaper = Reaper(pid)
        self._ending = Ending(pid, own_group=stdio.own_group, grace_s=task.grace_s)
        self._keyboard = Keyboard(stdio.sources[0][0], pid, keys=stdio.keyboard) if stdio.pty else None
        record = task.record if cannot_start is None else None
        self._recorder = RecorderProcess(record, self._take_over, signals.close)
        self._exit: Exit | None = None
        self._drain_until_s = 0.0
        self._owed_bytes = 0

    def run(self) -> Ended:
        if self._keyboard:
            self._keyboard.engage()
        try:
            self._start_recorder()
            while not self._finished():
                self._turn()
        finally:
            if self._keyboard:
                self._keyboard.close()
        return self._end()

    def _turn(self) -> None:
        """Wait for something to happen, and act on it."""
        poll = select.poll()
        poll.register(self._signals.descriptor, select.POLLIN)
        for descriptor, events in self._pump.interests():
            poll.register(descriptor, events)
        keys = self._keyboard.descriptor if self._keyboard else None
        if keys is not None:
            poll.register(keys, select.POLLIN)
        ready = dict(poll.poll(self._timeout_ms()))
        if self._signals.descriptor in ready:
            self._handle_signals()
        if keys is not None and keys in ready:
            self._handle_keys()
        self._pump.step(ready)
        self._ending.kill_if_due()
        if self._exit is None and self._recorder.seconds_until_restart() == 0:
            self._start_recorder()
        for notice in self._ending.notices:
            self._task.say(notice)
        self._ending.notices.clear()

    def _timeout_ms(self) -> float | None:
        """Until something is due by itself; None: only an event can change anything."""
        if self._exit is not None:
            return max(0.0, self._drain_until_s - time.monotonic()) * 1000 + 1 if self._pump.reading else None
        waits = [self._ending.seconds_left(), self._recorder.seconds_until_restart()]
        known = [wait for wait in waits if wait is not None]
        return min(known) * 1000 + 1 if known else None

    def _handle_signals(self) -> None:
        for number, from_kernel in self._signals.receive():
            if number == signal.SIGCHLD:
                self._reap()
            elif number == signal.SIGWINCH:
                if self._keyboard:
                    self._keyboard.resize()
            elif number == signal.SIGCONT:
                if self._keyboard:
                    self._keyboard.engage()
                self._ending.send(number)
            elif self._exit is None:
                self._ending.forward(number, from_kernel)
                if number == signal.SIGTERM:
                    _journal(self._task, "notice", signal=number, wall_ns=time.time_ns())
                if number == signal.SIGTSTP:
                    os.kill(os.getpid(), signal.SIGSTOP)

    def _handle_keys(self) -> None:
        assert self._keyboard is not None
        interrupts, suspended = self._keyboard.press()
        for _ in range(interrupts):
            self._ending.interrupted()
        if suspended:
            self._keyboard.suspend()

    def _reap(self) -> None:
        reaped = self._reaper.collect()
        if self._recorder.pid in reaped.helpers:
            self._recorder.died()
            self._ending.helpers.clear()
        if reaped.main is not None:
            self._exit = reaped.main
            self._owed_bytes = self._pump.carried_bytes + self._pump.unread_bytes()
            self._drain_until_s = time.monotonic() + _DRAIN_S

    def _finished(self) -> bool:
        """Ended, and all that the command itself wrote is carried; a daemon's output is not waited for."""
        if self._exit is None:
            return False
        if time.monotonic() >= self._drain_until_s and self._pump.carried_bytes >= self._owed_bytes:
            self._pump.reading = False
        return self._pump.ended or (not self._pump.reading and self._pump.relayed)

    def _start_recorder(self) -> None:
        try:
            self._recorder.start()
        except OSError as error:
            self._task.say(f"the recorder could not be started: {error}; trying again")
        if self._recorder.pid is not None:
            self._reaper.helpers.add(self._recorder.pid)
            self._ending.helpers = {self._recorder.pid}

    def _take_over(self) -> None:
        """In a recorder whose supervisor was killed: carry what the child prints from now on."""
        if self._keyboard:
            self._keyboard.release()
        self._pump.resume_log()
        self._pump.run()

    def _end(self) -> Ended:
        assert self._exit is not None
        own = frozenset([self._recorder.pid] if self._recorder.pid else [])
        left = [processes.command_line(pid) for pid in processes.descendants(os.getpid(), without=own)]
        if not self._pump.ended:
            self._leave_behind()
        lost_bytes = self._log.lost_bytes if self._log else 0
        _journal(
            self._task,
            "exited",
            exit_status=self._exit.status,
            signal=self._exit.signal,
            wall_ns=time.time_ns(),
            monotonic_ns=time.monotonic_ns(),
            usage=self._reaper.usage(),
            output_bytes=self._log.written_bytes if self._log else 0,
            output_lost_bytes=lost_bytes,
            relay_broken=self._pump.relay_broken,
            recorder_starts=self._recorder.starts,
            left_running=left[:20],
        )
        self._recorder.close()
        if left:
            self._task.say(f"left running: {', '.join(left[:3])}")
        self._pump.close()
        if self._log:
            self._log.close()
        self._signals.close()
        return Ended(self._exit, self._recorder.pid, lost_bytes, self._cannot_start)

    def _leave_behind(self) -> None:
        """A daemon still writes into our pipes: leave a process that relays it, unrecorded, lest it break on it."""
        if os.fork() == 0:
            try:
                self._recorder.close()
                self._signals.close()
                os.setsid()
                self._pump.stop_logging()
                self._pump.run()
            finally:
                os._exit(0)


def _open_log(task: Task, started_ns: int) -> OutputLog | None:
    if task.run_directory is None:
        return None
    try:
        return OutputLog(task.run_directory.output, task.run_directory.index, started_ns)
    except OSError as error:
        task.say(f"the output cannot be recorded: {error}")
        return None


def _journal(task: Task, event: str, **fields: object) -> None:
    if task.journal is None:
        return
    try:
        task.journal.append(event, **fields)
    except OSError as error:
        task.say(f"the record misses '{event}': {error}")
