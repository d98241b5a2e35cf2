"""`kwrap tag`: a word by which an experiment or a checkpoint can be found."""

from __future__ import annotations

from typing import Annotated

import typer

from kwrap.cli import result
from kwrap.cli.options import DirectoryOption, JsonOption, RepositoryOption, VerboseOption, project_of, screen_of
from kwrap.project import Checkpoint, Experiment


def tag(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="An experiment, or ID@3, ID@best: a checkpoint.")],
    word: Annotated[str, typer.Argument(metavar="TAG", help="A word; ID@TAG names a tagged checkpoint.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take it away.")] = False,
    json: JsonOption = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Give an experiment or a checkpoint a tag, or take it away."""
    screen = screen_of(context)
    project = project_of(context, repository, directory)
    found = project.find(name)
    found.untag(word) if remove else found.tag(word)
    after = _again(found)
    if json:
        screen.out.write(result.envelope("tag", {"id": after.id, "tags": list(after.tags)}))
    else:
        label = after.short_id if isinstance(after, Experiment) else after.id
        tags = f"the {'tag' if len(after.tags) == 1 else 'tags'} {', '.join(after.tags)}" if after.tags else "no tags"
        screen.print(f"{label} has {tags}.")
    return 0


def _again(found: Experiment | Checkpoint) -> Experiment | Checkpoint:
    if isinstance(found, Checkpoint):
        return Checkpoint(found.experiment.refresh(), found.record)
    return found.refresh()
