"""`kwrap export`: write experiments for another tool."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from kwrap.analysis.table import format_size
from kwrap.cli import progress, result
from kwrap.cli.listing import shortened
from kwrap.cli.options import DirectoryOption, JsonOption, RepositoryOption, VerboseOption, project_of, screen_of
from kwrap.cli.render import as_errors, warn
from kwrap.cli.screen import Screen
from kwrap.cli.words import count
from kwrap.errors import UsageError
from kwrap.project import Checkpoint, Experiment, Project
from kwrap.project.exporting import Exported, to_keepsake

_FORMATS = ("keepsake",)
_EXAMPLE = "kwrap export --format keepsake DIR"


def export(
    context: typer.Context,
    words: Annotated[
        list[str], typer.Argument(metavar="[ID]… DIR", help="Experiments, by default all; and a directory or URL.")
    ],
    format: Annotated[  # noqa: A002
        Optional[str],  # noqa: UP045
        typer.Option("--format", metavar="FORMAT", help="keepsake: a repository that Keepsake 0.4.2 reads."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 when anything was left out.", rich_help_panel="Output")
    ] = False,
    json: JsonOption = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Write experiments for another tool: their records, code and checkpoints.

    Into a place that has been written to before, only what is new is written. What the other tool cannot hold is told.
    """
    screen = screen_of(context)
    if format not in _FORMATS:
        raise UsageError(f"there is no format '{format}'" if format else "which format?", hint=_EXAMPLE)
    *names, to = words
    project = project_of(context, repository, directory)
    experiments = _chosen(project, names)
    with progress.bytes_bar(screen, "exporting", _size_bytes(experiments)) as advance:
        done = to_keepsake(experiments, to, advance)
    if json:
        screen.out.write(result.envelope("export", _data(done), as_errors(done.problems)))
    else:
        _tell(screen, done)
    return 1 if strict and done.problems else 0


def _chosen(project: Project, names: list[str]) -> list[Experiment]:
    if not names:
        found = project.experiments.list()
        if not found:
            raise UsageError(
                f"there are no experiments in {project.repository_url}", hint="-R names another repository"
            )
        return list(found)
    found_by_name = [project.find(name) for name in names]
    return [one.experiment if isinstance(one, Checkpoint) else one for one in found_by_name]


def _size_bytes(experiments: list[Experiment]) -> int:
    code = sum(one.record.source.size_bytes or 0 for one in experiments if one.record.source)
    return code + sum(each.size_bytes for one in experiments for each in one.checkpoints)


def _tell(screen: Screen, done: Exported) -> None:
    written = f"{count(done.tarballs, 'new tarball')}, {format_size(done.size_bytes)}"
    screen.print(f"{count(len(done.ids), 'experiment')} in {shortened(done.url)} ({written}).")
    for own, theirs in done.ids.items():
        screen.print(f"  {theirs[:7]}  {own}")
    warn(screen, done.problems)


def _data(done: Exported) -> dict[str, object]:
    return {
        "url": done.url,
        "experiments": [{"id": own, "keepsake_id": theirs} for own, theirs in done.ids.items()],
        "tarballs": done.tarballs,
        "size_bytes": done.size_bytes,
    }
