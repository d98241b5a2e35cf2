"""What tests ask of a run that is going on: its processes, and what its journal says so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kwrap import processes
from support import Kwrap, wait_until

# Every object is made durable before it gets its name.
HOLDING = """
import os, time
fsync = os.fsync
def wait_and_fsync(descriptor):
    while os.path.exists({held!r}):
        time.sleep(0.01)
    fsync(descriptor)
os.fsync = wait_and_fsync
"""


def event(kwrap: Kwrap, name: str) -> dict[str, Any] | None:
    """An event of the one run directory's journal, if it is there by now."""
    try:
        return kwrap.journal().get(name)
    except FileNotFoundError:  # made, and without its journal yet; or removed at this moment
        return None


def main_pid(kwrap: Kwrap) -> int:
    """The pid of the command, as soon as the journal knows it."""
    pid: int = wait_until(lambda: event(kwrap, "spawned"), what="the command's start")["pid"]
    return pid


def recorder_of(supervisor: int, main: int) -> int | None:
    """The recorder: the supervisor's other child."""
    own = [pid for pid in processes.descendants(supervisor, without=frozenset([main])) if parent(pid) == supervisor]
    return own[0] if own else None


def hold_the_repository(kwrap: Kwrap, directory: Path) -> Path:
    """Have every write to the repository wait as long as the file exists that is returned."""
    held = directory / "held"
    held.touch()
    place = directory / "sitecustomize"
    place.mkdir()
    (place / "sitecustomize.py").write_text(HOLDING.format(held=str(held)))
    kwrap.environment["PYTHONPATH"] = str(place)
    return held


def parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def state(pid: int) -> str:
    """Its state as `ps` shows it: R, S, T for stopped, Z; empty when there is no such process."""
    fields = _stat(pid)
    return fields[0] if fields else ""


def alive(pid: int) -> bool:
    return state(pid) not in ("", "Z")


def _stat(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []
