"""Starting the child: find its program, fork, hold it at a gate until the journal knows of it, then exec.

The gate is a pipe. When the supervisor dies before opening it, the child sees its end and exits without having run.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import termios
from typing import NamedTuple, NoReturn

from kwrap.errors import KwrapError
from kwrap.supervisor.signals import Signals
from kwrap.supervisor.stdio import Stdio

# Signals that Python ignores for itself and a child must not inherit so.
_RESTORED = tuple(getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name))


class CannotStart(KwrapError):
    """The command cannot be started: 127 when it is not found, 126 when it cannot be executed."""

    code = "cannot_start"

    def __init__(self, message: str, *, exit_status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_status = exit_status


class Child(NamedTuple):
    """A forked child that waits at its gate."""

    pid: int
    gate: int
    report: int


def find_program(command: str, path: str | None) -> str:
    """The file that will be executed, as a shell would look for it. Raises CannotStart."""
    if "/" in command:
        return _checked(command)
    forbidden = None
    for directory in (path if path is not None else os.defpath).split(os.pathsep):
        candidate = os.path.join(directory or ".", command)
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            forbidden = candidate
    if forbidden:
        raise CannotStart(f"'{forbidden}' is not executable", exit_status=126, hint=f"chmod +x {forbidden}")
    here = f"'./{command}' exists here: run that" if os.path.isfile(command) else "is it installed, and on PATH?"
    raise CannotStart(f"command not found: '{command}'", exit_status=127, hint=here)


def fork(argv: tuple[str, ...], program: str, environment: dict[str, str], stdio: Stdio, signals: Signals) -> Child:
    """Fork the child; it waits until `release`. It runs with the signals blocked and ignored that we found so."""
    gate_read, gate_write = os.pipe()
    report_read, report_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(gate_write)
        os.close(report_read)
        _become(argv, program, environment, stdio, signals, gate_read, report_write)
    os.close(gate_read)
    os.close(report_write)
    if stdio.own_group and not stdio.pty:
        _set_group(pid)
    return Child(pid, gate_write, report_read)


def release(child: Child) -> int | None:
    """Open the gate. Returns None when the command runs, else the errno with which it could not be executed."""
    try:
        os.write(child.gate, b"\n")
    except OSError:
        pass  # it was killed at its gate: waiting for it will tell
    os.close(child.gate)
    report = os.read(child.report, 16)
    os.close(child.report)
    return int(report) if report else None


def _become(
    argv: tuple[str, ...],
    program: str,
    environment: dict[str, str],
    stdio: Stdio,
    signals: Signals,
    gate: int,
    report: int,
) -> NoReturn:
    """In the child: take the place that was prepared, wait at the gate, become the command."""
    try:
        if stdio.pty:
            os.setsid()
            fcntl.ioctl(stdio.child_stdout, termios.TIOCSCTTY, 0)
        elif stdio.own_group:
            os.setpgid(0, 0)
        for target, descriptor in ((0, stdio.child_stdin), (1, stdio.child_stdout), (2, stdio.child_stderr)):
            if descriptor is not None:
                os.dup2(descriptor, target, inheritable=True)
        for number in _RESTORED:
            signal.signal(number, signal.SIG_DFL)
        for number in signals.ignored_before:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, signals.mask_before)
        if os.read(gate, 1) != b"\n":
            os._exit(125)
        _exec(argv, program, environment)
    except OSError as error:
        os.write(report, str(error.errno).encode())
    finally:
        os._exit(126)


def _exec(argv: tuple[str, ...], program: str, environment: dict[str, str]) -> None:
    try:
        os.execve(program, argv, environment)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        # A script without `#!`: every shell, and C's execvp, gives it to sh.
        os.execve("/bin/sh", ("/bin/sh", program, *argv[1:]), environment)


def _set_group(pid: int) -> None:
    """Also from this side, so that a signal forwarded at once finds the group; whoever comes second changes nothing."""
    try:
        os.setpgid(pid, pid)
    except OSError:
        pass


def _checked(program: str) -> str:
    if os.path.isdir(program):
        raise CannotStart(f"'{program}' is a directory", exit_status=126)
    if not os.path.exists(program):
        raise CannotStart(f"command not found: '{program}'", exit_status=127)
    if not os.access(program, os.X_OK):
        raise CannotStart(f"'{program}' is not executable", exit_status=126, hint=f"chmod +x {program}")
    return program
