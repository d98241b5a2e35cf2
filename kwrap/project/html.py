"""Experiments as a notebook shows them: small tables, without styles of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from kwrap.analysis.fields import Row
from kwrap.analysis.table import format_age, format_duration, format_size, format_value, varying
from kwrap.analysis.times import recorded_ns

if TYPE_CHECKING:
    from kwrap.project.checkpoint import Checkpoint
    from kwrap.project.experiment import Experiment
    from kwrap.project.project import ExperimentList

_WIDTH = 40
# More than that makes a notebook slow, and nobody reads it; `rows()` has them all.
_EXPERIMENTS_SHOWN = 200
_CHECKPOINTS_SHOWN = 20

_Facts = list[tuple[str, str]]


def experiment_table(experiments: ExperimentList) -> str:
    """One row for each, with the params that differ and the metrics of the best, else latest checkpoint."""
    shown = experiments[-_EXPERIMENTS_SHOWN:]
    rows = shown.rows()
    params, metrics = varying(rows, "params"), sorted({name for row in rows for name in _mapping(row, "metrics")})
    head = ["experiment", "started", "status", "name", "duration", *params, *metrics]
    body = [
        [
            one.short_id,
            _age(one),
            str(row["status"]),
            one.name or "",
            "" if one.duration_s is None else format_duration(one.duration_s),
            *(_cell(_mapping(row, "params"), name) for name in params),
            *(_cell(_mapping(row, "metrics"), name) for name in metrics),
        ]
        for one, row in zip(shown, rows, strict=True)
    ]
    before = len(experiments) - len(shown)
    return (f"<p>{before:,} before these</p>" if before else "") + _table(head, body)


def experiment(one: Experiment) -> str:
    checkpoints = one.checkpoints[-_CHECKPOINTS_SHOWN:]
    before = len(one.checkpoints) - len(checkpoints)
    facts: _Facts = [("status", one.sentence), ("command", one.command), ("started", _age(one))]
    facts += [("tags", ", ".join(one.tags)), ("note", one.note_text or "")]
    facts += [(f"param {name}", format_value(value, _WIDTH)) for name, value in one.params.items()]
    facts += [(name, format_value(value)) for name, value in one.last_metrics.items()]
    facts += [("checkpoints", f"{before:,} before these" if before else "")]
    facts += [(f"checkpoint @{each.sequence}", _described(each)) for each in checkpoints]
    return f"<b>{escape(one.short_id)}</b> {escape(one.name or '')}" + _facts_table(facts)


def checkpoint(one: Checkpoint) -> str:
    facts = [("tags", ", ".join(one.tags)), ("note", one.note_text or "")]
    facts += [(name, format_value(value)) for name, value in one.metrics.items()]
    facts += [(file.path, format_size(file.size_bytes)) for file in one.files]
    return f"<b>{escape(one.id)}</b> {escape(_described(one))}" + _facts_table(facts)


def _facts_table(facts: _Facts) -> str:
    return _table([], [[label, text] for label, text in facts if text])


def _described(one: Checkpoint) -> str:
    step = f"step {one.step}, " if one.step is not None else ""
    return f"{step}{format_size(one.size_bytes)}{' (best)' if one.is_best() else ''}"


def _age(one: Experiment) -> str:
    return format_age(recorded_ns(one.created_at), one.project.clock.wall_ns())


def _mapping(row: Row, key: str) -> Mapping[str, object]:
    found = row[key]
    return found if isinstance(found, Mapping) else {}


def _cell(values: Mapping[str, object], name: str) -> str:
    return format_value(values[name], _WIDTH) if name in values else ""


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [_line(head, "th")] if head else []
    return f"<table>{''.join([*lines, *(_line(row, 'td') for row in body)])}</table>"


def _line(cells: Sequence[str], kind: str) -> str:
    return f"<tr>{''.join(f'<{kind}>{escape(cell)}</{kind}>' for cell in cells)}</tr>"
