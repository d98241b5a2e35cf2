"""What the supervisor is asked to carry, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kwrap.rundir import Journal, RunDirectory
from kwrap.supervisor.accounting import Exit
from kwrap.supervisor.recorder_process import Record
from kwrap.supervisor.signals import Signals


class Task(NamedTuple):
    """What is to be carried. `run_directory` and `journal` are None when nothing can be recorded."""

    argv: tuple[str, ...]
    program: str
    environment: Mapping[str, str]
    pty: bool | None
    unbuffer: bool
    grace_s: float
    run_directory: RunDirectory | None
    journal: Journal | None
    record: Record | None
    say: Callable[[str], None]

    def note(self, event: str, **fields: object) -> None:
        """Write into the journal, if there is one and it can be."""
        if self.journal is None:
            return
        try:
            self.journal.append(event, **fields)
        except OSError as error:
            self.say(f"the record misses '{event}': {error.strerror}")


class Ended(NamedTuple):
    """How the command ended, and the recorder that may still be at work.

    `signals` are still caught, so that none that comes late changes how we end. `lost_bytes` are not in the record,
    `relay_lost_bytes` did not reach where the output goes: disks were full. `cannot_start` is the errno with which the
    system refused to execute the command.
    """

    exit: Exit
    signals: Signals
    recorder_pid: int | None
    lost_bytes: int
    relay_lost_bytes: int
    cannot_start: int | None
