"""The entry point `kwrap`: finds the command, and prints what goes wrong once, on stderr.

`kwrap run` is handed on before anything else is imported, because a training waits for it; a bare `kwrap` and
`kwrap --help` print their page from a table. Every other command comes with typer.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` is not imported for it
if TYPE_CHECKING:
    from kwrap.cli.commands import Command
    from kwrap.cli.screen import Screen

_BEFORE_START = 125  # kwrap itself failed before the command of `kwrap run` was started
_INTERRUPTED = 130
_BROKEN_PIPE = 141  # what a shell shows for a program that SIGPIPE ended
# Options that may also stand before the command, as Keepsake allows; True: with a value.
_GLOBAL = {
    "-R": True,
    "--repository": True,
    "-D": True,
    "--project-directory": True,
    "-v": False,
    "-vv": False,
    "--verbose": False,
}


def main(arguments: list[str] | None = None, screen: Screen | None = None) -> int:
    """Run one command line, of this process unless arguments are given; the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    first = None
    try:
        first, words = _split(words)
        if first != "run":  # its child gets the streams as they are
            replace_closed_streams()
        status = _run(words) if first == "run" else _command(first, words, screen)
        if sys.stdout is not None:  # the caller may have closed it
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return _BROKEN_PIPE
    except Exception as error:
        from kwrap.cli import failure

        replace_closed_streams()
        status = failure.report(error, first, words, screen.err if screen else sys.stderr)
        _flush_or_silence()
        return _before_start(error) if first == "run" else status


def _split(words: list[str]) -> tuple[str | None, list[str]]:
    """The command's name, and its words with the global options that stood before it."""
    at = 0
    while at < len(words):
        flag, equals, _ = words[at].partition("=")
        if flag not in _GLOBAL:
            break
        at += 2 if _GLOBAL[flag] and not equals else 1
    before, after = words[:at], words[at:]
    return (after[0], [*before, *after[1:]]) if after else (None, before)


def _run(words: list[str]) -> int:
    from kwrap.cli.run import main as run

    return run(words)


def _before_start(error: Exception) -> int:
    """126 and 127 say why the command cannot be started; whatever else failed before it is kwrap's own."""
    return getattr(error, "exit_status", 1) if getattr(error, "code", "") == "cannot_start" else _BEFORE_START


def _command(first: str | None, words: list[str], screen: Screen | None) -> int:
    from kwrap.cli import commands, help  # noqa: A004

    out = screen.out if screen else sys.stdout
    if first in (None, "-h", "--help") or (first == "help" and not words):
        out.write(help.page(_columns()))
        return 0
    if first == "--version":
        from kwrap import __version__

        out.write(f"kwrap {__version__}\n")
        return 0
    if first == "help":
        first, words = words[0], ["--help"]
        if first == "run":
            return _run(words)
    assert first is not None
    command = commands.find(first)
    if command is None:
        raise _unknown(first)
    return _typer_command(command, words, screen)


def _typer_command(command: Command, words: list[str], screen: Screen | None) -> int:
    from kwrap.cli import app
    from kwrap.cli.screen import Screen

    return app.invoke(command, words, screen or Screen.of_process())


def _unknown(word: str) -> Exception:
    from kwrap.cli import commands
    from kwrap.errors import UsageError

    if word.startswith("-"):
        return UsageError(f"no such option: {word}", hint="'kwrap --help' lists the commands; options come after them")
    near = commands.nearest(word)
    if near:
        return UsageError(f"no such command: {word}", hint=f"did you mean 'kwrap {near}'? 'kwrap --help' lists all")
    hint = f"to record it: kwrap run -- {word} …; 'kwrap --help' lists the commands"
    return UsageError(f"no such command: {word}", hint=hint)


def _columns() -> int:
    """Columns of the help page: COLUMNS, else the terminal's; 100 in a pipe."""
    try:
        return int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        pass
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return 100


def replace_closed_streams() -> None:
    """Where the caller closed one, Python has none, and the next file that is opened would be taken for it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # as the lowest number that is free


def _flush_or_silence() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _silence_stdout()


def _silence_stdout() -> None:
    """What nobody takes must not be tried again when the interpreter ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass
