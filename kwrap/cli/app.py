"""Runs one command with typer. Only that command's module is imported, and its help looks as the other pages do."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import typer

from kwrap.cli import help  # noqa: A004
from kwrap.cli.commands import Command
from kwrap.cli.screen import Screen


def invoke(command: Command, words: Sequence[str], screen: Screen) -> int:
    """Parse the words and call the command's function, which gives the exit status. Click's errors are let through."""
    application = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
    function = getattr(import_module(f"kwrap.cli.{command.name}"), command.name)
    application.command(name=command.name, add_help_option=False)(function)
    parser = typer.main.get_command(application)
    if _asks_for_help(words):
        screen.out.write(help.command_page(command, parser, screen.columns or help.WIDTH))
        return 0
    try:
        # Not through `main()`: it has its own way with ^C and broken pipes.
        with parser.make_context(f"kwrap {command.name}", list(words), obj=screen) as context:
            status = parser.invoke(context)
    except typer.Exit as ended:
        status = ended.exit_code
    return int(status or 0)


def _asks_for_help(words: Sequence[str]) -> bool:
    before = words[: words.index("--")] if "--" in words else words
    return "--help" in before or "-h" in before
