"""What `ls` and `ps` have in common: which experiments, and in which form they are printed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from kwrap.cli import result
from kwrap.cli.render import as_errors, remark, warn
from kwrap.cli.screen import Screen
from kwrap.cli.words import count
from kwrap.errors import UsageError
from kwrap.project import ExperimentList, Project, leftovers
from kwrap.project.export import summaries
from kwrap.repository.index import without_collecting

# How long a list may wait for the records of killed runs to be completed.
_LEFTOVERS_LIMIT_S = 1.0
_PAGE = 50


class Form(NamedTuple):
    """How to print a list; at most one of `json`, `jsonl` and `quiet`."""

    everything: bool = False
    json: bool = False
    jsonl: bool = False
    quiet: bool = False
    strict: bool = False

    @property
    def for_programs(self) -> bool:
        return self.json or self.jsonl or self.quiet

    def check(self) -> None:
        """Raise UsageError for forms that exclude each other."""
        if self.json + self.jsonl + self.quiet > 1:
            raise UsageError("--json, --jsonl and -q exclude each other", hint="choose one of them")


def print_list(
    screen: Screen,
    command: str,
    project: Project,
    form: Form,
    *,
    filters: Sequence[str] | None,
    sort: str | None,
    status: Sequence[str] | None,
    last: int | None,
) -> int:
    """List experiments and print them; the exit status: 1 with --strict when something is damaged."""
    form.check()
    leftovers.complete(_LEFTOVERS_LIMIT_S)
    with without_collecting():
        every = project.experiments.list(
            filter=filters,
            sort=sort,
            status=status,
            last=_asked_for(form, last, filters, sort, status),
            strict=form.strict,
        )
        found = every if last is not None or form.for_programs else _page(every, sort)
        _print(screen, command, project, found, form)
        if not form.for_programs and len(found) < _amount(every, last, filters, status):
            remark(screen, _more(len(found), _amount(every, last, filters, status), sort), "dim")
    if not form.json:
        warn(screen, found.problems)
        _tell_of_waiting(screen, leftovers.waiting(project.repository_url))
    return 1 if form.strict and found.problems else 0


def _asked_for(
    form: Form, last: int | None, filters: Sequence[str] | None, sort: str | None, status: Sequence[str] | None
) -> int | None:
    """How many of the newest; None: all. What is not on the page need not be looked up where nothing else decides."""
    if last is not None:
        return last or None
    return None if form.for_programs or filters or sort or status else _PAGE


def _page(found: ExperimentList, sort: str | None) -> ExperimentList:
    """What a person is shown at once: the newest, or the first in the order asked for."""
    return found[:_PAGE] if sort else found[-_PAGE:]


def _amount(
    every: ExperimentList, last: int | None, filters: Sequence[str] | None, status: Sequence[str] | None
) -> int:
    """How many there are that fulfil the filters; those that were asked for where a number was."""
    return len(every) if last is not None or filters or status else every.total


def _more(shown: int, amount: int, sort: str | None) -> str:
    return f"the {'first' if sort else 'newest'} {shown} of {amount:,}; --last 0 shows all"


def _print(screen: Screen, command: str, project: Project, found: ExperimentList, form: Form) -> None:
    if form.json:
        screen.out.write(result.envelope(command, list(summaries(found)), as_errors(found.problems)))
    elif form.jsonl:
        screen.out.writelines(result.lines(summaries(found)))
    elif form.quiet:
        screen.out.writelines(f"{one.id}\n" for one in found)
    else:
        _print_for_people(screen, command, project, found, form)


def _print_for_people(screen: Screen, command: str, project: Project, found: ExperimentList, form: Form) -> None:
    from kwrap.cli import render_list

    where = shortened(project.repository_url)
    if not found:
        screen.say(render_list.nothing(found, where, running=command == "ps"))
        return
    if screen.terminal:
        remark(screen, render_list.summary(found, where))
    render_list.print_table(screen, found, everything=form.everything)


def _tell_of_waiting(screen: Screen, number: int) -> None:
    if number:
        remark(
            screen,
            f"{count(number, 'record')} on this machine {'is' if number == 1 else 'are'} not in it yet: 'kwrap sync'",
        )


def shortened(path: str) -> str:
    """A path as a person writes it: relative when it lies below, `~` for home."""
    below = os.path.relpath(path) if os.path.isabs(path) else path
    if not below.startswith(".."):
        return below
    home = os.path.expanduser("~")
    return f"~{path[len(home) :]}" if home != "/" and path.startswith(f"{home}/") else path
