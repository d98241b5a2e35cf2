"""The recorder as a process of its own: quiet, patient, of low priority, and never in the way."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from kwrap.rundir import RunDirectory, all_run_directories

_NICENESS = 10
_RECOVERY_S = 5.0
# Exit status that asks the supervisor for another recorder.
_AGAIN = 75


def main(run_directory: RunDirectory, wake: int, take_over: Callable[[], None]) -> None:
    """Record until the run has ended. A fault of ours is written into the run directory, and nowhere else."""
    try:
        os.nice(_NICENESS)
    except OSError:
        pass
    try:
        from kwrap.recorder.session import record

        if len(all_run_directories()) > 1:
            threading.Thread(target=_recover_others, name="kwrap-recover", daemon=True).start()
        recorded = record(run_directory, wake, take_over)
    except BaseException:
        import traceback  # not before: every run would pay for it

        with open(os.path.join(run_directory.path, "recorder.log"), "a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
        os._exit(_AGAIN)
    if recorded is None:
        os._exit(_AGAIN)


def _recover_others() -> None:
    from kwrap.recorder.recovery import recover

    try:
        recover(limit_s=_RECOVERY_S, young=False)
    except Exception:  # another run's trouble is not this one's; 'kwrap recover' shows it
        pass
