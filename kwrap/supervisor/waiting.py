"""After the command has ended: wait until its recorder has completed the record, for a bounded time."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

from kwrap.rundir import KEPT, RECORDED
from kwrap.supervisor.recorder_process import Record, RecorderProcess
from kwrap.supervisor.signals import END_WANTED, Signals, stop_job
from kwrap.supervisor.stdio import let_go_of_standard

_LIMIT_S = 600.0
_SAY_AFTER_S = 2.0
_ATTEMPTS = 3


def wait_for_recorder(pid: int | None, record: Record, signals: Signals, say: Callable[[str], None]) -> bool | None:
    """Whether the repository has the record; None when a recorder is still at work on it in the background.

    A recorder that dies is started again, three times at most. ^C, and whatever else asks for an end, ends the wait
    alone: how the command ended is what we end with.
    """
    deadline_s = time.monotonic() + _LIMIT_S
    for _ in range(_ATTEMPTS):
        try:
            pid = _start(record, signals) if pid is None else pid
        except OSError:
            return False
        status = _wait(pid, signals, deadline_s, say)
        if status is None:
            return None
        if status in (RECORDED, KEPT):
            return status == RECORDED
        pid = None
    return False


def _start(record: Record, signals: Signals) -> int:
    process = RecorderProcess(record, prepare=signals.close, take_over=lambda: None, let_go=let_go_of_standard)
    process.start()
    assert process.pid is not None
    process.close()
    return process.pid


def _wait(pid: int, signals: Signals, deadline_s: float, say: Callable[[str], None]) -> int | None:
    """The exit status of our child process; None when time ran out, or somebody asked for an end."""
    say_at_s = time.monotonic() + _SAY_AFTER_S
    poll = select.poll()
    poll.register(signals.descriptor, select.POLLIN)
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        now_s = time.monotonic()
        if now_s >= deadline_s:
            return None
        if now_s >= say_at_s:
            say("completing the record (^C leaves it to the background)")
            say_at_s = deadline_s
        poll.poll((min(deadline_s, say_at_s) - now_s) * 1000 + 1)  # SIGCHLD is among the signals
        for number, _ in signals.receive():
            if number in END_WANTED:
                say("the rest is recorded in the background")
                return None
            if number == signal.SIGTSTP:
                stop_job(group=False)
