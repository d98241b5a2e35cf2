"""Metrics in one line each: their last, least and greatest value, and their course."""

from __future__ import annotations

from collections.abc import Sequence

from kwrap.analysis.table import sparkline
from kwrap.cli.render import table
from kwrap.cli.screen import Screen
from kwrap.cli.table import Cell, Column
from kwrap.cli.words import number
from kwrap.project.measured import Measured

_COURSE_WIDTH = 24


def print_metrics(screen: Screen, measured: Sequence[Measured], *, indent: str = "") -> None:
    """One line a metric: its last, least and greatest value, and its course."""
    columns = [
        Column("NAME", least=12),
        Column("LAST", right=True),
        Column("LEAST", right=True, rank=2),
        Column("GREATEST", right=True, rank=3),
        Column("POINTS", right=True, rank=4),
        Column("COURSE", rank=1),
    ]
    if not any(one.course for one in measured):
        columns.pop()
    rows = [
        [
            Cell(one.name),
            Cell(number(one.summary.last), "bold"),
            Cell(number(one.summary.minimum)),
            Cell(number(one.summary.maximum)),
            Cell(f"{one.summary.count:,}"),
            Cell(sparkline(one.course, _COURSE_WIDTH), "cyan"),
        ][: len(columns)]
        for one in measured
    ]
    table(screen, columns, rows, indent=indent)
