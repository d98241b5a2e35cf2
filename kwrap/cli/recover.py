"""`kwrap recover`: complete the records of runs whose kwrap was killed."""

from __future__ import annotations

from collections.abc import Sequence

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
    return tell(screen_of(context), "recover", recover_runs(), json)


def tell(screen: Screen, command: str, found: Sequence[Found], json: bool) -> int:
    """Print what became of each run directory; 1 when something could not be sent."""
    if json:
        screen.out.write(envelope(command, [one._asdict() for one in found]))
    else:
        done = sum(one.state == "completed" for one in found)
        screen.print(f"{count(done, 'record')} completed, {len(found) - done} left.")
        for one in found:
            screen.print(f"  {ids.short(one.experiment)}  {one.state:<10}  {_MEANINGS[one.state]}  ({one.repository})")
    return int(any(one.state == "pending" for one in found))
