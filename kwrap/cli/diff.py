"""`kwrap diff`: how two experiments or checkpoints differ."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kwrap.cli import result
from kwrap.cli.options import DirectoryOption, JsonOption, RepositoryOption, VerboseOption, project_of, screen_of
from kwrap.encoding import to_json
from kwrap.project.difference import Difference, Side
from kwrap.project.difference import diff as compare
from kwrap.project.export import brief


def diff(
    context: typer.Context,
    left: Annotated[str, typer.Argument(metavar="ID", help="An experiment or, as ID@3 or ID@best, a checkpoint.")],
    right: Annotated[str, typer.Argument(metavar="ID")],
    code: Annotated[bool, typer.Option("--code/--no-code", help="Whether to compare the code, line by line.")] = True,
    json: JsonOption = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Show how two experiments or checkpoints differ.

    An experiment stands for its best, else its latest checkpoint.
    """
    screen = screen_of(context)
    project = project_of(context, repository, directory)
    found = compare(project.find(left), project.find(right), code=code)
    if json:
        screen.out.write(result.envelope("diff", _data(found)))
    else:
        from kwrap.cli.render_difference import print_difference

        print_difference(screen, found)
    return 0


def _data(found: Difference) -> dict[str, Any]:
    return {
        "left": _side(found.left),
        "right": _side(found.right),
        "fields": to_json(found.fields),
        "code_known": found.code_known,
        "code": to_json(found.code),
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "id": side.experiment.id,
        "short_id": side.experiment.short_id,
        "name": side.experiment.name,
        "checkpoint": brief(side.checkpoint),
    }
