"""Two experiments side by side: fields in three columns, code as a unified diff."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from kwrap.analysis.code_difference import FileDifference
from kwrap.analysis.difference import Change, FieldDifference
from kwrap.analysis.patch import patch_lines
from kwrap.analysis.table import format_age, format_size, format_value
from kwrap.analysis.text import printable
from kwrap.analysis.times import recorded_ns
from kwrap.cli.render import heading, paragraph
from kwrap.cli.screen import Screen
from kwrap.cli.table import Cell, Column, paint, render
from kwrap.cli.words import count, number
from kwrap.project.checkpoint import Checkpoint
from kwrap.project.difference import Difference, Side

_WIDTH = 100
_NOT_SET = "(not set)"
_WHICH = ""
_TOLD = {
    ("experiment", "name"),
    ("experiment", "status"),
    ("checkpoint", "step"),
    ("checkpoint", "epoch"),
}  # at the top, differing or not
_TITLES = {
    "experiment": "Experiment",
    "params": "Parameters",
    "packages": "Packages",
    "environment": "Environment",
    "checkpoint": "Checkpoint",
    "metrics": "Metrics",
    "files": "Files of the checkpoint",
}
_LINE_STYLES = {"@": "cyan", "-": "red", "+": "green", "\\": "dim"}


def print_difference(screen: Screen, found: Difference) -> None:
    """What differs, and nothing else; what was compared and is the same is said in the first sentence."""
    paragraph(screen, _sentence(found))
    sections = {_WHICH: _which(found, screen)}
    for section, members in groupby(found.fields, key=lambda one: one.section):
        rows = [_row(one) for one in members if (section, one.name) not in _TOLD]
        sections.setdefault(_TITLES.get(section, section), []).extend(rows)
    _print_sections(screen, found, {title: rows for title, rows in sections.items() if rows})
    if found.code:
        heading(screen, "Code")
        for file in found.code:
            _print_file(screen, file)


def _sentence(found: Difference) -> str:
    counts = [(section, len(list(members))) for section, members in groupby(found.fields, key=lambda one: one.section)]
    nouns = {
        "params": "parameter",
        "packages": "package",
        "environment": "variable",
        "metrics": "metric",
        "files": "weight file",
    }
    parts = [count(amount, nouns[section]) for section, amount in counts if section in nouns]
    if found.code:
        parts.append(count(len(found.code), "code file"))
    same = "" if found.code else "; the code is the same"
    if not found.code_known:
        same = "; one of them has no code snapshot"
    elif found.code is None:
        same = "; the code was not compared"
    ids = f"{found.left.id} and {found.right.id}"
    if not found.fields and not found.code:
        return f"{ids} do not differ{same}."
    return f"{ids} differ in {_joined(parts) if parts else 'how they ran'}{same}."


def _joined(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _which(found: Difference, screen: Screen) -> list[list[Cell]]:
    """What the two are, whether or not that differs."""
    sides = (found.left, found.right)
    facts = {
        "name": [side.experiment.name or "" for side in sides],
        "started": [format_age(recorded_ns(side.experiment.created_at), screen.now_ns()) for side in sides],
        "status": [side.experiment.status.value for side in sides],
        "checkpoint": [_checkpoint(side) for side in sides],
    }
    return [[Cell(label, "dim"), *map(Cell, texts)] for label, texts in facts.items() if any(texts)]


def _checkpoint(side: Side) -> str:
    if side.checkpoint is None:
        return "none"
    return f"@{side.checkpoint.sequence}{reached(side.checkpoint)}"


def reached(checkpoint: Checkpoint) -> str:
    """` (step 300)`, ` (epoch 3)`, or nothing."""
    if checkpoint.step is not None:
        return f" (step {checkpoint.step})"
    return f" (epoch {number(checkpoint.epoch)})" if checkpoint.epoch is not None else ""


def _row(one: FieldDifference) -> list[Cell]:
    return [
        Cell(one.name, "dim"),
        Cell(*_value(one, one.left, there=one.change is not Change.ADDED)),
        Cell(*_value(one, one.right, there=one.change is not Change.REMOVED)),
    ]


def _print_sections(screen: Screen, found: Difference, sections: Mapping[str, list[list[Cell]]]) -> None:
    """All in the same three columns, so that the eye stays in them."""
    columns = [Column("", least=10), Column(f"- {found.left.id}", least=12), Column(f"+ {found.right.id}", least=12)]
    rows = [row for members in sections.values() for row in members]
    made = render(columns, rows, width=screen.columns, colours=screen.colours, indent="  ")
    head, *lines = made.lines
    screen.print()
    screen.print(head)
    for title, members in sections.items():
        if title != _WHICH:
            heading(screen, title)
        for line in lines[: len(members)]:
            screen.print(line)
        lines = lines[len(members) :]


def _value(one: FieldDifference, value: object, *, there: bool) -> tuple[str, str]:
    if not there:
        return _NOT_SET, "dim"
    if one.section == "files" and isinstance(value, Mapping):
        whole, pieces = value["sha256"], value.get("pieces_sha256")
        shown = str(whole)[:12] if whole else f"pieces {str(pieces)[:12]}"
        return f"{format_size(value['size_bytes'])}, {shown}", ""
    if one.name == "size_bytes" and isinstance(value, int):
        return format_size(value), ""
    return format_value(value, _WIDTH), ""


def _print_file(screen: Screen, one: FileDifference) -> None:
    """As `git diff` does, so that `git apply` reads it: to a terminal without what moves its cursor, else as it is."""
    in_hunks = False
    for line in patch_lines(one):
        in_hunks = in_hunks or line.startswith("@@")
        style = _LINE_STYLES.get(line[:1], "") if in_hunks else "bold"
        shown = "\t".join(map(printable, line.split("\t"))) if screen.terminal else line
        screen.print(paint(shown, style, screen.colours))
