"""A checkpoint as `show` prints it."""

from __future__ import annotations

from kwrap.analysis.table import format_duration, format_size
from kwrap.analysis.text import printable
from kwrap.analysis.times import recorded_ns
from kwrap.cli.render import facts, heading, plain_table, table
from kwrap.cli.screen import Screen
from kwrap.cli.table import Cell, Column
from kwrap.cli.words import age, count, moment, number
from kwrap.project import Checkpoint


def print_checkpoint(screen: Screen, one: Checkpoint) -> None:
    """A checkpoint: how good, of what, and which files."""
    step = f" at step {one.step}" if one.step is not None else ""
    step = step or (f" at epoch {number(one.epoch)}" if one.epoch is not None else "")
    name = f" '{printable(one.experiment.name)}'" if one.experiment.name else ""
    best = ", the best" if one.is_best() else ""
    screen.print(
        f"Checkpoint {one.id}{step} of experiment {one.experiment.short_id}{name}: "
        f"{count(len(one.files), 'file')}, {format_size(one.size_bytes)}{best}."
    )
    screen.print()
    created_ns = recorded_ns(one.created_at)
    after = f"{format_duration(one.record.t_s)} after the start, {moment(one.created_at)}"
    facts(
        screen,
        [
            ("checkpoint", one.id),
            ("tags", ", ".join(one.tags)),
            ("taken", f"{after} ({age(created_ns, screen.now_ns())})"),
            ("epoch", number(one.epoch)),
            ("experiment", f"{one.experiment.id}: {one.experiment.sentence}"),
            ("command", one.experiment.command),
        ],
    )
    if one.metrics:
        heading(screen, "Metrics")
        primary = one.experiment.primary_metric
        plain_table(
            screen,
            [
                [
                    Cell(printable(key), "dim"),
                    Cell(number(value)),
                    Cell(f"(primary, {primary.goal.value})" if primary and primary.name == key else "", "dim"),
                ]
                for key, value in one.metrics.items()
            ],
        )
    heading(screen, "Files")
    rows = [
        [Cell(printable(file.path)), Cell(format_size(file.size_bytes)), Cell(file.sha256[:12], "dim")]
        for file in one.files
    ]
    table(screen, [Column("PATH", least=20), Column("SIZE", right=True), Column("SHA-256", rank=1)], rows, indent="  ")
