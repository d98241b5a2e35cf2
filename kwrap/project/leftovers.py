"""Finishing, in passing, the records that killed runs left on this machine. Costs a listing when there are none."""

from __future__ import annotations

from kwrap import processes
from kwrap.rundir import all_run_directories


def complete(limit_s: float) -> None:
    """Complete what can be completed in about that time; what fails is left to `kwrap recover`, which says why."""
    if not any(_is_left_behind(directory.events()) for directory in all_run_directories()):
        return
    try:
        from kwrap.recorder.recovery import recover

        recover(limit_s=limit_s, young=False)
    except Exception:  # whoever lists experiments asked for something else
        return


def _is_left_behind(events: dict[str, dict[str, object]]) -> bool:
    """Whether it has begun, and the supervisor is gone."""
    supervisor = events.get("created", {}).get("supervisor")
    return isinstance(supervisor, list) and not processes.is_alive(processes.Identity(*supervisor))
