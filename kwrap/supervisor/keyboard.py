"""The user's terminal while the child has a pseudo-terminal of its own: raw mode, keys, window size, ^Z and fg.

A child that leads a session without a job-control shell cannot be stopped by its terminal (POSIX: an orphaned process
group ignores it), so ^Z is acted on here, and only while the child's terminal would have acted on it itself.

The terminal is ours while our job is in its foreground. Of being stopped and continued the system tells us; of `fg`
for a job that runs nobody tells, so that is looked for.
"""

from __future__ import annotations

import os
import select
import signal
import termios
from typing import Any

from kwrap.processes import ignores
from kwrap.supervisor.signals import stop_job
from kwrap.supervisor.stdio import copy_window_size, make_raw, restore

_LFLAG, _CC = 3, 6  # indices into what tcgetattr returns
# How often a job in the background looks whether it has been brought to the foreground.
_LOOK_S = 0.25


class Keyboard:
    """Passes keys to the pseudo-terminal while we are in the terminal's foreground, from `engage` until `release`."""

    def __init__(self, master: int, child_pid: int, *, keys: bool) -> None:
        self._master = os.dup(master)
        self._child_pid = child_pid
        self._keys = keys
        self._before: list[Any] | None = None
        self._raw: list[Any] | None = None
        self._typed = b""

    @property
    def interests(self) -> list[tuple[int, int]]:
        """What to poll: for keys, or for room for those that the child's terminal has not taken yet."""
        if self._before is None:
            return []
        return [(self._master, select.POLLOUT)] if self._typed else [(0, select.POLLIN)]

    def seconds_until_look(self) -> float | None:
        """Until `engage` should be called again; None: the keys are ours, or will never be."""
        return _LOOK_S if self._keys and self._before is None else None

    def engage(self, *, anew: bool = False) -> None:
        """Take the terminal if we are in its foreground. `anew`: others may have had it meanwhile."""
        if anew:
            self._before = None if _in_background() else self._before
            copy_window_size(self._master)
        if not self._keys or (self._before is not None and not anew):
            return
        try:
            if os.tcgetpgrp(0) == os.getpgrp():
                before = make_raw(0)
                self._before = self._before or before
                self._raw = termios.tcgetattr(0)
        except (OSError, termios.error):
            self._keys = False

    def release(self) -> None:
        """Give the terminal back as it was, unless somebody else has it, or has changed it already."""
        before, self._before = self._before, None
        try:
            if before is not None and not _in_background() and termios.tcgetattr(0) == self._raw:
                restore(0, before)
        except termios.error:
            pass

    def resize(self) -> None:
        copy_window_size(self._master)

    def press(self) -> tuple[int, bool]:
        """Pass on what was typed. Returns how often the interrupt key was in it, and whether the suspend key was."""
        if self._typed:
            self._pass_on()
            return 0, False
        try:
            keys = os.read(0, 4096)
        except OSError:
            keys = b""
        if not keys:
            self._keys = False
            self.release()
            return 0, False
        interrupt, suspend = self._signal_keys()
        before, suspended, _ = keys.partition(suspend) if suspend else (keys, b"", b"")
        self._typed = before
        self._pass_on()
        return before.count(interrupt) if interrupt else 0, bool(suspended)

    def suspend(self) -> None:
        """^Z: stop the child's foreground group, give the terminal back, stop our own job; take all up again on fg."""
        group = self._foreground_group()
        _signal_group(group, signal.SIGSTOP)
        self.release()
        stop_job(group=True)
        self.engage(anew=True)
        _signal_group(group, signal.SIGCONT)

    def close(self) -> None:
        os.close(self._master)

    def _pass_on(self) -> None:
        """What the child's terminal does not take now waits, and with it what is typed meanwhile: a paste is whole."""
        try:
            self._typed = self._typed[os.write(self._master, self._typed) :]
        except BlockingIOError:
            pass
        except OSError:
            self._typed = b""  # the child's terminal is gone

    def _signal_keys(self) -> tuple[bytes, bytes]:
        """The interrupt and suspend keys while they mean an end or a stop; empty while the child takes them itself.

        A program that reads single keys (a prompt with line editing) and still wants ^C as a signal is used to it:
        there the key says nothing about wanting an end. A shell that ignores being stopped stops its own jobs.
        """
        try:
            state = termios.tcgetattr(self._master)
        except termios.error:
            return b"", b""
        if not state[_LFLAG] & termios.ISIG:
            return b"", b""
        interrupt = state[_CC][termios.VINTR] if state[_LFLAG] & termios.ICANON else b""
        ours = self._foreground_group() == self._child_pid and not ignores(self._child_pid, signal.SIGTSTP)
        return interrupt, state[_CC][termios.VSUSP] if ours else b""

    def _foreground_group(self) -> int:
        try:
            return os.tcgetpgrp(self._master)
        except OSError:
            return self._child_pid


def _in_background() -> bool:
    """Whether the terminal is that of our session, and another job has it."""
    try:
        return os.tcgetpgrp(0) != os.getpgrp()
    except OSError:
        return False


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except OSError:
        pass
