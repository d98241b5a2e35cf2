"""`kwrap rm`: remove experiments from the list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from kwrap.analysis.table import format_size
from kwrap.analysis.text import printable
from kwrap.cli import result
from kwrap.cli.options import DirectoryOption, JsonOption, RepositoryOption, VerboseOption, project_of, screen_of
from kwrap.cli.words import count
from kwrap.errors import KwrapError, UnknownId
from kwrap.project import Checkpoint, Experiment


def rm(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="ID…", help="Experiments; ID@3: one checkpoint of one.")],
    force: Annotated[bool, typer.Option("--force", "-f", help="Do not ask, and remove what is running, too.")] = False,
    json: JsonOption = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Remove experiments from the list.

    A removed experiment is no longer listed and no longer found by its name and tags. What it stored stays, and its id
    still shows it and checks it out, until 'kwrap gc' frees the space.
    """
    screen = screen_of(context)
    project = project_of(context, repository, directory)
    found = list({one.id: one for one in map(project.find, names)}.values())
    for one in found:
        _check(one, force)
    if not force:
        if not screen.asks or json:
            raise KwrapError("nothing was removed: there is nobody to ask", hint="--force removes without asking")
        for one in found:
            screen.say(f"  {_described(one)}")
        if not screen.confirm(f"Remove {'it' if len(found) == 1 else f'these {len(found)}'}?"):
            raise KwrapError("nothing was removed")
    for one in found:
        one.delete()
    if json:
        screen.out.write(result.envelope("rm", [one.id for one in found]))
    else:
        what = "checkpoint" if all(isinstance(one, Checkpoint) for one in found) else "experiment"
        freed = f"its {_size(found)}" if len(found) == 1 else f"their {_size(found)}"
        screen.print(f"Removed {count(len(found), what)}. 'kwrap gc' frees {freed}, but for what others hold, too.")
    return 0


def _check(one: Experiment | Checkpoint, force: bool) -> None:
    if not isinstance(one, Experiment):
        return
    if one.deleted:
        raise UnknownId(f"experiment {one.short_id} was removed already", hint="'kwrap ls' lists those that are there")
    if one.is_running() and not force:
        raise KwrapError(f"experiment {one.short_id} is running", hint="--force removes it nevertheless")


def _size(found: Sequence[Experiment | Checkpoint]) -> str:
    """Of checkpoints and code, as if nothing were shared."""
    size_bytes = 0
    for one in found:
        if isinstance(one, Checkpoint):
            size_bytes += one.size_bytes
        else:
            source = one.state.experiment.source
            size_bytes += sum(checkpoint.size_bytes for checkpoint in one.checkpoints)
            size_bytes += (source.size_bytes or 0) if source is not None else 0
    return format_size(size_bytes)


def _described(one: Experiment | Checkpoint) -> str:
    if isinstance(one, Checkpoint):
        return f"checkpoint {one.id} of {printable(one.experiment.name or one.experiment.short_id)}"
    checkpoints = f", {count(len(one.checkpoints), 'checkpoint')}" if one.checkpoints else ""
    return f"{one.short_id}{f' {printable(one.name)}' if one.name else ''}: {one.sentence.rstrip('.')}{checkpoints}"
