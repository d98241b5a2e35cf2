"""`kwrap ls`: list experiments."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from kwrap.cli.listing import Form, print_list
from kwrap.cli.options import (
    DirectoryOption,
    JsonLinesOption,
    JsonOption,
    RepositoryOption,
    VerboseOption,
    project_of,
    screen_of,
)

FilterOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--filter", "-f", metavar="EXPR", help="Only those that fulfil it; repeated: all of them."),
]
SortOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--sort", "-s", metavar="KEY", help="Sort by it: loss, loss-desc, -created; default: created."),
]
LastOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        "--last", "-n", metavar="N", min=0, help="Only the newest N; 0: all. By default 50 in the table, else all."
    ),
]
StatusOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--status", metavar="STATUS", help="Only those: running, finished, failed, killed, lost."),
]
AllOption = Annotated[
    bool,
    typer.Option("--all", "-a", help="All params and metrics, and not only what differs.", rich_help_panel="Output"),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Ids only.", rich_help_panel="Output")]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict", help="Read the records themselves; exit with 1 when one is damaged.", rich_help_panel="Output"
    ),
]


def ls(
    context: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    status: StatusOption = None,
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
    """List experiments.

    Of the params only those are shown that differ; of the metrics the primary ones first, at the best and at the
    latest checkpoint.

    A filter compares names with values: = != < <= > >= =~ in contains, joined by and, or, not and parentheses. Names
    are params, metrics, and: id name user host command status created duration step tags note.
    """
    form = Form(everything, json, jsonl, quiet, strict)
    project = project_of(context, repository, directory)
    return print_list(screen_of(context), "ls", project, form, filters=filters, sort=sort, status=status, last=last)
