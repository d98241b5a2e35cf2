"""The machine: a few facts that cost nothing to read. What cannot be known is None."""

from __future__ import annotations

import os

from kwrap.records import Machine


def capture() -> Machine:
    """This machine."""
    names = os.uname()
    return Machine(
        host=names.nodename,
        system=f"{names.sysname} {names.release} {names.machine}",
        cpu_model=_cpu_model(),
        cpu_count=os.cpu_count(),
        cpu_allotted=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        memory_bytes=_memory_bytes(),
    )


def _cpu_model() -> str | None:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return None


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None
