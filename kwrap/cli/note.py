"""`kwrap note`: a sentence about an experiment or a checkpoint."""

from __future__ import annotations

from typing import Annotated

import typer

from kwrap.cli import result
from kwrap.cli.options import DirectoryOption, JsonOption, RepositoryOption, VerboseOption, project_of, screen_of
from kwrap.project import Experiment


def note(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="An experiment, or ID@3, ID@best: a checkpoint.")],
    text: Annotated[list[str], typer.Argument(metavar="TEXT…", help="What to remember.")],
    json: JsonOption = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Add a note to an experiment or a checkpoint.

    The last one is shown; earlier ones are kept.
    """
    screen = screen_of(context)
    found = project_of(context, repository, directory).find(name)
    found.note(" ".join(text))
    if json:
        screen.out.write(result.envelope("note", {"id": found.id, "note": " ".join(text).strip()}))
    else:
        screen.print(f"Noted for {found.short_id if isinstance(found, Experiment) else found.id}.")
    return 0
