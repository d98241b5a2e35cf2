"""The recorder as a process of its own: quiet, patient, of low priority, and never in the way."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn, TextIO

from kwrap.rundir import RunDirectory, all_run_directories

_NICENESS = 10
_RECOVERY_S = 5.0
_FAILED = 1


def main(run_directory: RunDirectory, wake: int, take_over: Callable[[], None], let_go: Callable[[], None]) -> NoReturn:
    """Record until the run has ended. A fault of ours is written into the run directory, and nowhere else.

    A batch system that ends a job tells all of its processes: this one has to see how the others end.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _lower_priority()
    # Also what a library says, or a thread that fails, must not reach the user's terminal.
    sys.stdout = sys.stderr = _log(run_directory)
    try:
        from kwrap.recorder.session import Live, record

        threading.Thread(target=_care_for_others, name="kwrap-recover", daemon=True).start()
        status = record(run_directory, Live(wake, take_over, let_go))
    except BaseException:
        import traceback  # not before: every run would pay for it

        traceback.print_exc()
        status = _FAILED
    try:
        sys.stderr.flush()
    finally:
        os._exit(status)


def _log(run_directory: RunDirectory) -> TextIO:
    try:
        return open(run_directory.log, "a", encoding="utf-8")
    except OSError:
        return open(os.devnull, "a", encoding="utf-8")


def _lower_priority() -> None:
    try:
        os.nice(_NICENESS)
    except OSError:
        pass


def _care_for_others() -> None:
    """What every run does for this machine: finish what was left behind, keep the local store small."""
    from kwrap.recorder import recovery

    try:
        if len(all_run_directories()) > 1:
            recovery.recover(limit_s=_RECOVERY_S, young=False)
        recovery.tidy(time.time())
    except Exception:  # another run's trouble is not this one's; 'kwrap recover' shows it
        pass
