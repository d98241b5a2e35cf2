"""Experiments as `ls` and `ps` show them: one line each, with the params that differ and the metrics that matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from kwrap import ids
from kwrap.analysis.table import differing_columns, format_age, format_duration, format_value, varying
from kwrap.analysis.text import printable
from kwrap.analysis.times import recorded_ns
from kwrap.analysis.values import is_number
from kwrap.cli.render import STATUS_STYLES, remark, wrapped
from kwrap.cli.screen import Screen
from kwrap.cli.table import Cell, Column, paint, render
from kwrap.cli.words import listed, number
from kwrap.project import ExperimentList
from kwrap.records import ParamValue, Status

_METRICS_SHOWN = 4
_BEST, _LATEST, _PRINTED = "BEST", "LATEST", "STEP"  # the titles of the columns that metrics follow

# What goes first where there is no room: the highest. The id and the status stay.
_RANKS = {
    "STARTED": 40,
    "DURATION": 50,
    "name": 30,
    "tags": 80,
    "host": 110,
    "user": 111,
    "step": 120,  # or epoch
    _BEST: 10,
    _PRINTED: 10,
    _LATEST: 70,
}
_MORE_METRICS = {_BEST: 90, _PRINTED: 90, _LATEST: 100}
_PARAM_RANKS = (20, 35, 36, 60, 61, 62, 105)  # many of them count for less than tags and a second metric


Brief = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a line is made of: an experiment's row, taken apart."""

    row: Mapping[str, Any]
    best: Brief | None
    latest: Brief | None
    params: Mapping[str, ParamValue]
    printed: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Shape:
    """Which columns there are."""

    fields: list[str]
    params: list[Column]
    metrics: list[str]
    groups: list[str]
    progress: str  # step, or epoch where no checkpoint has a step


def print_table(screen: Screen, experiments: ExperimentList, *, everything: bool) -> None:
    """The table; with `everything` and too little room for it, a paragraph for each experiment."""
    rows: Sequence[Mapping[str, Any]] = experiments.rows()
    shown = [Shown(row, row["best"], row["latest"], row["params"], row["printed"]) for row in rows]
    shape = _shape(shown, everything)
    columns, cells = _filled(_columns(shape), [_cells(one, shape, screen.now_ns()) for one in shown])
    made = render(columns, cells, width=screen.columns, colours=screen.colours)
    if made.dropped and everything:
        for one in shown:
            _print_paragraph(screen, one, shape)
        return
    for line in made.lines:
        screen.print(line)
    if made.dropped and screen.terminal:
        left_out = list(dict.fromkeys(column.title for column in made.dropped))
        remark(screen, f"no room for {listed(left_out)}; --all shows everything", "dim")


def summary(experiments: ExperimentList, where: str) -> str:
    """`12 experiments in …: 9 finished, 2 failed, 1 running.`"""
    statuses = Counter(row["status"] for row in experiments.rows())
    parts = ", ".join(f"{amount:,} {status}" for status, amount in statuses.most_common())
    of = f" of {experiments.total:,}" if experiments.total > len(experiments) else ""
    noun = "experiment" if (experiments.total if of else len(experiments)) == 1 else "experiments"
    return f"{len(experiments):,}{of} {noun} in {where}: {parts}."


def _shape(shown: Sequence[Shown], everything: bool) -> _Shape:
    rows = [one.row for one in shown]
    fields = ["name"] if any(row["name"] for row in rows) else []
    fields += differing_columns(rows, ("host", "user"))
    fields += ["tags"] if any(row["tags"] for row in rows) else []
    names = sorted({name for one in shown for name in one.params}) if everything else varying(rows)
    return _Shape(fields, _param_columns(names, shown), _metrics(shown, everything), _groups(shown), _progress(shown))


def _progress(shown: Sequence[Shown]) -> str:
    latest = [one.latest for one in shown if one.latest]
    return (
        "epoch"
        if any(each["epoch"] is not None for each in latest) and all(each["step"] is None for each in latest)
        else "step"
    )


def _param_columns(names: Sequence[str], shown: Sequence[Shown]) -> list[Column]:
    """Params that most of the experiments have, and in most different values, keep their room longest."""
    values = {name: [one.params[name] for one in shown if name in one.params] for name in names}
    by_weight = sorted(names, key=lambda name: (-len(values[name]), -len(set(map(format_value, values[name])))))
    ranks = dict(zip(by_weight, chain(_PARAM_RANKS, repeat(_PARAM_RANKS[-1])), strict=False))
    return [Column(name, right=all(map(is_number, values[name])), rank=ranks[name], least=6) for name in names]


def _metrics(shown: Sequence[Shown], everything: bool) -> list[str]:
    """The primary metrics, then the most common others."""
    primaries = [one.row["primary_metric"] for one in shown]
    names = dict.fromkeys(primary["name"] for primary in primaries if primary is not None)
    values = [each["metrics"] for one in shown for each in (one.best, one.latest) if each is not None]
    values += [one.printed for one in shown if one.latest is None]
    common = Counter(name for each in values for name in each)
    names.update(dict.fromkeys(sorted(common, key=lambda name: (-common[name], name))))
    known = [name for name in names if name in common]
    return known if everything else known[:_METRICS_SHOWN]


def _groups(shown: Sequence[Shown]) -> list[str]:
    """The best and the latest checkpoint, where there are any and they are not the same throughout."""
    if not any(one.latest for one in shown):
        return [_PRINTED]
    if not any(one.best for one in shown):
        return [_LATEST]
    return [_BEST] if all(one.best == one.latest for one in shown) else [_BEST, _LATEST]


