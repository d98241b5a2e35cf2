"""Passing signals to the child, and how a stubborn one is ended.

- TERM is notice: passed on, and after a grace the whole tree is killed.
- A second ^C within three seconds is read as "end it": TERM and the same grace. A third kills at once.
- INT, QUIT and TSTP that a terminal sent reach a child in our own group without us; they are not sent twice.
"""

from __future__ import annotations

import os
import signal
import time

from kwrap.processes import descendants

_AGAIN_S = 3.0


class Ending:
    """What has been asked of the child, and until when it has time."""

    def __init__(self, child_pid: int, *, own_group: bool, grace_s: float) -> None:
        self._pid = child_pid
        self._own_group = own_group
        self._grace_s = grace_s
        self._kill_at: float | None = None
        self._interrupts: list[float] = []
        self.notices: list[str] = []
        self.helpers: set[int] = set()

    def forward(self, number: int, from_kernel: bool) -> None:
        """Pass one signal on as it should be."""
        terminal_sent = from_kernel and number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP)
        if not (terminal_sent and not self._own_group):
            self.send(number)
        if number == signal.SIGTERM:
            self._begin_grace()
        if number == signal.SIGINT:
            self.interrupted()

    def interrupted(self) -> None:
        """A ^C was pressed, or INT came: the child has it already. Count, and escalate."""
        now = time.monotonic()
        self._interrupts = [at for at in self._interrupts if now - at < _AGAIN_S] + [now]
        if len(self._interrupts) == 2:
            self.notices.append("^C twice: ending the command with SIGTERM; once more kills it")
            self.send(signal.SIGTERM)
            self._begin_grace()
        elif len(self._interrupts) > 2:
            self.kill_tree()

    def send(self, number: int) -> None:
        """Send a signal to the child's group, or, where that is our own, to the child and what descends from it."""
        if self._own_group:
            try:
                os.killpg(self._pid, number)
                return
            except OSError:
                pass
        for pid in [self._pid, *descendants(self._pid)]:
            _kill(pid, number)

    def seconds_left(self) -> float | None:
        """Until the tree is killed; None when nobody asked for an end."""
        return None if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())

    def kill_if_due(self) -> None:
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self.notices.append(f"the command did not end within {self._grace_s:g} s of SIGTERM: killed")
            self._kill_at = None
            self.kill_tree()

    def kill_tree(self) -> None:
        """SIGKILL to everything that descends from us but our helpers; new sessions and daemons too."""
        for pid in descendants(os.getpid(), without=frozenset(self.helpers)) or [self._pid]:
            _kill(pid, signal.SIGKILL)

    def _begin_grace(self) -> None:
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self._grace_s


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass
