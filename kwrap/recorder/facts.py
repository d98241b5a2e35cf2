"""The records that a run begins with, from its journal and from the machine it is on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kwrap import __version__
from kwrap.capture import environment, git, interpreter, machine, parameters
from kwrap.clock import to_rfc3339
from kwrap.records import Experiment, Goal, LeftOut, PrimaryMetric, Run, Source

HEARTBEAT_INTERVAL_S = 10.0
# Left-out files that are named in the record; the rest is counted.
_NAMED_LEFT_OUT = 200

Events = Mapping[str, Mapping[str, Any]]


def experiment(events: Events) -> Experiment:
    """The experiment record of a run directory whose journal says `created`."""
    created = events["created"]
    found = interpreter.find(created["argv"], created["program"])
    return Experiment(
        id=created["experiment"],
        created_at=to_rfc3339(created["wall_ns"]),
        argv=tuple(created["argv"]),
        working_directory=created["working_directory"],
        project_directory=created["project_directory"],
        kwrap_version=__version__,
        name=created.get("name"),
        tags=tuple(created.get("tags", ())),
        note=created.get("note"),
        user=created.get("user"),
        host=created.get("host"),
        params={**parameters.from_argv(created["argv"]), **parameters.from_options(created.get("params", {}))},
        primary_metric=primary_metric(created),
        source=_source(events.get("snapshot")),
        git=git.capture(created["project_directory"]),
        interpreter=found,
        packages=interpreter.packages(found) if found else None,
        environment=environment.capture(created.get("environment", {})),
        write_id=created["write_id"],
    )


def run(events: Events) -> Run:
    """The record of the run itself."""
    created, spawned = events["created"], events.get("spawned", {})
    return Run(
        experiment=created["experiment"],
        run=created["run"],
        rank=0,
        attempt=1,
        started_at=to_rfc3339(spawned.get("wall_ns", created["wall_ns"])),
        heartbeat_interval_s=HEARTBEAT_INTERVAL_S,
        machine=machine.capture(),
        pid=spawned.get("pid"),
        boot_id=spawned.get("boot_id"),
        terminal=spawned.get("terminal", False),
        unbuffered=spawned.get("unbuffered", False),
        write_id=created["write_id"],
    )


def primary_metric(created: Mapping[str, Any]) -> PrimaryMetric | None:
    """What `--primary` and `--goal` said; a goal that was not said is guessed from the name."""
    name, goal = created.get("primary"), created.get("goal")
    if not name:
        return None
    return PrimaryMetric(name=name, goal=Goal(goal) if goal else guessed_goal(name))


def guessed_goal(name: str) -> Goal:
    """More is better for what counts hits, less for everything else."""
    lowered = name.lower()
    hits = ("acc", "auc", "f1", "precision", "recall", "reward", "return", "score", "bleu", "rouge", "map", "iou", "r2")
    return Goal.MAXIMIZE if any(word in lowered for word in hits) else Goal.MINIMIZE


def _source(snapshot: Mapping[str, Any] | None) -> Source | None:
    if not snapshot:
        return None
    left_out = snapshot.get("left_out", ())
    return Source(
        tree=snapshot["tree"],
        content_sha256=snapshot["content_sha256"],
        files=snapshot["files"],
        size_bytes=snapshot["size_bytes"],
        left_out=tuple(
            LeftOut(path=path, size_bytes=size, reason=reason) for path, size, reason in left_out[:_NAMED_LEFT_OUT]
        ),
        left_out_count=snapshot.get("left_out_count", len(left_out)),
    )
