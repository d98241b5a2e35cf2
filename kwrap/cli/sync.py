"""`kwrap sync`: send what was recorded on this machine and is not in its repository yet."""

from __future__ import annotations

import typer

from kwrap.cli.options import JsonOption, VerboseOption, screen_of
from kwrap.cli.recover import complete


def sync(context: typer.Context, json: JsonOption = False, verbose: VerboseOption = 0) -> int:
    """Send what was recorded on this machine and is not in its repository yet.

    Runs recorded with --offline, and those whose repository could not be reached at their end.
    """
    return complete(screen_of(context), "sync", json, offline=True)
