"""The recorder as a process of its own: quiet, patient, of low priority, and never in the way."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from kwrap.rundir import RunDirectory, all_run_directories

_NICENESS = 10
_RECOVERY_S = 5.0
# Exit status that asks the supervisor for another recorder.
_AGAIN = 75


def main(run_directory: RunDirectory, wake: int, take_over: Callable[[], None]) -> None:
    """Record until the run has ended. A fault of ours is written into the run directory, and nowhere else."""
    _lower_priority()
    # Also what a library says, or a thread that fails, must not reach the user's terminal.
    sys.stdout = sys.stderr = _log(run_directory)
    try:
        from kwrap.recorder.session import record

        threading.Thread(target=_care_for_others, name="kwrap-recover", daemon=True).start()
        recorded = record(run_directory, wake, take_over)
    except BaseException:
        import traceback  # not before: every run would pay for it

        traceback.print_exc()
        recorded = None
    sys.stderr.flush()
    if recorded is None:
        os._exit(_AGAIN)


def _log(run_directory: RunDirectory) -> TextIO:
    try:
        return open(os.path.join(run_directory.path, "recorder.log"), "a", encoding="utf-8")
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
