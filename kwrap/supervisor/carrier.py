"""The life of one child after its start: output, signals, terminal, reaping, and the recorder beside it.

One thread, one poll. Whatever happens is acted on within one turn, and no turn waits for anything but the poll.
"""

from __future__ import annotations

import os
import select
import signal
import time

from kwrap import processes
from kwrap.supervisor import stdio as standard
from kwrap.supervisor.accounting import Exit, Reaper
from kwrap.supervisor.ending import Ending
from kwrap.supervisor.keyboard import Keyboard
from kwrap.supervisor.pump import OutputLog, Pump
from kwrap.supervisor.recorder_process import RecorderProcess
from kwrap.supervisor.signals import END_WANTED, Signals, stop_job
from kwrap.supervisor.task import Ended, Task

# How long output is drained after the command ended while a process it left behind holds the pipe.
_DRAIN_S = 0.5


class Carrier:
    """Carries a started child to its end.

    `foreign` are children that we had before it. `cannot_start` is the errno with which it could not be executed.
    """

    def __init__(
        self,
        task: Task,
        pid: int,
        stdio: standard.Stdio,
        signals: Signals,
        log: OutputLog | None,
        *,
        foreign: frozenset[int],
        cannot_start: int | None,
    ) -> None:
        self._task = task
        self._signals = signals
        self._cannot_start = cannot_start
        self._foreign = foreign
        self._log = log
        self._pump = Pump(stdio.sources, log)
        self._reaper = Reaper(pid, foreign)
        self._ending = Ending(pid, own_group=stdio.own_group, grace_s=task.grace_s, foreign=foreign)
        self._keyboard = Keyboard(stdio.sources[0][0], pid, keys=stdio.keyboard) if stdio.pty else None
        record = task.record if cannot_start is None else None
        self._recorder = RecorderProcess(record, prepare=signals.close, take_over=self._take_over, let_go=self._let_go)
        self._recorder_failed = False
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
                self._keyboard.release()
        return self._end()

    def _turn(self) -> None:
        """Wait for something to happen, and act on it."""
        poll = select.poll()
        poll.register(self._signals.descriptor, select.POLLIN)
        keys = self._keyboard.interests if self._keyboard else []
        for descriptor, events in [*self._pump.interests(), *keys]:
            poll.register(descriptor, events)
        ready = dict(poll.poll(self._timeout_ms()))
        if self._signals.descriptor in ready:
            self._handle_signals()
        if any(descriptor in ready for descriptor, _ in keys):
            self._handle_keys()
        self._pump.step(ready)
        self._ending.kill_if_due()
        if self._exit is None and self._recorder.seconds_until_restart() == 0:
            self._start_recorder()
        if self._keyboard:
            self._keyboard.engage()
        for notice in self._ending.notices:
            self._task.say(notice)
        self._ending.notices.clear()

    def _timeout_ms(self) -> float | None:
        """Until something is due by itself; None: only an event can change anything."""
        if self._exit is not None:
            return max(0.0, self._drain_until_s - time.monotonic()) * 1000 + 1 if self._pump.reading else None
        waits = [self._ending.seconds_left(), self._recorder.seconds_until_restart()]
        if self._keyboard:
            waits.append(self._keyboard.seconds_until_look())
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
                    self._keyboard.engage(anew=True)
                self._ending.send(number)
            elif number == signal.SIGTSTP:
                self._suspend(from_kernel)
            elif self._exit is None:
                self._ending.forward(number, from_kernel)
                if number == signal.SIGTERM:
                    self._task.note("notice", signal=number, wall_ns=time.time_ns())
            elif number in END_WANTED:
                self._pump.stop_relaying()  # the command is gone already: only a reader is waited for

    def _suspend(self, from_kernel: bool) -> None:
        """Stop with the child. A terminal has stopped it already where it shares our group."""
        if self._keyboard:
            self._keyboard.suspend()
        elif from_kernel:
            stop_job(group=False)
        else:
            self._ending.send(signal.SIGTSTP)
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
            self._ending.helpers = frozenset()
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
            if not self._recorder_failed:
                self._task.say(f"the recorder could not be started: {error.strerror}; trying again")
            self._recorder_failed = True
        if self._recorder.pid is not None:
            self._reaper.helpers.add(self._recorder.pid)
            self._ending.helpers = frozenset([self._recorder.pid])

    def _take_over(self) -> None:
        """In a recorder whose supervisor was killed: carry what the child prints from now on."""
        if self._keyboard:
            self._keyboard.release()
        self._pump.take_over()
        self._pump.run()

    def _let_go(self) -> None:
        """In a recorder whose run is over."""
        self._pump.close()
        if self._keyboard:
            self._keyboard.close()
        standard.let_go_of_standard()

    def _end(self) -> Ended:
        assert self._exit is not None
        own = self._foreign | self._ending.helpers
        left = [processes.command_line(pid) for pid in processes.descendants(os.getpid(), without=own)]
        if not self._pump.ended:
            self._leave_behind()
        lost_bytes = self._log.lost_bytes if self._log else self._pump.carried_bytes
        relay_lost_bytes = self._pump.relay_lost_bytes
        self._task.note(
            "exited",
            exit_status=self._exit.status,
            signal=self._exit.signal,
            wall_ns=time.time_ns(),
            monotonic_ns=time.monotonic_ns(),
            usage=self._reaper.usage(),
            output_bytes=self._log.written_bytes if self._log else 0,
            output_lost_bytes=lost_bytes,
            relay_broken=self._pump.relay_broken,
            relay_lost_bytes=relay_lost_bytes,
            recorder_starts=self._recorder.starts,
            left_running=left[:20],
        )
        self._recorder.close()
        if left:
            self._task.say(f"left running: {', '.join(left[:3])}")
        self._pump.close()
        if self._keyboard:
            self._keyboard.close()
        if self._log:
            self._log.close()
        return Ended(self._exit, self._signals, self._recorder.pid, lost_bytes, relay_lost_bytes, self._cannot_start)

    def _leave_behind(self) -> None:
        """A daemon still writes into our pipes: leave a process that relays it, unrecorded, lest it break on it."""
        try:
            if os.fork():
                return
        except OSError:
            return
        try:
            os.setsid()
            self._recorder.close()
            self._signals.close()
            if self._log:
                self._log.close()
            standard.let_go_of_standard()
            self._pump.leave_behind()
            self._pump.run()
        finally:
            os._exit(0)
