"""`kwrap copy`: bring experiments into another repository."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Optional

import typer

from kwrap import ids
from kwrap.analysis.table import format_size
from kwrap.cli import progress, result
from kwrap.cli.listing import shortened
from kwrap.cli.ls import FilterOption
from kwrap.cli.options import DirectoryOption, JsonOption, RepositoryOption, VerboseOption, project_of, screen_of
from kwrap.cli.render import warn
from kwrap.cli.screen import Screen
from kwrap.cli.words import count
from kwrap.errors import UsageError
from kwrap.project import ExperimentList, Project
from kwrap.project.copying import Copied, Copying


def copy(
    context: typer.Context,
    names: Annotated[Optional[list[str]], typer.Argument(metavar="ID…", help="Experiments.")] = None,  # noqa: UP045
    to: Annotated[Optional[str], typer.Option("--to", metavar="URL", help="Where to.")] = None,  # noqa: UP045
    everything: Annotated[bool, typer.Option("--all", "-a", help="All experiments that are listed.")] = False,
    filters: FilterOption = None,
    json: JsonOption = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Bring experiments into another repository, of any kind, which is made if nothing is there.

    Whole experiments, under their ids: records, code, weights, output and metrics. What is there already is not copied
    again; of one that runs, what there is by now. One of Keepsake's repositories is brought in by it, too.
    """
    screen = screen_of(context)
    if to is None:
        raise UsageError("where to?", hint="kwrap copy ID… --to URL")
    found = _chosen(project_of(context, repository, directory), names or [], everything, filters)
    copying = Copying(found, to)
    done: list[Copied] = []
    with progress.bytes_bar(screen, "copying", copying.size_bytes) as advance:
        for one in copying.run(advance):
            done.append(one)
            if not json:
                _tell(screen, one, verbose > 0)
    if json:
        data = {"to": copying.url, "experiments": done, "problems": found.problems}
        screen.out.write(result.envelope("copy", data))
    else:
        warn(screen, found.problems)
        screen.print(_summary(done, copying.url))
    return int(bool(found.problems) or any(one.problems for one in done))


def _chosen(project: Project, names: list[str], everything: bool, filters: list[str] | None) -> ExperimentList:
    if names and (everything or filters):
        raise UsageError("ids and --all or --filter exclude each other", hint="kwrap copy --all --to URL")
    if not names and not everything and not filters:
        raise UsageError("which experiments?", hint="kwrap copy ID… --to URL; --all copies every one")
    if not names:
        return project.experiments.list(filter=filters)
    found = {one.id: one for one in map(project.experiments.get, names)}
    return ExperimentList(list(found.values()))


def _tell(screen: Screen, one: Copied, every: bool) -> None:
    if one.state != "unchanged" or every:
        new = f", {count(one.checkpoints, 'checkpoint')}" if one.checkpoints else ""
        screen.print(f"{ids.short(one.id)}  {one.state}{new}")
    warn(screen, one.problems)


def _summary(done: list[Copied], url: str) -> str:
    """`3 experiments copied to s3://…, 1 updated, 12 unchanged: 1.2 GB stored.`"""
    number = Counter(one.state for one in done)
    words = {"updated": "updated", "unchanged": "unchanged", "removed": "removed there before", "failed": "failed"}
    others = [f"{number[state]:,} {word}" for state, word in words.items() if number[state]]
    head = f"{count(number['copied'], 'experiment')} copied to {shortened(url)}"
    stored = [one.content_bytes + (one.series_bytes or 0) for one in done if one.content_bytes is not None]
    what = f": {format_size(sum(stored))} stored" if stored else ""
    return f"{', '.join([head, *others])}{what}."
