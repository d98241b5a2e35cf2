"""`kwrap doctor`: what works on this machine."""

from __future__ import annotations

import typer

from kwrap.cli import result
from kwrap.cli.options import DirectoryOption, JsonOption, RepositoryOption, VerboseOption, project_of, screen_of
from kwrap.cli.render import wrapped
from kwrap.cli.screen import Screen
from kwrap.cli.table import paint
from kwrap.cli.words import count
from kwrap.project.doctor import Check, Health, diagnose

_MARKS = {Health.WORKS: ("works", "green"), Health.WARNING: ("partly", "yellow"), Health.FAILS: ("fails", "red")}


def doctor(
    context: typer.Context,
    json: JsonOption = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Say what works on this machine, what does not, and why.

    Exits with 1 when something fails.
    """
    screen = screen_of(context)
    checks = diagnose(project_of(context, repository, directory))
    failed = sum(check.health is Health.FAILS for check in checks)
    if json:
        screen.out.write(result.envelope("doctor", checks))
        return int(failed > 0)
    partly = sum(check.health is Health.WARNING for check in checks)
    if failed or partly:
        screen.print(f"Of {count(len(checks), 'check')}, {failed} fail and {partly} work in part.")
    else:
        screen.print(f"All {len(checks)} checks work.")
    screen.print()
    for check in checks:
        _print(screen, check, max(len(each.name) for each in checks))
    return int(failed > 0)


def _print(screen: Screen, check: Check, width: int) -> None:
    mark, style = _MARKS[check.health]
    room = max((screen.columns or 10_000) - width - 10, 20)
    first, *rest = wrapped(check.detail, room)
    screen.print(f"{paint(f'{mark:<6}', style, screen.colours)}  {check.name:<{width}}  {first}")
    hint = wrapped(f"→ {check.hint}", room) if check.hint and check.health is not Health.WORKS else []
    for line in [*rest, *hint]:
        screen.print(f"{'':{width + 10}}{line}")
