"""Pieces that several commands print: headed lists of facts, statuses in their colours, what to type next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kwrap.analysis.text import cell_width, printable
from kwrap.cli.screen import Screen
from kwrap.cli.table import Cell, Column, paint, render
from kwrap.errors import Damaged, KwrapError
from kwrap.records import Status

STATUS_STYLES = {
    Status.RUNNING: "cyan",
    Status.FINISHED: "green",
    Status.FAILED: "red",
    Status.KILLED: "red",
    Status.LOST: "yellow",
    Status.STOPPED: "",
}
_LABEL_WIDTH = 10
_WARNINGS_SHOWN = 20

Fact = tuple[str, str]


def paragraph(screen: Screen, text: str, style: str = "") -> None:
    """A sentence or two, in lines no wider than the screen."""
    for line in wrapped(text, screen.columns or 10_000):
        screen.print(paint(line, style, screen.colours))


def remark(screen: Screen, text: str, style: str = "") -> None:
    """The same beside the result."""
    for line in wrapped(text, screen.columns or 10_000):
        screen.say(paint(line, style, screen.colours))


def heading(screen: Screen, text: str) -> None:
    """A blank line and a title."""
    screen.print()
    screen.print(paint(text, "bold", screen.colours))


def facts(screen: Screen, pairs: Iterable[Fact], *, indent: str = "", width: int = _LABEL_WIDTH) -> None:
    """Labels and their values, aligned; long values go on below themselves. What has no value is left out."""
    for label, text in pairs:
        if not text:
            continue
        room = max((screen.columns or 10_000) - len(indent) - width - 2, 20)
        for number, line in enumerate(wrapped(printable(text), room)):
            shown = printable(label) if number == 0 else ""
            padded = shown + " " * max(width - cell_width(shown), 0)
            screen.print(f"{indent}{paint(padded, 'dim', screen.colours)}  {line}")


def wrapped(text: str, room: int) -> list[str]:
    """The text in lines of at most so many columns, broken at blanks where there are any."""
    lines = [""]
    for word in text.split(" "):
        while cell_width(word) > room:
            if lines[-1]:
                lines.append("")
            lines[-1], word = word[:room], word[room:]
            lines.append("")
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_width(joined) <= room:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines


def table(
    screen: Screen, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, indent: str = ""
) -> list[Column]:
    """Print a table as wide as the screen; the columns that found no room."""
    made = render(columns, rows, width=screen.columns, colours=screen.colours, indent=indent)
    for line in made.lines:
        screen.print(line)
    return made.dropped


def plain_table(screen: Screen, rows: Sequence[Sequence[Cell]], *, indent: str = "  ") -> None:
    """Aligned cells without titles."""
    columns = [Column("", least=8 if at else None) for at in range(len(rows[0]))]
    for line in render(columns, rows, width=screen.columns, colours=screen.colours, indent=indent, heads=False).lines:
        screen.print(line)


def warn(screen: Screen, problems: Iterable[str]) -> None:
    """A line on stderr for each damaged object that was passed over; of many, the first."""
    told = list(problems)
    for problem in told[:_WARNINGS_SHOWN]:
        screen.say(f"warning: {printable(problem)}")
    if len(told) > _WARNINGS_SHOWN:
        screen.say(f"warning: and {len(told) - _WARNINGS_SHOWN:,} more objects (--json names all)")


def as_errors(problems: Iterable[str]) -> list[KwrapError]:
    """Damaged objects, for the `errors` of an envelope."""
    return [Damaged(problem) for problem in problems]
