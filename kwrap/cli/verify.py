"""`kwrap verify`: find what is missing, wrong or too much in the repository."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Annotated, Optional

import typer

from kwrap import ids
from kwrap.analysis.table import format_size
from kwrap.analysis.text import printable
from kwrap.cli.options import DirectoryOption, JsonOption, RepositoryOption, VerboseOption, project_of, screen_of
from kwrap.cli.progress import bytes_bar, steps_bar
from kwrap.cli.result import envelope
from kwrap.cli.screen import Screen
from kwrap.cli.words import count, listed
from kwrap.project.verifying import Kind, Problem, Verified

_SHOWN = 20  # of what is only too much


def verify(
    context: typer.Context,
    names: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads it at run time
        typer.Argument(metavar="[ID]…", help="Experiments; without any, everything that lies there."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read every byte, and compare it with its hash.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended from this machine. Deletes nothing.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail for what is too much, too.")] = False,
    json: JsonOption = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Find what is missing, wrong or too much in the repository.

    By default it reads the records and manifests, and looks whether all that they name is there with the right size.
    With --full it reads everything. The exit status is 1 when something is missing or wrong.

    --repair takes content from the local store, from checkpoints that are not sent yet and from the project's files,
    wherever their hashes are right, and lost records from the log.
    """
    screen = screen_of(context)
    project = project_of(context, repository, directory)
    with ExitStack() as bar:
        steps = bar.enter_context(steps_bar(screen, "verifying"))

        def reading(total_bytes: int) -> AbstractContextManager[Callable[[int], None]]:
            bar.close()  # one after the other: a terminal has room for one
            return bytes_bar(screen, "reading", total_bytes)

        found = project.verify(names or (), full=full, repair=repair, steps=steps, reading=reading)
    if json:
        screen.out.write(envelope("verify", _plain(found)))
    else:
        _tell(screen, found)
    return int(not found.is_whole or (strict and any(one.kind is Kind.SURPLUS for one in found.problems)))


def _plain(found: Verified) -> dict[str, object]:
    return {
        "full": found.full,
        "whole": found.is_whole,
        "experiments": found.experiments,
        "objects": found.objects,
        "size_bytes": found.size_bytes,
        "surplus_bytes": found.surplus_bytes,
        "problems": found.problems,
    }


def _tell(screen: Screen, found: Verified) -> None:
    how = "every byte of it was read" if found.full else "all that is named is there; --full reads every byte"
    what = (
        f"{count(found.experiments, 'experiment')}, {count(found.objects, 'object')}, {format_size(found.size_bytes)}"
    )
    damage = [one for one in found.problems if one.kind is not Kind.SURPLUS]
    surplus = [one for one in found.problems if one.kind is Kind.SURPLUS]
    left = [one for one in damage if not one.repaired]
    if not damage:
        screen.print(f"All is well: {what}; {how}.")
    elif not left:
        screen.print(f"All {count(len(damage), 'problem')} repaired: {what}.")
    else:
        needed = {one for problem in left for one in problem.experiments}
        concerned = (
            f", in {count(len(needed), 'experiment')}: {listed(map(ids.short, sorted(needed)))}" if needed else ""
        )
        screen.print(f"{count(len(left), 'problem')}{concerned}.")
    _print(screen, damage)
    if surplus:
        freed = "'kwrap gc' frees what is kwrap's and a day old."
        screen.print(
            f"Besides, {count(len(surplus), 'object')} that nothing needs, {format_size(found.surplus_bytes)}. {freed}"
        )
        _print(screen, surplus[:_SHOWN])
        if len(surplus) > _SHOWN:
            screen.print(f"  and {len(surplus) - _SHOWN:,} more: --json lists all")


def _print(screen: Screen, problems: Sequence[Problem]) -> None:
    for one in problems:
        concerned = f"  ({listed(map(ids.short, one.experiments))})" if one.experiments else ""
        screen.print(f"  {'repaired' if one.repaired else one.kind.value:<8}  {printable(one.message)}{concerned}")
