"""An experiment of Keepsake's, from its JSON to kwrap's records, and what can be said of its end. Pure.

Keepsake's daemon writes numbers as Go does: 2.0 is stored as 2, and which it was is not known any more. What is not a
finite number is one of three strings. A metric need not be a number: text, booleans and lists are kept as such.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from kwrap.clock import from_rfc3339
from kwrap.errors import Damaged
from kwrap.records import (
    Checkpoint,
    Experiment,
    Goal,
    Heartbeat,
    Interpreter,
    MetricPoint,
    MetricSummary,
    Outcome,
    Param,
    PrimaryMetric,
    Reason,
    Source,
)
from kwrap.repository.keepsake import layout

RUN = "r0-a1"
KEY = "keepsake"  # in a record's `extra`: what Keepsake knew of it and kwrap has no field for
NON_FINITE = {"[NaN]": math.nan, "[+Infinity]": math.inf, "[-Infinity]": -math.inf}
# Keepsake writes a heartbeat every 5 s and takes three times 10 s for the end.
HEARTBEAT_INTERVAL_S = 10.0
_NONES = ("null", "None")
_EPOCH = datetime(1970, 1, 1)


class _Object:
    """A JSON object whose fields have to be of some type; null and absent are the same, as they are in Go."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise Damaged(f"{where} is damaged: it is no JSON object")
        self._fields: dict[str, Any] = value
        self.where = where

    def text(self, name: str) -> str:
        value = self._get(name, str)
        return "" if value is None else str(value)

    def time(self, name: str) -> tuple[str, int]:
        """RFC 3339 with 0 to 9 digits after the second, and the same in nanoseconds since 1970."""
        text = self.text(name)
        try:
            return text, _nanoseconds(text)
        except (ValueError, OverflowError) as error:
            raise Damaged(f"{self.where} is damaged: '{name}' is no time") from error

    def integer(self, name: str) -> int:
        value = self._get(name, int)
        if isinstance(value, bool):
            raise self._wrong(name)
        return value or 0

    def mapping(self, name: str) -> dict[str, Any]:
        return self._get(name, dict) or {}

    def objects(self, name: str) -> Iterator[_Object]:
        for number, value in enumerate(self._get(name, list) or [], 1):
            yield _Object(value, f"{self.where}, {name} {number},")

    def _get(self, name: str, wanted: type) -> Any:
        value = self._fields.get(name)
        if value is not None and not isinstance(value, wanted):
            raise self._wrong(name)
        return value

    def _wrong(self, name: str) -> Damaged:
        return Damaged(f"{self.where} is damaged: '{name}' is a {type(self._fields[name]).__name__}")


def experiment(data: bytes, where: str) -> tuple[Experiment, tuple[Checkpoint, ...]]:
    """An experiment and its checkpoints, in the order they were made. Raises Damaged, naming the object.

    Which tarballs there are is not looked at; a tree is named by its tarball.
    """
    fields = _Object(_parsed(data, where), where)
    experiment_id, (created_at, created_ns) = fields.text("id"), fields.time("created")
    checkpoints = tuple(
        _checkpoint(one, experiment_id, sequence, created_ns)
        for sequence, one in enumerate(fields.objects("checkpoints"), 1)
    )
    python_version, path = fields.text("python_version"), fields.text("path")
    record = Experiment(
        id=experiment_id,
        created_at=created_at,
        argv=_argv(fields.text("command")),
        working_directory="",
        project_directory="",
        kwrap_version="",
        user=fields.text("user") or None,
        host=fields.text("host") or None,
        params={name: Param(value=value(one), source=KEY) for name, one in fields.mapping("params").items()},
        primary_metric=next((one.primary_metric for one in checkpoints if one.primary_metric), None),
        source=_source(layout.code(experiment_id)) if path else None,
        interpreter=Interpreter(executable="", version=python_version) if python_version else None,
        packages={name: str(version) for name, version in fields.mapping("python_packages").items()},
        extra={
            KEY: {
                "id": experiment_id,
                "version": fields.text("keepsake_version") or fields.text("replicate_version"),
                "path": path,
                "config": fields.mapping("config"),
            }
        },
    )
    return record, checkpoints


def _source(tarball: str) -> Source:
    """What it holds shows when it is read: no two are known to be equal before."""
    return Source(tree=tarball, content_sha256=tarball)


