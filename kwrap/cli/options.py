"""Options that several commands share, and how a command finds its project from them."""

from __future__ import annotations

from typing import Annotated, Optional, cast

import typer

from kwrap.cli.screen import Screen
from kwrap.project import Project

_WHERE = "Where"
_OUTPUT = "Output"

# `Optional` and not `|`: typer reads these at run time, on Python 3.10 too.
RepositoryOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--repository", "-R", metavar="URL", help="The repository, instead of the project's.", rich_help_panel=_WHERE
    ),
]
DirectoryOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--project-directory",
        "-D",
        metavar="DIR",
        help="The project's top, instead of the one around here.",
        rich_help_panel=_WHERE,
    ),
]
VerboseOption = Annotated[
    int, typer.Option("--verbose", "-v", count=True, help="Say more; -vv: where an error came from.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="The result as JSON.", rich_help_panel=_OUTPUT)]
JsonLinesOption = Annotated[bool, typer.Option("--jsonl", help="One JSON object a line.", rich_help_panel=_OUTPUT)]


def screen_of(context: typer.Context) -> Screen:
    """What `app.invoke` gave to the command."""
    return cast(Screen, context.obj)


def project_of(context: typer.Context, repository: str | None, directory: str | None) -> Project:
    """The project that a command is about, on the clock of its screen."""
    return Project(repository, directory, clock=screen_of(context).clock)
