"""Finishing, in passing, the records that killed runs left on this machine. Costs a listing when there are none."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from kwrap import processes
from kwrap.rundir import all_run_directories


def complete(limit_s: float) -> None:
    """Complete what can be completed in that time; what fails is left to `kwrap recover`, which says why.

    A repository that does not answer takes its time: whoever lists experiments does not wait for it. What is under way
    when that process ends is gone on with by the next.
    """
    if not any(_is_left_behind(directory.events()) for directory in all_run_directories()):
        return
    thread = threading.Thread(target=_complete, args=(limit_s,), name="kwrap-recover", daemon=True)
    thread.start()
    thread.join(limit_s)


def waiting(repository: str) -> int:
    """How many records wait on this machine for a repository: recorded offline, or it could not be had."""
    found = [directory.events() for directory in all_run_directories()]
    return sum(_is_left_behind(one) and one["created"]["repository"] == repository for one in found)


def _complete(limit_s: float) -> None:
    try:
        from kwrap.recorder.recovery import recover

        recover(limit_s=limit_s, young=False)
    except Exception:  # whoever lists experiments asked for something else
        return


def _is_left_behind(events: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether it began on this machine, is not recorded, and neither its supervisor nor its command is at work."""
    created = events.get("created")
    if created is None or created["host"] != os.uname().nodename or "recorded" in events:
        return False
    if processes.is_alive(processes.Identity(*created["supervisor"])):
        return False
    spawned = events.get("spawned")
    if spawned is None or "exited" in events:
        return True
    child = processes.Identity(spawned["pid"], spawned["start_ticks"], spawned["boot_id"])
    return not processes.is_alive(child)