def _checkpoint(fields: _Object, experiment_id: str, sequence: int, started_ns: int) -> Checkpoint:
    checkpoint_id, (created_at, created_ns), path = fields.text("id"), fields.time("created"), fields.text("path")
    found = {name: value(one) for name, one in fields.mapping("metrics").items()}
    return Checkpoint(
        experiment=experiment_id,
        run=RUN,
        sequence=sequence,
        created_at=created_at,
        t_s=max(created_ns - started_ns, 0) / 1e9,
        tree=layout.checkpoint(checkpoint_id) if path else None,
        files=(),
        size_bytes=0,
        step=fields.integer("step"),
        metrics={name: one for name, one in found.items() if _is_number(one)},
        values={name: one for name, one in found.items() if not _is_number(one)} or None,
        primary_metric=_primary_metric(fields.mapping("primary_metric")),
        extra={KEY: {"id": checkpoint_id, "path": path}},
    )


def _primary_metric(fields: Mapping[str, Any]) -> PrimaryMetric | None:
    """Keepsake takes whatever is not `maximize` for the other."""
    name = fields.get("name")
    if not isinstance(name, str) or not name:
        return None
    return PrimaryMetric(name=name, goal=Goal.MAXIMIZE if fields.get("goal") == Goal.MAXIMIZE.value else Goal.MINIMIZE)


def heartbeat(data: bytes, experiment: Experiment, where: str) -> Heartbeat:
    """When an experiment last said that it lives. Raises Damaged."""
    at, at_ns = _Object(_parsed(data, where), where).time("last_heartbeat")
    return Heartbeat(
        experiment=experiment.id,
        run=RUN,
        at=at,
        interval_s=HEARTBEAT_INTERVAL_S,
        t_s=max(at_ns - from_rfc3339(experiment.created_at), 0) / 1e9,
    )


def outcome(experiment: Experiment, checkpoints: Sequence[Checkpoint], last: Heartbeat | None) -> Outcome:
    """That it is over, which is all Keepsake knows of it; it took as long as it is known to have made checkpoints."""
    return Outcome(
        experiment=experiment.id,
        run=RUN,
        reason=Reason.STOPPED,
        ended_at=last.at if last else checkpoints[-1].created_at if checkpoints else None,
        duration_s=checkpoints[-1].t_s if checkpoints else None,
        metrics=summaries(points(checkpoints)),
        metric_points=sum(len(one.metrics) for one in checkpoints),
        checkpoints=len(checkpoints),
    )


def points(checkpoints: Sequence[Checkpoint]) -> list[MetricPoint]:
    """The metrics of checkpoints, which are all that Keepsake records, one after the other."""
    return [
        MetricPoint(name, one, step=checkpoint.step, t_s=checkpoint.t_s)
        for checkpoint in checkpoints
        for name, one in checkpoint.metrics.items()
    ]


def summaries(found: Sequence[MetricPoint]) -> dict[str, MetricSummary]:
    by_name: dict[str, list[MetricPoint]] = {}
    for point in found:
        by_name.setdefault(point.name, []).append(point)
    return {name: _summary(of_name) for name, of_name in by_name.items()}


def _summary(found: Sequence[MetricPoint]) -> MetricSummary:
    values = [point.value for point in found if not math.isnan(point.value)]
    return MetricSummary(
        count=len(found),
        last=found[-1].value,
        minimum=min(values, default=None),
        maximum=max(values, default=None),
        last_step=found[-1].step,
    )


def value(found: Any) -> Any:
    """A param or metric as Keepsake reads it: three strings are numbers, and two are null."""
    if isinstance(found, str):
        return None if found in _NONES else NON_FINITE.get(found, found)
    return found


def _is_number(found: object) -> bool:
    """Whether a record takes it for one: integers have to fit into 64 bits."""
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return False
    return isinstance(found, float) or abs(found) < 1 << 63


def _argv(command: str) -> tuple[str, ...]:
    """Keepsake joins the arguments, each in quotes where a shell needs them, without the interpreter."""
    try:
        argv = tuple(shlex.split(command))
    except ValueError:  # by another hand
        return (command,)
    return argv if shlex.join(argv) == command else (command,)


def _nanoseconds(text: str) -> int:
    """As `from_rfc3339`, ten times as fast for what Keepsake writes: a repository has a time for each checkpoint."""
    whole, _, fraction = text[:-1].partition(".")
    if text[-1:] != "Z" or len(whole) != 19 or not (fraction.isdecimal() or not fraction):
        return from_rfc3339(text)
    since = datetime.fromisoformat(whole) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


def _parsed(data: bytes, where: str) -> object:
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{where} is damaged: it is no JSON ({error})") from error
