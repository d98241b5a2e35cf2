"""What goes to the repository while the command runs and is small: segments of its output, and signs of life.

Of each kind the latest counts: what could not be sent is in what is sent next. It has a thread of its own, so that a
large upload does not hold up the signs of life, and a repository that does not answer holds up nobody who follows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

Job = Callable[[], object]


class Sender:
    """Runs jobs on its own thread, `kwrap-send`, from the first one until `finish`."""

    def __init__(self) -> None:
        self._waiting: dict[str, Job] = {}
        self._changed = threading.Condition()
        self._ending = False
        self._thread: threading.Thread | None = None

    def offer(self, kind: str, job: Job) -> None:
        """Run it soon, in place of one of its kind that has not begun. Whatever the job raises is its own affair."""
        with self._changed:
            self._waiting[kind] = job
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kwrap-send", daemon=True)
                self._thread.start()

    def finish(self) -> None:
        """Return when the job that has begun is done; the others are left."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ending:
                    self._changed.wait()
                if self._ending:
                    return
                job = self._waiting.pop(next(iter(self._waiting)))
            job()
