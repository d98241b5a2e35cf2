"""The user's terminal while the child has a pseudo-terminal of its own: raw mode, keys, window size, ^Z and fg.

A child that leads a session without a job-control shell cannot be stopped by its terminal (POSIX: an orphaned process
group ignores it), so ^Z is acted on here, and only while the child's terminal would have acted on it itself.
"""

from __future__ import annotations

import os
import signal
import termios

from kwrap.supervisor.stdio import copy_window_size, make_raw, restore

_LFLAG, _CC = 3, 6  # indices into what tcgetattr returns


class Keyboard:
    """Passes keys to the pseudo-terminal from `engage` until `release`."""

    def __init__(self, master: int, child_pid: int, *, keys: bool) -> None:
        self._master = os.dup(master)
        self._child_pid = child_pid
        self._keys = keys
        self._before: list[object] | None = None

    @property
    def descriptor(self) -> int | None:
        """What to poll for keys; None while they are not ours."""
        return 0 if self._before is not None else None

    def engage(self) -> None:
        """Take the terminal, if we are in its foreground."""
        copy_window_size(self._master)
        if not self._keys or self._before is not None:
            return
        try:
            if os.tcgetpgrp(0) == os.getpgrp():
                self._before = make_raw(0)
        except (OSError, termios.error):
            self._keys = False

    def release(self) -> None:
        """Give the terminal back as it was."""
        if self._before is not None:
            restore(0, self._before)
            self._before = None

    def resize(self) -> None:
        copy_window_size(self._master)

    def press(self) -> tuple[int, bool]:
        """Pass on what was typed. Returns how often the interrupt key was in it, and whether the suspend key was."""
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
        self._send(before)
        return before.count(interrupt) if interrupt else 0, bool(suspended)

    def suspend(self) -> None:
        """^Z: stop the child's foreground group, give the terminal back, stop our own job; take all up again on fg."""
        group = self._foreground_group()
        _signal_group(group, signal.SIGSTOP)
        self.release()
        os.killpg(os.getpgrp(), signal.SIGSTOP)
        self.engage()
        _signal_group(group, signal.SIGCONT)

    def close(self) -> None:
        self.release()
        os.close(self._master)

    def _send(self, keys: bytes) -> None:
        try:
            while keys:
                keys = keys[os.write(self._master, keys) :]
        except OSError:
            pass  # the child's terminal is gone, or full: a real one drops such keys too

    def _signal_keys(self) -> tuple[bytes, bytes]:
        """The keys that the child's terminal turns into signals now; empty while it takes keys as they are."""
        try:
            state = termios.tcgetattr(self._master)
        except termios.error:
            return b"", b""
        if not state[_LFLAG] & termios.ISIG:
            return b"", b""
        return state[_CC][termios.VINTR], state[_CC][termios.VSUSP]

    def _foreground_group(self) -> int:
        try:
            return os.tcgetpgrp(self._master)
        except OSError:
            return self._child_pid


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except OSError:
        pass
