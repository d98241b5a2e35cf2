"""What the child gets as standard input, output and error, and what is read from it.

- Output to a terminal: a pseudo-terminal, so that the child sees one too. It costs about eleven times a pipe.
- Otherwise pipes, widened to 1 MiB: one for output and one for errors, or a single one when both go to the same
  place, so that their order is kept.
- Input is the child's own, untouched, except under a pseudo-terminal that replaces the terminal it came from.
"""

from __future__ import annotations

import fcntl
import os
import sys
import termios
import tty
from typing import NamedTuple

PIPE_BYTES = 1 << 20
STDOUT, STDERR = 1, 2


class Stdio(NamedTuple):
    """Descriptors for the child, and those we read.

    `sources` are (what we read, stream number, where it is relayed). A child's descriptor that is None is inherited.
    `keyboard`: keys are to be passed to the pseudo-terminal. `own_group`: the child leads a group of its own.
    """

    child_stdin: int | None
    child_stdout: int
    child_stderr: int
    sources: tuple[tuple[int, int, int], ...]
    pty: bool
    keyboard: bool
    own_group: bool
    combined: bool

    def close_child_side(self) -> None:
        """After the fork: keep only what is read, so that its end can be seen."""
        for descriptor in {self.child_stdout, self.child_stderr}:
            os.close(descriptor)


def open_standard_descriptors() -> None:
    """Make 0, 1 and 2 something when the caller closed them, so that no pipe of ours lands there."""
    for number in (0, 1, 2):
        if not _is_open(number):
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this very one


def prepare(pty: bool | None) -> Stdio:
    """Choose and open. `pty`: None decides by standard output, True and False insist."""
    stdout_is_terminal = os.isatty(STDOUT)
    if pty if pty is not None else stdout_is_terminal:
        try:
            return _pseudo_terminal()
        except OSError:
            pass  # there is none to be had (a chroot without devpts): pipes do the rest as well
    read, write = _pipe()
    own_group = not _has_terminal()
    if _same_file(STDOUT, STDERR):
        return Stdio(None, write, write, ((read, STDOUT, STDOUT),), False, False, own_group, True)
    error_read, error_write = _pipe()
    sources = ((read, STDOUT, STDOUT), (error_read, STDERR, STDERR))
    return Stdio(None, write, error_write, sources, False, False, own_group, False)


def let_go_of_inherited(*, keep_stdin: bool) -> None:
    """Hold nothing that is the child's alone: its `3>file` or its input ends when it closes them, as without us.

    What was handed to us can be told from what we opened: Python opens everything as not inheritable (PEP 446).
    """
    try:
        numbers = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        numbers = []
    for number in numbers:
        try:
            if number > STDERR and os.get_inheritable(number):
                os.close(number)
        except OSError:  # noqa: PERF203 - the listing's own descriptor is closed by now
            pass
    if not keep_stdin:
        _point_at_nothing(0)


def let_go_of_standard() -> None:
    """Hold neither the terminal, nor the pipe that a `| tee` waits for."""
    _point_at_nothing(0, STDOUT, STDERR)


def _point_at_nothing(*numbers: int) -> None:
    try:
        null = os.open(os.devnull, os.O_RDWR)
    except OSError:
        return
    for number in numbers:
        os.dup2(null, number)
    os.close(null)


def copy_window_size(master: int) -> None:
    """Give the pseudo-terminal the size of the terminal it stands for; its foreground group hears of it."""
    for descriptor in (STDOUT, 0, STDERR):
        try:
            size = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, b"\0" * 8)
        except OSError:
            continue
        try:
            fcntl.ioctl(master, termios.TIOCSWINSZ, size)
        except OSError:
            pass
        return


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _pseudo_terminal() -> Stdio:
    master, slave = os.openpty()
    copy_window_size(master)
    keyboard = os.isatty(0)
    terminal = 0 if keyboard else STDOUT
    try:
        # In the background its modes are those of another program, as of a shell's line editor: then a new one's do.
        if os.tcgetpgrp(terminal) == os.getpgrp():
            termios.tcsetattr(slave, termios.TCSANOW, termios.tcgetattr(terminal))
    except (OSError, termios.error):
        pass  # neither is a terminal (--pty): the defaults of a new one
    stdin = slave if keyboard else None
    if os.isatty(STDERR) or _same_file(STDOUT, STDERR):
        return Stdio(stdin, slave, slave, ((master, STDOUT, STDOUT),), True, keyboard, True, True)
    read, write = _pipe()
    sources = ((master, STDOUT, STDOUT), (read, STDERR, STDERR))
    return Stdio(stdin, slave, write, sources, True, keyboard, True, False)


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    if sys.platform == "linux":
        try:
            fcntl.fcntl(write, 1031, PIPE_BYTES)  # F_SETPIPE_SZ
        except OSError:
            pass  # over the user's quota: the default size
    return read, write


def _same_file(one: int, other: int) -> bool:
    first, second = os.fstat(one), os.fstat(other)
    return (first.st_dev, first.st_ino, first.st_rdev) == (second.st_dev, second.st_ino, second.st_rdev)


def _has_terminal() -> bool:
    """Whether our session has one: then ^C, ^Z, fg and bg reach a child in our group without us, now or later."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def make_raw(descriptor: int) -> list[object]:
    """Pass every key on as it is; returns what `restore` takes."""
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor, termios.TCSANOW)
    return before


def restore(descriptor: int, before: list[object]) -> None:
    """Give the terminal back as it was."""
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)  # type: ignore[arg-type]
    except (OSError, termios.error):
        pass
