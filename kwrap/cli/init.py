"""`kwrap init`: a commented kwrap.yaml and a repository."""

from __future__ import annotations

import os

import typer

from kwrap.cli import result
from kwrap.cli.listing import shortened
from kwrap.cli.options import DirectoryOption, JsonOption, RepositoryOption, VerboseOption, project_of, screen_of
from kwrap.project.starting import start


def init(
    context: typer.Context,
    json: JsonOption = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Write a commented kwrap.yaml and make the repository.

    Neither is needed: without them, 'kwrap run' makes .kwrap in the project. What is there is never written over.
    """
    screen = screen_of(context)
    project = project_of(context, repository, directory)
    started = start(project, repository)
    if json:
        screen.out.write(result.envelope("init", started))
        return 0
    config_file, place = shortened(started.config_file), shortened(started.repository)
    wrote = f"Wrote {config_file}" if started.wrote_config else f"{config_file} was there and is as it was"
    made = f"made the repository {place}" if started.made_repository else f"the repository {place} was there"
    screen.print(f"{wrote}; {made}.")
    if not started.ignored:
        name = os.path.relpath(started.repository, project.directory)
        screen.say(f"note: git does not ignore it; add '/{name}/' to .gitignore")
    screen.say("next: kwrap run -- python train.py")
    return 0
