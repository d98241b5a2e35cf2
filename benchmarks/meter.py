"""Run one command and say what it and all of its descendants used.

A process forked for the purpose becomes a child subreaper and waits for every descendant, also for those whose
parents went away, and sums what `wait4` says of each. Not counted: children that a process ignores (SIGCHLD ignored)
instead of waiting for them. Knows nothing of kwrap.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_PR_SET_CHILD_SUBREAPER = 36


class Measurement(NamedTuple):
    """`cpu_s` is user and system time of the whole tree; `wall_s` ends when the command itself has ended."""

    cpu_s: float
    wall_s: float


class CommandFailed(Exception):
    """The command did not do what was to be measured."""


def measure(
    argv: Sequence[str], *, cwd: str, env: Mapping[str, str] | None = None, timeout_s: float = 300.0
) -> Measurement:
    """Run a command with stdin and stdout at /dev/null. Raises CommandFailed, with the end of its stderr."""
    read_end, write_end = os.pipe()
    with tempfile.TemporaryFile() as errors:
        meter = os.fork()
        if meter == 0:
            try:
                os.close(read_end)
                _meter(argv, cwd, dict(os.environ if env is None else env), write_end, errors.fileno())
            finally:
                os._exit(70)
        os.close(write_end)
        report = _read_all(read_end, timeout_s)
        if report is None:
            os.killpg(meter, signal.SIGKILL)
        os.waitpid(meter, 0)
        if not report:
            what = "could not be started" if report is not None else f"was not done within {timeout_s:g} s"
            raise CommandFailed(f"{' '.join(argv)} {what}: {_tail(errors.fileno())}")
        status, *numbers = json.loads(report)
        if status != 0:
            raise CommandFailed(f"{' '.join(argv)} ended with {status}: {_tail(errors.fileno())}")
    return Measurement(*numbers)


def _meter(argv: Sequence[str], cwd: str, env: dict[str, str], report: int, errors: int) -> None:
    """In the forked process: run the command, wait for everything, write the report and go."""
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.chdir(cwd)
    null = os.open(os.devnull, os.O_RDWR)
    streams = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, errors, 2)]
    start = time.perf_counter()
    # posix_spawn and not fork: what this process's pages cost to copy is no cost of the command.
    command = os.posix_spawnp(argv[0], list(argv), env, file_actions=streams)
    status, wall_s, cpu_s = 0, 0.0, 0.0
    while True:
        try:
            pid, wait_status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu_s += usage.ru_utime + usage.ru_stime
        if pid == command:
            wall_s, status = time.perf_counter() - start, os.waitstatus_to_exitcode(wait_status)
    os.write(report, json.dumps([status, cpu_s, wall_s]).encode())
    os._exit(0)


def _read_all(pipe: int, timeout_s: float) -> bytes | None:
    """What comes until the other end is closed; None when that takes too long."""
    received = b""
    end = time.monotonic() + timeout_s
    with os.fdopen(pipe, "rb", buffering=0) as file:
        while select.select([file], [], [], max(0.0, end - time.monotonic()))[0]:
            data = file.read(4096)
            if not data:
                return received
            received += data
    return None


def _tail(errors: int) -> str:
    size = os.fstat(errors).st_size
    return os.pread(errors, 2000, max(0, size - 2000)).decode(errors="replace").strip() or "(nothing on stderr)"
