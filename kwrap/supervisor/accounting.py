"""Waiting for every descendant, and what they used: exact, because the supervisor is a subreaper.

`wait4` of a process gives what it and the children it waited for used; orphans come to us; so the sum over all that
we wait for is the whole tree. Exception: a parent that ignores SIGCHLD loses its children's share, and then the sum
is a lower bound.
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

_MAXRSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024  # getrusage(2): kilobytes, on macOS bytes


class Exit(NamedTuple):
    """How a process ended: a status, or the signal that killed it. The other is None."""

    status: int | None
    signal: int | None


class Reaped(NamedTuple):
    """What one call of `Reaper.collect` found."""

    main: Exit | None
    helpers: tuple[int, ...]


class Reaper:
    """Waits for children. `helpers` are our own (the recorder): reported, and not counted as the training's.

    Nor are `foreign` ones: children of the process that became us by exec, such as a shell's `>(tee log)`.
    """

    def __init__(self, main_pid: int, foreign: frozenset[int]) -> None:
        self._main_pid = main_pid
        self._foreign = foreign
        self.helpers: set[int] = set()
        self.cpu_user_s = 0.0
        self.cpu_system_s = 0.0
        self.max_rss_bytes = 0
        self.processes = 0

    def collect(self) -> Reaped:
        """Wait for all that has ended; never blocks."""
        main: Exit | None = None
        ended: list[int] = []
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid in self._foreign:
                continue
            if pid in self.helpers:
                self.helpers.discard(pid)
                ended.append(pid)
                continue
            self.cpu_user_s += used.ru_utime
            self.cpu_system_s += used.ru_stime
            self.max_rss_bytes = max(self.max_rss_bytes, used.ru_maxrss * _MAXRSS_UNIT_BYTES)
            self.processes += 1
            if pid == self._main_pid:
                main = Exit(None, os.WTERMSIG(status)) if os.WIFSIGNALED(status) else Exit(os.WEXITSTATUS(status), None)
        return Reaped(main, tuple(ended))

    def usage(self) -> dict[str, float | int | str]:
        """The journal's form of the totals."""
        return {
            "cpu_user_s": round(self.cpu_user_s, 6),
            "cpu_system_s": round(self.cpu_system_s, 6),
            "max_rss_bytes": self.max_rss_bytes,
            "processes": self.processes,
            "source": "wait4",
        }
