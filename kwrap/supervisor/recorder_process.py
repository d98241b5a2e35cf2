"""The recorder beside the child: forked when the child runs, started again when it dies.

Forked and not executed: the interpreter and its modules are there already, and it holds the child's pipes, so that it
can carry the child's output if the supervisor is killed. The supervisor knows nothing else of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

# Called in the recorder's process, with a descriptor that ends when the supervisor does; what carries the child then;
# and what lets go of the child's output and of the user's terminal, once the run is over.
Record = Callable[[int, Callable[[], None], Callable[[], None]], None]

# A recorder that dies within the first time is started again after a pause that grows up to the second.
_LIVED_S, _RESTART_MOST_S = 1.0, 5.0


class RecorderProcess:
    """Keeps one recorder at work. Every method may be called when there is none to keep (`record` is None)."""

    def __init__(
        self,
        record: Record | None,
        *,
        prepare: Callable[[], None],
        take_over: Callable[[], None],
        let_go: Callable[[], None],
    ) -> None:
        self._record = record
        self._prepare = prepare
        self._take_over = take_over
        self._let_go = let_go
        self._wake: int | None = None
        self._started_s = 0.0
        self._pause_s = 0.0
        self._restart_at_s: float | None = None
        self.pid: int | None = None
        self.starts = 0

    def start(self) -> None:
        """Fork it. Raises OSError when the system has no process left; it is tried again."""
        if self._record is None:
            return
        self.close()
        wake_read, self._wake = os.pipe()
        self._restart_at_s = time.monotonic() + _RESTART_MOST_S  # should the fork fail
        pid = os.fork()
        if pid == 0:
            try:
                self.close()
                self._prepare()
                os.setsid()
                self._record(wake_read, self._take_over, self._let_go)
            finally:
                os._exit(1)
        os.close(wake_read)
        self.pid, self._started_s, self._restart_at_s = pid, time.monotonic(), None
        self.starts += 1

    def died(self) -> None:
        """It was waited for: plan the next one."""
        self.pid = None
        now = time.monotonic()
        self._pause_s = 0.0 if now - self._started_s > _LIVED_S else min(_RESTART_MOST_S, self._pause_s * 2 + 0.01)
        self._restart_at_s = now + self._pause_s

    def seconds_until_restart(self) -> float | None:
        """None: nothing is planned."""
        return None if self._restart_at_s is None else max(0.0, self._restart_at_s - time.monotonic())

    def close(self) -> None:
        """Tell it that the supervisor is done; also done by being killed."""
        if self._wake is not None:
            os.close(self._wake)
            self._wake = None
