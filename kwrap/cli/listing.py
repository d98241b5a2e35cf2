"""What `ls` and `ps` have in common: which experiments, and in which form they are printed."""

from __future__ import annotations

import os
from typing import NamedTuple

from kwrap.cli import result
from kwrap.cli.render import as_errors, warn
from kwrap.cli.screen import Screen
from kwrap.errors import UsageError
from kwrap.project import ExperimentList, Project
from kwrap.project.export import summary

# How long a list may wait for the records of killed runs to be completed.
LEFTOVERS_LIMIT_S = 1.0


class Form(NamedTuple):
    """How to print a list; at most one of `json`, `jsonl` and `quiet`."""

    everything: bool = False
    json: bool = False
    jsonl: bool = False
    quiet: bool = False
    strict: bool = False

    def check(self) -> None:
        """Raise UsageError for forms that exclude each other."""
        if self.json + self.jsonl + self.quiet > 1:
            raise UsageError("--json, --jsonl and -q exclude each other", hint="choose one of them")


def print_list(screen: Screen, command: str, project: Project, found: ExperimentList, form: Form) -> int:
    """Print it; the exit status: 1 with --strict when something is damaged."""
    if form.json:
        data = [summary(one) for one in found]
        screen.out.write(result.envelope(command, data, as_errors(found.problems)))
    elif form.jsonl:
        screen.out.writelines(result.lines(summary(one) for one in found))
    elif form.quiet:
        screen.out.writelines(f"{one.id}\n" for one in found)
    else:
        _print_for_people(screen, command, project, found, form)
    if not form.json:
        warn(screen, found.problems)
    return 1 if form.strict and found.problems else 0


def _print_for_people(screen: Screen, command: str, project: Project, found: ExperimentList, form: Form) -> None:
    from kwrap.cli import render_list

    where = shortened(project.repository_url)
    if not found:
        screen.say(render_list.nothing(found, where, running=command == "ps"))
        return
    if screen.terminal:
        screen.say(render_list.summary(found, where))
    render_list.print_table(screen, found, everything=form.everything)


def shortened(path: str) -> str:
    """A path as a person writes it: relative when it lies below, `~` for home."""
    below = os.path.relpath(path) if os.path.isabs(path) else path
    if not below.startswith(".."):
        return below
    home = os.path.expanduser("~")
    return f"~{path[len(home) :]}" if home != "/" and path.startswith(f"{home}/") else path
