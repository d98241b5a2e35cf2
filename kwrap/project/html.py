"""Experiments as a notebook shows them: small tables, without styles of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from kwrap.analysis.table import format_age, format_duration, format_size, format_value, varying
from kwrap.clock import from_rfc3339

if TYPE_CHECKING:
    from kwrap.project.checkpoint import Checkpoint
    from kwrap.project.experiment import Experiment
    from kwrap.project.project import ExperimentList

_WIDTH = 40


def experiment_table(experiments: ExperimentList) -> str:
    """One row for each, with the params that differ and the metrics of the best, else latest checkpoint."""
    rows = experiments.rows()
    params, metrics = varying(rows, "params"), sorted({name for row in rows for name in _mapping(row, "metrics")})
    head = ["experiment", "started", "status", "name", "duration", *params, *metrics]
    body = [
        [
            one.short_id,
            _age(one),
            str(row["status"]),
            one.name or "",
            format_duration(one.duration_s),
            *(_cell(_mapping(row, "params"), name) for name in params),
            *(_cell(_mapping(row, "metrics"), name) for name in metrics),
        ]
        for one, row in zip(experiments, rows, strict=True)
    ]
    return _table(head, body)


def experiment(one: Experiment) -> str:
    facts = {"status": one.sentence, "command": one.command, "started": _age(one), "tags": ", ".join(one.tags)}
    facts |= {f"param {name}": format_value(value, _WIDTH) for name, value in one.params.items()}
    facts |= {name: format_value(value) for name, value in one.last_metrics.items()}
    facts |= {f"checkpoint @{each.sequence}": _described(each) for each in one.checkpoints}
    return f"<b>{escape(one.short_id)}</b> {escape(one.name or '')}" + _table([], [[*item] for item in facts.items()])


def checkpoint(one: Checkpoint) -> str:
    facts = {name: format_value(value) for name, value in one.metrics.items()}
    facts |= {file.path: format_size(file.size_bytes) for file in one.files}
    return f"<b>{escape(one.id)}</b> {escape(_described(one))}" + _table([], [[*item] for item in facts.items()])


def _described(one: Checkpoint) -> str:
    step = f"step {one.step}, " if one.step is not None else ""
    return f"{step}{format_size(one.size_bytes)}{' (best)' if one.is_best() else ''}"


def _age(one: Experiment) -> str:
    return format_age(from_rfc3339(one.created_at), one.project.clock.wall_ns())


def _mapping(row: dict[str, object], key: str) -> dict[str, object]:
    found = row[key]
    return found if isinstance(found, dict) else {}


def _cell(values: dict[str, object], name: str) -> str:
    return format_value(values[name], _WIDTH) if name in values else ""


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [_line(head, "th")] if head else []
    return f"<table>{''.join([*lines, *(_line(row, 'td') for row in body)])}</table>"


def _line(cells: Sequence[str], kind: str) -> str:
    return f"<tr>{''.join(f'<{kind}>{escape(cell)}</{kind}>' for cell in cells)}</tr>"