def _columns(shape: _Shape) -> list[Column]:
    columns = [Column("ID"), Column("STARTED", rank=_RANKS["STARTED"]), Column("STATUS")]
    columns += [Column(name.upper(), rank=_RANKS[name], least=8) for name in shape.fields]
    columns.append(Column("DURATION", right=True, rank=_RANKS["DURATION"]))
    columns += shape.params
    for group in shape.groups:
        columns.append(Column(group, right=group == _PRINTED, rank=_RANKS[group]))
        if group != _PRINTED:
            columns.append(Column(shape.progress, right=True, rank=_RANKS["step"]))
        ranks = [_RANKS[group], *range(_MORE_METRICS[group], _MORE_METRICS[group] + len(shape.metrics))]
        columns += [Column(name, right=True, rank=rank) for name, rank in zip(shape.metrics, ranks, strict=False)]
    return columns


def _filled(columns: list[Column], rows: list[list[Cell]]) -> tuple[list[Column], list[list[Cell]]]:
    """Without the columns that are empty in every row."""
    kept = [at for at, column in enumerate(columns) if not column.rank or any(row[at].text for row in rows)]
    return [columns[at] for at in kept], [[row[at] for at in kept] for row in rows]


def _cells(one: Shown, shape: _Shape, now_ns: int) -> list[Cell]:
    cells = _first_cells(one, now_ns)
    cells += [Cell(_field(one.row[name])) for name in shape.fields]
    cells.append(Cell(_duration(one)))
    cells += [Cell(_value(one.params, column.title)) for column in shape.params]
    for group in shape.groups:
        if group == _BEST and one.best is None and len(shape.groups) > 1:
            cells += [Cell("")] * (2 + len(shape.metrics))  # its last values stand under LATEST
            continue
        checkpoint = one.best if group == _BEST else one.latest
        metrics = checkpoint["metrics"] if checkpoint else one.printed
        if group != _PRINTED:
            cells.append(Cell(f"@{checkpoint['sequence']}" if checkpoint else ""))
        cells.append(Cell(_reached(one, checkpoint, shape.progress)))
        cells += [Cell(_value(metrics, name)) for name in shape.metrics]
    return cells


def _reached(one: Shown, checkpoint: Brief | None, progress: str) -> str:
    """The step or epoch of a checkpoint; without one, the last step that was printed."""
    if progress == "epoch":
        return number(checkpoint["epoch"]) if checkpoint else ""
    step = checkpoint["step"] if checkpoint else one.row["step"]
    return "" if step is None else str(step)


def _first_cells(one: Shown, now_ns: int) -> list[Cell]:
    status = Status(one.row["status"])
    return [
        Cell(ids.short(one.row["id"]), "bold"),
        Cell(format_age(recorded_ns(one.row["created"]), now_ns)),
        Cell(status.value, STATUS_STYLES[status]),
    ]


def _duration(one: Shown) -> str:
    seconds = one.row["duration"]
    return format_duration(seconds) if isinstance(seconds, (int, float)) else ""


def _field(value: object) -> str:
    return format_value(", ".join(value) if isinstance(value, list) else value, 40) if value else ""


def _value(values: Mapping[str, object], name: str) -> str:
    return format_value(values[name], 24) if name in values else ""


def _print_paragraph(screen: Screen, one: Shown, shape: _Shape) -> None:
    paint_: Callable[[Cell], str] = lambda cell: paint(cell.text, cell.style, screen.colours)  # noqa: E731
    parts = [paint_(cell) for cell in _first_cells(one, screen.now_ns())]
    parts += [text for name in shape.fields if (text := _field(one.row[name]))]
    screen.print("  ".join([*parts, _duration(one)]).rstrip())
    lines = {"params": _assigned(one.params)}
    if one.best:
        lines[f"best @{one.best['sequence']}"] = _assigned(_with_progress(one, one.best, shape, one.best["metrics"]))
    if one.best is None or one.best != one.latest:
        label = f"latest @{one.latest['sequence']}" if one.latest else "last values"
        metrics = one.latest["metrics"] if one.latest else one.printed
        lines[label] = _assigned(_with_progress(one, one.latest, shape, metrics))
    for label, text in lines.items():
        if text:
            first, *rest = wrapped(text, max((screen.columns or 10_000) - 16, 20))
            screen.print(f"  {paint(f'{label:<12}', 'dim', screen.colours)}  {first}")
            for line in rest:
                screen.print(f"{'':16}{line}")
    screen.print()


def _with_progress(
    one: Shown, checkpoint: Brief | None, shape: _Shape, metrics: Mapping[str, object]
) -> dict[str, object]:
    reached = _reached(one, checkpoint, shape.progress)
    return {**({shape.progress: reached} if reached else {}), **metrics}


def _assigned(values: Mapping[str, object]) -> str:
    return " ".join(f"{printable(name)}={format_value(value, 40)}" for name, value in values.items())


def nothing(experiments: ExperimentList, where: str, *, running: bool) -> str:
    """What to say, and what to type next, when the list is empty."""
    if experiments.total == 0:
        return f"No experiments yet in {where}.\nRecord one: kwrap run -- python train.py"
    what = "is running" if running else "matches"
    others = "the one there is" if experiments.total == 1 else f"all {experiments.total:,}"
    return f"No experiment {what}; 'kwrap ls' lists {others}."
