"""Aligned columns without boxes: one line a row, so that a pipe can cut them, and narrower where the screen is.

Colours are added after everything is measured. Faster than a general table: `ls` prints ten thousand rows with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kwrap.analysis.text import cell_width, cut, printable

_GAP = "  "

STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}


class Column(NamedTuple):
    """One column. `rank`: those of high rank are the first to go when there is no room; 0 stays.

    `least`: what its cells may be cut to; None: they are never cut.
    """

    title: str
    right: bool = False
    rank: int = 0
    least: int | None = None


class Cell(NamedTuple):
    """A text on one line, and a style of STYLES."""

    text: str
    style: str = ""


class Table(NamedTuple):
    """The lines, and the columns that found no room."""

    lines: list[str]
    dropped: list[Column]


def paint(text: str, style: str, colours: bool) -> str:
    """The text in a style of STYLES, where colours are wanted."""
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if colours and style and text else text


def render(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    *,
    width: int | None = None,
    colours: bool = False,
    indent: str = "",
    heads: bool = True,
) -> Table:
    """Lay the rows out in at most `width` columns of the screen; None: as wide as they are.

    What was recorded may hold anything: control characters come out as escapes.
    """
    columns = [column._replace(title=printable(column.title)) for column in columns]
    rows = [
        [cell if cell.text.isprintable() else cell._replace(text=printable(cell.text)) for cell in row] for row in rows
    ]
    widths = [_natural(column, rows, at, heads) for at, column in enumerate(columns)]
    shown = list(range(len(columns)))
    dropped: list[Column] = []
    if width is not None:
        shown, widths, dropped = _fit(columns, widths, width - len(indent))
    lines = []
    if heads:
        titles = [Cell(column.title, "dim") for column in columns]
        lines.append(indent + _line(columns, shown, widths, titles, colours))
    lines += [indent + _line(columns, shown, widths, row, colours) for row in rows]
    return Table(lines, dropped)


def _natural(column: Column, rows: Sequence[Sequence[Cell]], at: int, heads: bool) -> int:
    return max([cell_width(column.title) if heads else 0, *(cell_width(row[at].text) for row in rows)])


def _fit(columns: Sequence[Column], widths: list[int], room: int) -> tuple[list[int], list[int], list[Column]]:
    """Which columns are shown and how wide. First texts are cut, then columns go, highest rank first."""
    least = [
        width if column.least is None else min(width, max(column.least, cell_width(column.title)))
        for column, width in zip(columns, widths, strict=True)
    ]
    shown = list(range(len(columns)))

    def total(of: list[int]) -> int:
        return sum(of[at] for at in shown) + len(_GAP) * (len(shown) - 1)

    while total(least) > room and any(columns[at].rank for at in shown):
        shown.remove(max(shown, key=lambda at: (columns[at].rank, at)))
    widths = list(widths)
    while total(widths) > room:
        cuttable = [at for at in shown if widths[at] > least[at]]
        if not cuttable:
            break
        widest = max(cuttable, key=lambda at: widths[at])
        widths[widest] -= 1
    return shown, widths, [column for at, column in enumerate(columns) if at not in shown]


def _line(
    columns: Sequence[Column], shown: Sequence[int], widths: Sequence[int], row: Sequence[Cell], colours: bool
) -> str:
    return _GAP.join([_padded(row[at], columns[at].right, widths[at], colours) for at in shown]).rstrip()


def _padded(cell: Cell, right: bool, width: int, colours: bool) -> str:
    text = cell.text
    taken = cell_width(text)
    if taken > width:
        text = cut(text, width)
        taken = cell_width(text)
    blank = " " * (width - taken)
    if colours and cell.style:
        text = paint(text, cell.style, colours)
    return blank + text if right else text + blank
