"""Processes of this machine, as /proc tells of them: who is alive, who descends from whom.

A process is known by (pid, start time, boot id): a pid alone is given to another after a while. Where there is no
/proc the start time is None and a pid alone has to do. On the path to the child's start, so: standard library only.
"""

from __future__ import annotations

import os
from typing import NamedTuple


class Identity(NamedTuple):
    """One process, for ever: `start_ticks` are clock ticks since boot."""

    pid: int
    start_ticks: int | None
    boot_id: str | None


def boot_id() -> str | None:
    """The id of this boot; None where the system has none."""
    return _read("/proc/sys/kernel/random/boot_id").decode().strip() or None


def identity(pid: int) -> Identity:
    """The identity of a process that is alive now."""
    stat = _stat(pid)
    return Identity(pid, int(stat[19]) if stat else None, boot_id())


def is_alive(process: Identity) -> bool:
    """Whether that very process still runs; a zombie does not."""
    if process.boot_id is not None and process.boot_id != boot_id():
        return False
    stat = _stat(process.pid)
    if stat:
        return stat[0] not in (b"Z", b"X") and process.start_ticks in (None, int(stat[19]))
    if os.path.isdir("/proc/self"):
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def children(pid: int) -> list[int]:
    """Living children of a process; none where the system does not list them (CONFIG_PROC_CHILDREN)."""
    return [int(child) for child in _read(f"/proc/{pid}/task/{pid}/children").split()]


def descendants(pid: int, *, without: frozenset[int] = frozenset()) -> list[int]:
    """Every living descendant of a process, nearest first; those in `without` and what is below them are left out."""
    children: dict[int, list[int]] = {}
    for name in _pids():
        stat = _stat(name)
        if stat and stat[0] != b"Z":
            children.setdefault(int(stat[1]), []).append(name)
    found: list[int] = []
    level = [pid]
    while level:
        level = [child for parent in level for child in children.get(parent, ()) if child not in without]
        found += level
    return found


def ignores(pid: int, number: int) -> bool:
    """Whether a process ignores a signal; False where that cannot be known."""
    mask = _read(f"/proc/{pid}/status").partition(b"\nSigIgn:")[2].split(maxsplit=1)[:1]
    return bool(mask) and bool(int(mask[0], 16) >> (number - 1) & 1)


def command_line(pid: int) -> str:
    """What a process was started as, for people; its pid when that cannot be read."""
    words = _read(f"/proc/{pid}/cmdline").rstrip(b"\0").replace(b"\0", b" ")
    return f"{words.decode('utf-8', 'replace')[:200] or '?'} (pid {pid})"


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _stat(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat after the command: state, ppid, pgrp …; empty when there is no such process."""
    return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def _read(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
