"""After the command has ended: wait until its recorder has completed the record, for a bounded time."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable

from kwrap.supervisor.recorder_process import Record, RecorderProcess

_LIMIT_S = 600.0
_SAY_AFTER_S = 2.0
_ATTEMPTS = 3


def wait_for_recorder(pid: int | None, record: Record, say: Callable[[str], None]) -> None:
    """Wait for a recorder; one that dies is started again, three times at most. ^C ends the wait alone."""
    deadline_s = time.monotonic() + _LIMIT_S
    for _ in range(_ATTEMPTS):
        if pid is None:
            pid = _start(record)
        try:
            status = _wait(pid, deadline_s, say)
        except KeyboardInterrupt:
            say("the rest is recorded in the background")
            return
        if status == 0 or status is None:
            return
        pid = None


def _start(record: Record) -> int:
    process = RecorderProcess(record, lambda: None, lambda: None)
    process.start()
    assert process.pid is not None
    process.close()
    return process.pid


def _wait(pid: int, deadline_s: float, say: Callable[[str], None]) -> int | None:
    """The exit status of our child process; None when time ran out."""
    said = False
    descriptor = _pidfd(pid)
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return None
        pause_s = min(left_s, _SAY_AFTER_S)
        if descriptor is None:
            time.sleep(min(pause_s, 0.02))
        elif not select.select([descriptor], [], [], pause_s)[0] and not said:
            said = True
            say("completing the record (^C leaves it to the background)")


def _pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where the system has none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
