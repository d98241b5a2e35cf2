"""`kwrap recover`: complete the records of runs whose kwrap was killed."""

from __future__ import annotations

import typer

from kwrap import ids
from kwrap.cli.options import JsonOption, VerboseOption, screen_of
from kwrap.cli.result import envelope
from kwrap.cli.screen import Screen
from kwrap.cli.words import count
from kwrap.recorder.recovery import Found
from kwrap.recorder.recovery import recover as recover_runs

_MEANINGS = {
    "completed": "the record is complete",
    "running": "is running",
    "unattended": "its command runs on without kwrap; recover again when it has ended",
    "busy": "is being completed by another process",
    "offline": "was recorded offline: 'kwrap sync' sends it",
    "pending": "the repository does not take it now: 'kwrap sync' tries again",
}


def recover(context: typer.Context, json: JsonOption = False, verbose: VerboseOption = 0) -> int:
    """Complete the records of runs whose kwrap was killed.

    Looks at every run directory of this machine whose processes are gone. 'kwrap run' and 'kwrap ls' do the same, for
    a bounded time.
    """
    return complete(screen_of(context), "recover", json, offline=False)


def complete(screen: Screen, command: str, json: bool, *, offline: bool) -> int:
    """Complete what can be, and print what becomes of each; 1 when something could not be sent."""
    if json:
        found = recover_runs(offline=offline)
        screen.out.write(envelope(command, [one._asdict() for one in found]))
    else:
        found = recover_runs(offline=offline, tell=lambda one: _tell(screen, one))
        done = sum(one.state == "completed" for one in found)
        screen.print(f"{count(done, 'record')} completed, {len(found) - done} left.")
    return int(any(one.state == "pending" for one in found))


def _tell(screen: Screen, one: Found) -> None:
    """As soon as it is known: the next may take a while."""
    meaning = f"{one.problem}: 'kwrap sync' tries again" if one.problem else _MEANINGS[one.state]
    screen.print(f"{ids.short(one.experiment)}  {one.state:<10}  {meaning}  ({one.repository})")
    screen.out.flush()
