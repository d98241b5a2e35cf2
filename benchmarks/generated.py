"""Repositories of any number of experiments, made up: their records, and the segments of the log that tell of them.

Written straight into segments as compaction would have left them; the records themselves only of the newest, since a
million experiments are five million files.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kwrap.clock import to_rfc3339
from kwrap.ids import moment
from kwrap.repository import events, header, layout, log_segments
from kwrap.repository.header import Header
from kwrap.repository.told import Told
from kwrap.storage.disk import DiskStorage

_FIRST_NS = 1_700_000_000_000_000_000
_EVERY_NS = 60_000_000_000
_PER_SEGMENT = 100_000
_WITH_RECORDS = 10
_PACKAGES = {f"package-{number}": f"{number % 7}.{number % 13}.{number % 5}" for number in range(60)}
_LETTERS = "abcdefghjkmnpqrstvwxyz0123456789"


def make(directory: str, amount: int) -> None:
    """A repository with so many experiments, a minute apart."""
    storage = DiskStorage(directory)
    storage.create(layout.REPOSITORY, header.encode(Header("generated", layout.FORMAT, layout.FORMAT)))
    for start in range(0, amount, _PER_SEGMENT):
        every = [_experiment(number) for number in range(start, min(start + _PER_SEGMENT, amount))]
        lines = (log_segments.line(_tellable(one)) for one in sorted(every, key=lambda one: one.experiment))
        head = log_segments.Header(frozenset(), frozenset(), len(every) * 4, True)
        storage.create(layout.log_segment(f"{moment(_FIRST_NS + start)}-{start:08d}"), log_segments.encode(head, lines))
    _write_records(directory, [_experiment(number) for number in range(amount - _WITH_RECORDS, amount)])


def id_of(number: int) -> str:
    """The id of an experiment, counted from 0."""
    return _experiment(number).experiment


def _tellable(one: Told) -> Told:
    return replace(one, records={name: events.shortened(record) for name, record in one.records.items()})


def _write_records(directory: str, every: list[Told]) -> None:
    for one in every:
        for name, record in one.records.items():
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                json.dump(record, file)


def _experiment(number: int) -> Told:
    """Like what a small training leaves: twelve params, sixty packages, two checkpoints, six metrics."""
    chance = random.Random(number)
    at_ns = _FIRST_NS + number * _EVERY_NS
    key = f"{moment(at_ns)[:15]}-{chance.choice(_LETTERS[:22])}{''.join(chance.choices(_LETTERS, k=7))}"
    every: Iterator[tuple[str, dict[str, Any]]] = iter(
        [
            (layout.experiment(key), _record(key, number, at_ns, chance)),
            (layout.run(key, "r0-a1"), _run(key, at_ns)),
            (layout.checkpoint(key, 1), _checkpoint(key, 1, at_ns, chance)),
            (layout.checkpoint(key, 2), _checkpoint(key, 2, at_ns, chance)),
            (layout.outcome(key, "r0-a1"), _outcome(key, at_ns, chance)),
        ]
    )
    return Told(key, dict(every), (1, 2), last=f"{moment(at_ns)}-aaaaaaaa")


def _record(key: str, number: int, at_ns: int, chance: random.Random) -> dict[str, Any]:
    rate = chance.choice([0.1, 0.03, 0.01, 0.003, 0.001])
    params = {"lr": rate, "optimizer": chance.choice(["adam", "sgd", "lion"]), "batch": chance.choice([32, 64, 128])}
    params |= {f"option_{at}": at for at in range(9)}
    return {
        "id": key,
        "created_at": to_rfc3339(at_ns),
        "argv": ["python", "train.py", f"--lr={rate}", f"--seed={number}"],
        "working_directory": "/home/ada/vision",
        "project_directory": "/home/ada/vision",
        "kwrap_version": "0.1.0",
        "name": f"sweep-{number}" if number % 10 == 0 else None,
        "tags": ["paper"] if number % 1000 == 0 else [],
        "user": "ada",
        "host": f"node{number % 8}",
        "params": {name: {"value": value, "source": "argv"} for name, value in params.items()},
        "primary_metric": {"name": "loss", "goal": "minimize"},
        "source": {"tree": "0" * 64, "content_sha256": "1" * 64, "files": 12, "size_bytes": 48213},
        "git": {"commit": f"{chance.getrandbits(160):040x}", "branch": "main", "dirty": False},
        "packages": _PACKAGES,
        "environment": {"CUDA_VISIBLE_DEVICES": "0", "OMP_NUM_THREADS": "8"},
        "write_id": f"w{number:015d}",
    }


def _run(key: str, at_ns: int) -> dict[str, Any]:
    machine = {"host": "node1", "system": "Linux 6.1.0 x86_64", "cpu_count": 64, "memory_bytes": 270_000_000_000}
    times = {"started_at": to_rfc3339(at_ns), "heartbeat_interval_s": 10.0}
    return {"experiment": key, "run": "r0-a1", "rank": 0, "attempt": 1, "machine": machine, "pid": 4711, **times}


def _checkpoint(key: str, number: int, at_ns: int, chance: random.Random) -> dict[str, Any]:
    return {
        "experiment": key,
        "run": "r0-a1",
        "sequence": number,
        "created_at": to_rfc3339(at_ns + number * 10_000_000_000),
        "t_s": number * 10.0,
        "tree": f"{chance.getrandbits(256):064x}",
        "files": [{"path": "weights/model.safetensors", "size_bytes": 432_238_360}],
        "size_bytes": 432_238_360,
        "step": number * 1000,
        "metrics": {"loss": round(chance.random(), 4), "accuracy": round(chance.random(), 4)},
        "primary_metric": {"name": "loss", "goal": "minimize"},
    }


def _outcome(key: str, at_ns: int, chance: random.Random) -> dict[str, Any]:
    names = ("loss", "accuracy", "grad_norm", "lr", "tokens_per_s", "val_loss")
    summary = {"count": 2000, "minimum": 0.1, "maximum": 2.5, "last_step": 2000, "kind": "metric"}
    failed = chance.random() < 0.1
    return {
        "experiment": key,
        "run": "r0-a1",
        "reason": "failed" if failed else "finished",
        "ended_at": to_rfc3339(at_ns + 50_000_000_000),
        "duration_s": 50.0,
        "exit_status": int(failed),
        "output_bytes": 52144,
        "metrics": {name: {**summary, "last": round(chance.random(), 4)} for name in names},
        "metric_points": 12_000,
        "checkpoints": 2,
    }
