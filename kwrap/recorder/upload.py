"""What goes to the repository in the background: one thread, jobs in order, each tried until it is done.

A job raises StorageError when the repository does not take it now; it is tried again after a growing pause. Once the
run has ended, a job that fails is left: the run directory keeps what it would have stored, for `kwrap sync`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from kwrap.errors import StorageError

Job = Callable[[], None]
_PAUSE_FIRST_S, _PAUSE_MOST_S = 0.5, 30.0


class Uploader:
    """Runs jobs on its own thread, `kwrap-upload`, from `start` until `finish`."""

    def __init__(self, warn: Callable[[str], None], refused: Callable[[], None]) -> None:
        """`refused` is called, on our thread, whenever the repository did not take something."""
        self._warn = warn
        self._refused = refused
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="kwrap-upload", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, job: Job) -> None:
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()

    def end(self) -> None:
        """From now on run each job once more at most, or not again when it is under way now."""
        with self._changed:
            self._ending = True
            self._changed.notify()

    def finish(self) -> bool:
        """Wait for what is left, after `end`. Returns whether all is done."""
        self.end()
        self._thread.join()
        return not self._jobs

    def _run(self) -> None:
        pause_s = _PAUSE_FIRST_S
        while True:
            with self._changed:
                while not self._jobs and not self._ending:
                    self._changed.wait()
                if not self._jobs:
                    return
                job = self._jobs[0]
            if self._attempt(job):
                self._jobs.popleft()
                pause_s = _PAUSE_FIRST_S
                continue
            with self._changed:
                if self._ending:
                    return
                self._changed.wait(pause_s)
            pause_s = min(_PAUSE_MOST_S, pause_s * 2)

    def _attempt(self, job: Job) -> bool:
        try:
            job()
        except StorageError:
            self._warn("storage_failed")
            self._refused()
            return False
        except Exception as error:  # a fault of ours must not keep the rest of the record from being stored
            self._warn(f"internal_error:{type(error).__name__}")
        return True
