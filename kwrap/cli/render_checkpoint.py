"""Checkpoints as `show` prints them: one by itself, and those of an experiment in a table."""

from __future__ import annotations

from collections.abc import Sequence

from kwrap.analysis.table import format_age, format_duration, format_size
from kwrap.analysis.text import printable
from kwrap.analysis.times import recorded_ns
from kwrap.cli.render import facts, heading, paragraph, plain_table, table
from kwrap.cli.screen import Screen
from kwrap.cli.table import Cell, Column, paint
from kwrap.cli.words import count, moment, number
from kwrap.project import Checkpoint, Experiment
from kwrap.records import CheckpointFile

_SHOWN = 20


def print_checkpoint(screen: Screen, one: Checkpoint, files: Sequence[CheckpointFile] | None) -> None:
    """A checkpoint: how good, of what, and which files; None where they cannot be read."""
    step = f" at step {one.step}" if one.step is not None else ""
    step = step or (f" at epoch {number(one.epoch)}" if one.epoch is not None else "")
    name = f" '{printable(one.experiment.name)}'" if one.experiment.name else ""
    best = ", the best" if one.is_best() else ""
    paragraph(
        screen,
        f"Checkpoint {one.id}{step} of experiment {one.experiment.short_id}{name}: "
        f"{'files' if files is None else count(len(files), 'file')}, {format_size(one.size_bytes)}{best}.",
    )
    screen.print()
    created_ns = recorded_ns(one.created_at)
    after = f"{format_duration(one.record.t_s)} after the start, {moment(one.created_at)}"
    facts(
        screen,
        [
            ("checkpoint", one.id),
            ("tags", ", ".join(one.tags)),
            ("note", one.note_text or ""),
            ("taken", f"{after} ({format_age(created_ns, screen.now_ns())})"),
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
                    Cell(key, "dim"),
                    Cell(number(value)),
                    Cell(f"(primary, {primary.goal.value})" if primary and primary.name == key else "", "dim"),
                ]
                for key, value in one.metrics.items()
            ],
        )
    if not files:
        return
    heading(screen, "Files")
    rows = [
        [Cell(file.path), Cell(format_size(file.size_bytes)), Cell((file.sha256 or "")[:12], "dim")] for file in files
    ]
    table(screen, [Column("PATH", least=20), Column("SIZE", right=True), Column("SHA-256", rank=1)], rows, indent="  ")


def print_checkpoints(screen: Screen, one: Experiment, *, everything: bool) -> None:
    """The checkpoints of an experiment, one line each; of many the last, and the best."""
    checkpoints = one.checkpoints
    if not checkpoints:
        return
    best = one.best()
    heading(screen, "Checkpoints")
    shown = list(checkpoints)
    if not everything and len(shown) > _SHOWN:
        shown = [each for each in checkpoints[-_SHOWN:] if each != best]
        shown = sorted([best, *shown] if best else shown, key=lambda each: each.sequence)
        hidden = len(checkpoints) - len(shown)
        screen.print(paint(f"  {hidden} earlier ones are not shown (--all)", "dim", screen.colours))
    names = list(dict.fromkeys(name for each in shown for name in each.metrics))
    primary = one.primary_metric.name if one.primary_metric else None
    names.sort(key=lambda name: name != primary)
    columns = [Column("ID"), *(Column(title, right=True, rank=rank) for title, rank in _progress(shown).items())]
    columns += [Column("AFTER", right=True, rank=2), Column("SIZE", right=True, rank=3)]
    columns += [Column(name, right=True, rank=1 if name == primary else 4) for name in names]
    columns += [Column("", rank=1)]
    rows = [_checkpoint_row(each, names, list(_progress(shown)), best=each == best) for each in shown]
    table(screen, columns, rows, indent="  ")


def _progress(shown: Sequence[Checkpoint]) -> dict[str, int]:
    """Steps and epochs, where there are any."""
    titles = {"STEP": 0} if any(each.step is not None for each in shown) else {}
    return {**titles, **({"EPOCH": 1} if any(each.epoch is not None for each in shown) else {})}


def _checkpoint_row(one: Checkpoint, names: Sequence[str], progress: Sequence[str], *, best: bool) -> list[Cell]:
    reached = {"STEP": one.step, "EPOCH": one.epoch}
    marks = ["best"] if best else []
    style = "green" if best else ""
    return [
        Cell(f"@{one.sequence}", "bold"),
        *(Cell(number(reached[title])) for title in progress),
        Cell(format_duration(one.record.t_s)),
        Cell(format_size(one.size_bytes)),
        *(Cell(number(one.metrics.get(name)), style) for name in names),
        Cell(", ".join([*marks, *one.tags]), style),
    ]
