"""`kwrap metrics`: the metric points of an experiment, or of any log file."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, BinaryIO, Optional

import typer

from kwrap.cli import result
from kwrap.cli.options import (
    DirectoryOption,
    JsonLinesOption,
    JsonOption,
    RepositoryOption,
    VerboseOption,
    project_of,
    screen_of,
)
from kwrap.cli.screen import Screen
from kwrap.errors import UsageError
from kwrap.project import Checkpoint, Project
from kwrap.project.measured import overview, read_points, summarise
from kwrap.records import MetricPoint

_COLUMNS = ("name", "value", "step", "epoch", "t_s", "line", "offset", "end_offset", "kind")


def metrics(
    context: typer.Context,
    name: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="ID", help="An experiment, or ID@3 for the values known at a checkpoint."),
    ] = None,
    file: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--from", metavar="FILE", help="Read a log instead of an experiment; - is standard input."),
    ] = None,
    names: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--name", metavar="METRIC", help="Only that metric; may be repeated."),
    ] = None,
    patterns: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--metric", metavar="REGEX", help="With --from: as of 'kwrap run'; may be repeated."),
    ] = None,
    automatic: Annotated[
        bool, typer.Option("--auto-metrics/--no-auto-metrics", help="With --from: whether to recognise metrics.")
    ] = True,
    json: JsonOption = False,
    jsonl: JsonLinesOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="One line a point.", rich_help_panel="Output")] = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Print the metric points of an experiment, or of any log file.

    Without --json, --jsonl, --csv or --name: every metric in one line, with its course. Points are in the order they
    were printed; `line` counts from 1, `offset` is the byte at which that line begins, `t_s` seconds since the start.
    """
    screen = screen_of(context)
    if json + jsonl + as_csv > 1:
        raise UsageError("--json, --jsonl and --csv exclude each other", hint="choose one of them")
    if (name is None) == (file is None):
        raise UsageError(
            "give an experiment or --from FILE", hint="kwrap metrics ID, or kwrap metrics --from train.log"
        )
    if file is not None:
        with _opened(file) as stream:
            points = _chosen(read_points(stream, patterns=patterns or (), automatic=automatic), names)
            _print(screen, points, json, jsonl, as_csv, bool(names))
        return 0
    assert name is not None
    project = project_of(context, repository, directory)
    if not (json or jsonl or as_csv or names or "@" in name):
        _print_overview(screen, project, name)
        return 0
    _print(screen, _points_of(project, name, names), json, jsonl, as_csv, True)
    return 0


def _points_of(project: Project, name: str, names: list[str] | None) -> Iterable[MetricPoint]:
    found = project.find(name)
    if isinstance(found, Checkpoint):
        return _chosen(found.points(), names)
    if names is None:
        return found.metrics()
    return sorted((point for one in names for point in found.metrics(one)), key=lambda point: point.offset)


def _chosen(points: Iterable[MetricPoint], names: list[str] | None) -> Iterator[MetricPoint]:
    return (point for point in points if names is None or point.name in names)


def _print_overview(screen: Screen, project: Project, name: str) -> None:
    from kwrap.cli.render_metrics import print_metrics

    found = project.find(name)
    assert not isinstance(found, Checkpoint)
    measured = overview(found)
    if measured:
        print_metrics(screen, measured)
    else:
        screen.say(f"{found.short_id} has recorded no metrics. 'kwrap logs {found.short_id}' prints what it printed.")


def _print(screen: Screen, points: Iterable[MetricPoint], json: bool, jsonl: bool, as_csv: bool, single: bool) -> None:
    if json:
        screen.out.write(result.envelope("metrics", list(map(_fields, points))))
    elif jsonl:
        screen.out.writelines(result.lines(map(_fields, points)))
    elif as_csv:
        writer = csv.writer(screen.out, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(map(_csv_row, points))
    elif single:
        _print_points(screen, list(points))
    else:
        from kwrap.cli.render_metrics import print_metrics

        print_metrics(screen, summarise(points))


def _fields(point: MetricPoint) -> dict[str, Any]:
    """Lines count from 1: what a checkpoint knows of its metrics is no line, and has no place in the output."""
    fields = point._asdict()
    return fields if point.line else {**fields, "line": None, "offset": None, "end_offset": None}


def _csv_row(point: MetricPoint) -> list[Any]:
    values = _fields(point)
    return ["" if values[column] is None else values[column] for column in _COLUMNS]


def _print_points(screen: Screen, points: list[MetricPoint]) -> None:
    from kwrap.cli.render import table
    from kwrap.cli.table import Cell, Column
    from kwrap.cli.words import number

    titles = {"name": "NAME", "step": "STEP", "epoch": "EPOCH", "value": "VALUE", "t_s": "SECONDS", "line": "LINE"}
    rows = list(map(_fields, points))
    shown = [key for key in titles if any(row[key] is not None for row in rows)]
    columns = [Column(titles[key], right=key != "name") for key in shown]
    cells = [[Cell(row["name"] if key == "name" else number(row[key])) for key in shown] for row in rows]
    if cells:
        table(screen, columns, cells)
    else:
        screen.say("There are no points.")


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    if path == "-":
        yield sys.stdin.buffer
        return
    with open(path, "rb") as stream:
        yield stream
