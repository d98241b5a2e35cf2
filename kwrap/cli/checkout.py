"""`kwrap checkout`: bring back code and weights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from shlex import quote
from typing import Annotated, Any, Optional

import typer

from kwrap.analysis.table import format_size
from kwrap.analysis.text import printable
from kwrap.cli import progress, result
from kwrap.cli.listing import shortened
from kwrap.cli.options import DirectoryOption, JsonOption, RepositoryOption, VerboseOption, project_of, screen_of
from kwrap.cli.render import as_errors, warn
from kwrap.cli.screen import Screen
from kwrap.cli.table import paint
from kwrap.cli.words import count, listed
from kwrap.errors import KwrapError, UsageError
from kwrap.project import Checkpoint, Project
from kwrap.project.checkout import Plan, undo

_LISTED = 20
_STYLES = {"create": "green", "unchanged": "dim"}


def checkout(
    context: typer.Context,
    name: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="ID", help="An experiment; ID@3, ID@best: with that checkpoint."),
    ] = None,
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--output-directory", "-o", metavar="DIR", help="Where to; by default the project itself."),
    ] = None,
    paths: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--path", metavar="PATH", help="Only that file, directory or glob; may be repeated."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Change files that are there without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    undoing: Annotated[bool, typer.Option("--undo", help="Take the last checkout into the directory back.")] = False,
    json: JsonOption = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Bring back the code and the weights of an experiment.

    The files of the best, else the latest checkpoint are laid over the code. Files that the experiment does not have
    are left alone. What is overwritten is kept: 'kwrap checkout --undo' brings it back as it was.
    """
    screen = screen_of(context)
    project = project_of(context, repository, directory)
    if output == "":  # as from an unset variable: it does not mean the project
        raise UsageError("-o names no directory", hint="without -o the project itself is meant")
    if undoing:
        if name is not None or paths or dry_run:
            raise UsageError("--undo takes no ID, no --path and no --dry-run", hint="kwrap checkout --undo [-o DIR]")
        return _undo(screen, project.directory if output is None else output, json)
    if name is None:
        raise UsageError("which experiment?", hint="kwrap checkout ID; 'kwrap ls' lists them")
    found = project.find(name)
    problems = (found.experiment if isinstance(found, Checkpoint) else found).problems
    if not json:
        warn(screen, problems)
    planned = found.plan_checkout(output, paths=paths or ())
    if not json:
        _tell(screen, planned, verbose > 0 or dry_run)
    if not dry_run:
        _apply(screen, project, planned, force, json, problems)
    elif json:
        screen.out.write(result.envelope("checkout", _data(planned, None), as_errors(problems)))
    return 0


def _apply(screen: Screen, project: Project, planned: Plan, force: bool, json: bool, problems: Sequence[str]) -> None:
    if planned.overwritten and not force and screen.asks and not json:
        if not screen.confirm("Do you want to continue?"):
            raise KwrapError("nothing was changed", hint="-o DIR names another directory")
        force = True
    try:
        with progress.bytes_bar(screen, "restoring", planned.size_bytes) as advance:
            done = planned.apply(force=force, progress=advance, clock=project.clock)
    except KeyboardInterrupt:
        screen.say(f"interrupted; what was done so far can be undone: {planned.undo_command}")
        raise
    if json:
        screen.out.write(result.envelope("checkout", _data(planned, done.backup), as_errors(problems)))
        return
    if done.backup and planned.overwritten:
        where = "" if planned.target == project.directory else f" -o {quote(shortened(planned.target))}"
        screen.print(f"What was there is kept; this brings it back: kwrap checkout --undo{where}")
    screen.print(f"It was run with: {printable(planned.command)}")


def _tell(screen: Screen, planned: Plan, every: bool) -> None:
    """What will change: what is overwritten by name, what is created by number."""
    created, overwritten, unchanged = len(planned.created), len(planned.overwritten), len(planned.unchanged)
    parts = [f"{count(created, 'file')} to create"] if created else []
    parts += [f"{overwritten:,} to change"] if overwritten else []
    parts += [f"{unchanged:,} unchanged"] if unchanged else []
    size = format_size(planned.size_bytes)
    screen.print(f"{planned.what} into {shortened(planned.target)}: {', '.join(parts)} ({size} to write).")
    shown = planned.changes if every else planned.overwritten[:_LISTED]
    for change in shown:
        path = printable(os.fsdecode(change.path))
        screen.print(paint(f"  {change.action:<9}  {path}", _STYLES.get(change.action, "yellow"), screen.colours))
    if not every and overwritten > len(shown):
        screen.print(f"  and {overwritten - len(shown):,} more (-v lists all)")


def _undo(screen: Screen, directory: str, json: bool) -> int:
    what, undone = undo(directory)
    edited = list(map(os.fsdecode, undone.edited))
    if json:
        data = {"undone": what, "target": directory, "paths": undone.paths, "edited": edited}
        screen.out.write(result.envelope("checkout", data))
        return 0
    screen.print(f"{shortened(directory)} is as it was before {what} was checked out: {count(undone.paths, 'path')}.")
    if edited:
        screen.print(f"What was edited since is kept beside: {printable(listed(edited))}")
    return 0


def _data(planned: Plan, backup: str | None) -> dict[str, Any]:
    return {
        "checked_out": planned.what,
        "target": planned.target,
        "command": planned.command,
        "backup": backup,
        "changes": [
            {"path": os.fsdecode(change.path), "action": change.action, "size_bytes": change.size_bytes}
            for change in planned.changes
        ],
    }
