"""Records for tests, complete but for what a test is about."""

from __future__ import annotations

from typing import Any

from kwrap.records import (
    Checkpoint,
    CheckpointFile,
    Experiment,
    Heartbeat,
    Machine,
    MetricPoint,
    Note,
    NoteKind,
    Outcome,
    Param,
    Reason,
    Run,
)

ID = "20261121-203036-k3f9qx7a"
CREATED = "2026-11-21T20:30:36.123Z"
CREATED_NS = 1_795_293_036_123_000_000


def experiment(**fields: Any) -> Experiment:
    usual: dict[str, Any] = {
        "id": ID,
        "created_at": CREATED,
        "argv": ("python", "train.py", "--lr", "0.01"),
        "working_directory": "/home/ada/vision",
        "project_directory": "/home/ada/vision",
        "kwrap_version": "0.1.0",
        "params": {"lr": Param(value=0.01)},
    }
    return Experiment(**{**usual, **fields})


def run(rank: int = 0, attempt: int = 1, **fields: Any) -> Run:
    usual: dict[str, Any] = {
        "experiment": ID,
        "run": f"r{rank}-a{attempt}",
        "rank": rank,
        "attempt": attempt,
        "started_at": CREATED,
        "heartbeat_interval_s": 10.0,
        "machine": Machine(host="galadriel"),
    }
    return Run(**{**usual, **fields})


def outcome(reason: Reason = Reason.FINISHED, **fields: Any) -> Outcome:
    usual: dict[str, Any] = {"experiment": ID, "run": "r0-a1", "reason": reason}
    return Outcome(**{**usual, **fields})


def checkpoint(sequence: int, **fields: Any) -> Checkpoint:
    usual: dict[str, Any] = {
        "experiment": ID,
        "run": "r0-a1",
        "sequence": sequence,
        "created_at": CREATED,
        "t_s": float(sequence),
        "tree": "d" * 64,
        "files": (CheckpointFile(path="model.pt", size_bytes=10, sha256="e" * 64),),
        "size_bytes": 10,
    }
    return Checkpoint(**{**usual, **fields})


def heartbeat(**fields: Any) -> Heartbeat:
    usual: dict[str, Any] = {"experiment": ID, "run": "r0-a1", "at": CREATED, "interval_s": 10.0, "t_s": 0.0}
    return Heartbeat(**{**usual, **fields})


def note(kind: NoteKind, text: str = "", number: int = 0, **fields: Any) -> Note:
    usual: dict[str, Any] = {
        "id": f"20261121-203100-{number:03d}-abcdefgh",
        "experiment": ID,
        "at": CREATED,
        "kind": kind,
        "text": text,
    }
    return Note(**{**usual, **fields})


def point(number: int, **fields: Any) -> MetricPoint:
    usual: dict[str, Any] = {"name": "loss", "value": 1.0 / (number + 1), "step": number, "line": number + 1}
    return MetricPoint(**{**usual, **fields})
