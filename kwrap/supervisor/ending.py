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
_KILL_PASSES = 20  # what forks faster than we kill is the system's to end


class Ending:
    """What has been asked of the child, and until when it has time."""

    def __init__(self, child_pid: int, *, own_group: bool, grace_s: float, foreign: frozenset[int]) -> None:
        self._pid = child_pid
        self._foreign = foreign
        self._own_group = own_group
        self._grace_s = grace_s
        self._kill_at: float | None = None
        self._interrupts: list[float] = []
        self.notices: list[str] = []
        self.helpers: frozenset[int] = frozenset()

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
        """Send a signal to the child's group, or, where that is our own, to those in it that descend from the child."""
        if self._own_group:
            try:
                os.killpg(self._pid, number)
                return
            except OSError:
                pass
        _kill(self._pid, number)
        for pid in descendants(self._pid):
            if _group(pid) == os.getpgrp():
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
        """SIGKILL to everything that descends from the command, new sessions and daemons too, until nothing is new."""
        killed: set[int] = set()
        for _ in range(_KILL_PASSES):
            alive = descendants(os.getpid(), without=self._foreign | self.helpers)
            for pid in alive:
                _kill(pid, signal.SIGKILL)
            if killed.issuperset(alive):
                return
            killed.update(alive)

    def _begin_grace(self) -> None:
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self._grace_s


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass
