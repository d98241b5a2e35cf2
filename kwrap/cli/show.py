"""`kwrap show`: all about one experiment, or one of its checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kwrap.cli import result
from kwrap.cli.options import DirectoryOption, JsonOption, RepositoryOption, VerboseOption, project_of, screen_of
from kwrap.cli.render import as_errors, warn
from kwrap.errors import Damaged, StorageError, UnsafePath
from kwrap.project import Checkpoint, Experiment, export
from kwrap.records import CheckpointFile

if TYPE_CHECKING:
    from kwrap.project.measured import Measured

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="An id, the beginning of one, a name or a tag; ID@3, ID@best: a checkpoint.")
]


def show(
    context: typer.Context,
    name: IdArgument,
    everything: Annotated[
        bool,
        typer.Option("--all", "-a", help="All packages, variables, files left out, checkpoints; long values whole."),
    ] = False,
    json: JsonOption = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Show an experiment or a checkpoint."""
    screen = screen_of(context)
    found = project_of(context, repository, directory).find(name)
    experiment = found.experiment if isinstance(found, Checkpoint) else found
    problems = list(experiment.problems)
    files = _files(found, problems) if isinstance(found, Checkpoint) else None
    if json:
        data = export.checkpoint(found, files or ()) if isinstance(found, Checkpoint) else found.to_json()
        screen.out.write(result.envelope("show", data, as_errors(problems)))
        return 0
    if isinstance(found, Checkpoint):
        from kwrap.cli.render_checkpoint import print_checkpoint

        print_checkpoint(screen, found, files)
    else:
        from kwrap.cli.render_experiment import print_experiment

        print_experiment(screen, found, _measured(found, problems), everything=everything)
    warn(screen, problems)
    return 0


def _files(one: Checkpoint, problems: list[str]) -> tuple[CheckpointFile, ...] | None:
    """What it holds; None, and a word of it, where only the files could tell, and cannot be read."""
    try:
        return one.files
    except (Damaged, StorageError, UnsafePath) as error:
        problems.append(error.message)
        return None


def _measured(one: Experiment, problems: list[str]) -> list[Measured]:
    """Its metrics; of damaged ones what the outcome says, and a word of it."""
    from kwrap.project.measured import overview

    try:
        return overview(one)
    except (Damaged, StorageError) as error:
        problems.append(error.message)
        return overview(one, course=False)
