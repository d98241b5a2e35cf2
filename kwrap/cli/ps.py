"""`kwrap ps`: list what is running."""

from __future__ import annotations

import typer

from kwrap.cli.listing import Form, print_list
from kwrap.cli.ls import AllOption, FilterOption, LastOption, QuietOption, SortOption, StrictOption
from kwrap.cli.options import (
    DirectoryOption,
    JsonLinesOption,
    JsonOption,
    RepositoryOption,
    VerboseOption,
    project_of,
    screen_of,
)


def ps(
    context: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    last: LastOption = None,
    everything: AllOption = False,
    json: JsonOption = False,
    jsonl: JsonLinesOption = False,
    quiet: QuietOption = False,
    strict: StrictOption = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """List experiments that are running.

    As 'kwrap ls --status running', wherever they run: what counts is a fresh heartbeat in the repository.
    """
    form = Form(everything, json, jsonl, quiet, strict)
    project = project_of(context, repository, directory)
    return print_list(
        screen_of(context), "ps", project, form, filters=filters, sort=sort, status=["running"], last=last
    )
