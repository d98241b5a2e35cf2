"""A repository with six experiments that never change: what the goldens of the commands are taken from.

It is seven minutes past nine in the evening of 21 November 2026, UTC, whenever it is looked at.
"""

from __future__ import annotations

import signal
from pathlib import Path

from kwrap.clock import Clock, from_rfc3339
from kwrap.records import (
    Checkpoint,
    CheckpointFile,
    Experiment,
    Git,
    Goal,
    Heartbeat,
    Interpreter,
    LeftOut,
    Machine,
    MetricPoint,
    MetricSummary,
    Note,
    NoteKind,
    Outcome,
    Param,
    ParamValue,
    PrimaryMetric,
    Reason,
    Run,
    Source,
    Usage,
)
from kwrap.repository import trees
from kwrap.repository.repository import Repository
from kwrap.repository.trees import TreeEntry
from kwrap.rundir import INDEX_RECORD

NOW = "2026-11-21T21:07:00.000Z"
BASELINE = "20261121-180000-k3f9qx7a"
ADAM = "20261121-190000-m2vtb8rd"
CRASHED = "20261121-200000-p7wz1c4h"
KILLED = "20261121-203000-q9h5n0es"
LOST = "20261121-204500-v8cn4k1w"
RUNNING = "20261121-210000-t6jx3g2m"
LOSS = PrimaryMetric(name="loss", goal=Goal.MINIMIZE)

_TRAIN = """\
import argparse

from model import Network


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    options = parser.parse_args()
    network = Network(hidden=64)
    for epoch in range(3):
        loss = network.train(options.lr)
        print(f"epoch {epoch} loss {loss:.4f}")


main()
"""
_TRACEBACK = (
    "Traceback (most recent call last):",
    '  File "/home/ada/digits/train.py", line 16, in <module>',
    "    main()",
    '  File "/home/ada/digits/train.py", line 11, in main',
    "    network = Network(hidden=-1)",
    "ValueError: hidden must be positive, got -1",
)


class FixedClock(Clock):
    """A clock that stands still."""

    def __init__(self, now: str = NOW) -> None:
        self._now_ns = from_rfc3339(now)

    def wall_ns(self) -> int:
        return self._now_ns


def make(place: Path) -> Repository:
    """Write it below a directory that is empty."""
    repository = Repository.open(str(place / "repository"), create=True)
    files = place / "files"
    files.mkdir()
    plain = _store(repository, files, {"train.py": _TRAIN, "model.py": "class Network: ...\n", "README.md": "digits\n"})
    adam = _store(
        repository,
        files,
        {
            "train.py": _TRAIN.replace("hidden=64", "hidden=128"),
            "model.py": "class Network: ...\n",
            "run.sh": "#!/bin/sh\n",
        },
    )
    _baseline(repository, files, plain)
    _adam(repository, files, adam)
    _crashed(repository, plain)
    _killed(repository)
    _lost(repository)
    _running(repository)
    return repository


def _baseline(repository: Repository, files: Path, source: Source) -> None:
    _begin(
        repository, BASELINE, {"lr": 0.1, "optimizer": "sgd", "epochs": 3}, name="baseline", source=source, tags=("v1",)
    )
    for sequence, (loss, accuracy) in enumerate([(0.9, 0.61), (0.31, 0.88), (0.35, 0.9)], 1):
        _checkpoint(repository, files, BASELINE, sequence, {"loss": loss, "accuracy": accuracy})
    _metrics(
        repository,
        BASELINE,
        [("loss", [1.8, 1.2, 0.9, 0.5, 0.31, 0.35]), ("accuracy", [0.2, 0.4, 0.61, 0.8, 0.88, 0.9])],
    )
    _output(repository, BASELINE)
    _end(repository, BASELINE, Reason.FINISHED, 192.4, exit_status=0, checkpoints=3, warnings={"recorder_restarted": 1})
    repository.add_note(_note(BASELINE, "keep this one", NoteKind.NOTE))


def _adam(repository: Repository, files: Path, source: Source) -> None:
    _begin(
        repository,
        ADAM,
        {"lr": 0.01, "optimizer": "adam", "epochs": 3, "beta": [0.9, 0.999]},
        name="adam",
        source=source,
    )
    for sequence, (loss, accuracy) in enumerate([(0.7, 0.7), (0.27, 0.91)], 1):
        _checkpoint(repository, files, ADAM, sequence, {"loss": loss, "accuracy": accuracy})
    _end(repository, ADAM, Reason.FINISHED, 7384.0, exit_status=0, checkpoints=2)


def _crashed(repository: Repository, source: Source) -> None:
    _begin(repository, CRASHED, {"lr": 0.1, "optimizer": "sgd", "epochs": 3, "hidden": -1}, source=source)
    _end(repository, CRASHED, Reason.FAILED, 0.84, exit_status=1, last_lines=_TRACEBACK)


def _killed(repository: Repository) -> None:
    _begin(repository, KILLED, {"lr": 10, "optimizer": "sgd", "epochs": 300}, name="learning rate far too high")
    _metrics(repository, KILLED, [("loss", [2.0, 9.5, float("inf"), float("nan")])])
    _end(repository, KILLED, Reason.KILLED, 61.0, signal=int(signal.SIGKILL), last_lines=("epoch 3 loss nan",))


def _lost(repository: Repository) -> None:
    _begin(repository, LOST, {"lr": 0.1, "optimizer": "sgd", "epochs": 3})
    _beat(repository, LOST, "2026-11-21T20:47:00.000Z", 120.0, 10, {"loss": 1.1})


def _running(repository: Repository) -> None:
    _begin(repository, RUNNING, {"lr": 0.05, "optimizer": "adam", "epochs": 50}, name="long")
    _metrics(repository, RUNNING, [("loss", [1.5, 1.0, 0.72])])
    _beat(repository, RUNNING, "2026-11-21T21:06:56.000Z", 416.0, 40, {"loss": 0.72})


def _begin(
    repository: Repository,
    experiment: str,
    params: dict[str, ParamValue],
    *,
    name: str | None = None,
    source: Source | None = None,
    tags: tuple[str, ...] = (),
) -> None:
    options = [f"--{key}={value}" for key, value in params.items()]
    repository.write_run(
        Run(
            experiment=experiment,
            run="r0-a1",
            rank=0,
            attempt=1,
            started_at=_started(experiment),
            heartbeat_interval_s=10.0,
            machine=Machine(
                host="tower",
                system="Linux 6.1.0",
                cpu_model="AMD EPYC 7543",
                cpu_count=32,
                cpu_allotted=8,
                memory_bytes=64_000_000_000,
            ),
            pid=4242,
            unbuffered=True,
        )
    )
    repository.write_experiment(
        Experiment(
            id=experiment,
            created_at=_started(experiment),
            argv=("python", "train.py", *options),
            working_directory="/home/ada/digits",
            project_directory="/home/ada/digits",
            kwrap_version="0.1.0",
            name=name,
            tags=tags,
            user="ada",
            host="tower",
            params={key: Param(value=value) for key, value in {**params, "dataset": "digits"}.items()},
            primary_metric=LOSS,
            source=source,
            git=Git(
                commit="5f2c1d0e9b8a7f6e5d4c3b2a190817263544f3e2", branch="main", remote="git@host:digits", dirty=True
            ),
            interpreter=Interpreter(executable="/usr/bin/python", version="3.11.7"),
            packages={
                "numpy": "1.26.4",
                "torch": "2.4.0",
                "click": "8.1.7",
                "pip": "24.0",
                "scikit-learn": "1.5.1",
                "six": "1.16",
            },
            environment={"CUDA_VISIBLE_DEVICES": "0", "OMP_NUM_THREADS": "8"},
        )
    )


def _end(
    repository: Repository,
    experiment: str,
    reason: Reason,
    duration_s: float,
    *,
    exit_status: int | None = None,
    signal: int | None = None,
    checkpoints: int = 0,
    warnings: dict[str, int] | None = None,
    last_lines: tuple[str, ...] = (),
) -> None:
    points = list(repository.metric_points(experiment))
    repository.write_outcome(
        Outcome(
            experiment=experiment,
            run="r0-a1",
            reason=reason,
            ended_at=_after(experiment, duration_s),
            duration_s=duration_s,
            exit_status=exit_status,
            signal=signal,
            usage=Usage(cpu_user_s=duration_s * 0.9, cpu_system_s=1.5, max_rss_bytes=812_000_000, processes=5),
            output_bytes=4321,
            metrics={name: _summary(points, name) for name in dict.fromkeys(point.name for point in points)},
            metric_points=len(points),
            checkpoints=checkpoints,
            warnings=warnings or {},
            last_lines=last_lines,
        )
    )


def _summary(points: list[MetricPoint], name: str) -> MetricSummary:
    values = [point.value for point in points if point.name == name]
    comparable = [value for value in values if value == value]
    return MetricSummary(
        count=len(values), last=values[-1], minimum=min(comparable), maximum=max(comparable), last_step=10 * len(values)
    )


def _beat(repository: Repository, experiment: str, at: str, t_s: float, step: int, metrics: dict[str, float]) -> None:
    repository.write_heartbeat(
        Heartbeat(experiment=experiment, run="r0-a1", at=at, interval_s=10.0, t_s=t_s, step=step, metrics=metrics)
    )


def _checkpoint(repository: Repository, files: Path, experiment: str, sequence: int, metrics: dict[str, float]) -> None:
    weights = files / f"{experiment}-{sequence}.npz"
    weights.write_bytes(f"weights {experiment} {sequence} ".encode() * 1000)
    entry = repository.content.store_file(str(weights), b"weights/model.npz", 0o644)
    repository.write_checkpoint(
        Checkpoint(
            experiment=experiment,
            run="r0-a1",
            sequence=sequence,
            created_at=_after(experiment, 60.0 * sequence),
            t_s=60.0 * sequence,
            tree=repository.content.store_tree(trees.encode([entry])),
            files=(CheckpointFile(path="weights/model.npz", size_bytes=entry.size_bytes, sha256=entry.sha256 or ""),),
            size_bytes=entry.size_bytes,
            step=20 * sequence,
            metrics=metrics,
            primary_metric=LOSS,
        )
    )


def _metrics(repository: Repository, experiment: str, series: list[tuple[str, list[float]]]) -> None:
    steps = max(len(values) for _, values in series)
    points = [
        MetricPoint(
            name, values[at], step=10 * (at + 1), line=at + 1, offset=20 * at, end_offset=20 * at + 20, t_s=at + 0.5
        )
        for at in range(steps)
        for name, values in series
    ]
    repository.write_metrics_segment(experiment, "r0-a1", 0, points)


def _output(repository: Repository, experiment: str) -> None:
    """Two streams, one line of which is interrupted by the other stream; a progress bar, an escape, a broken byte."""
    pieces = [
        (0.1, 1, b"epoch 0 loss 1.8000\n"),
        (60.0, 2, b"warning: slow \xff disk\n"),
        (60.1, 1, b"epoch 1 lo"),
        (60.2, 2, b"10%\r20%\r"),
        (60.3, 1, b"ss 1.2000\n"),
        (190.0, 1, b"\x1b[32mdone\x1b[0m, no newline"),
    ]
    index, data = b"", b""
    for t_s, stream, text in pieces:
        index += INDEX_RECORD.pack(len(data), int(t_s * 1e9), stream)
        data += text
    repository.write_output_segment(experiment, "r0-a1", 0, data, index)


def _note(experiment: str, text: str, kind: NoteKind) -> Note:
    at = "2026-11-21T19:00:00.000Z"
    return Note(id="20261121-190000-000-n0te0001", experiment=experiment, at=at, kind=kind, text=text, author="ada")


def _store(repository: Repository, files: Path, texts: dict[str, str]) -> Source:
    entries: list[TreeEntry] = []
    for name, text in texts.items():
        path = files / name
        path.write_text(text)
        mode = 0o755 if name.endswith(".sh") else 0o644
        entries.append(repository.content.store_file(str(path), name.encode(), mode))
    return Source(
        tree=repository.content.store_tree(trees.encode(entries)),
        content_sha256=trees.content_sha256(entries),
        files=len(entries),
        size_bytes=sum(entry.size_bytes for entry in entries),
        left_out=(
            LeftOut(path="data/digits.csv", size_bytes=120_000_000, reason="too large"),
            LeftOut(path=".env", reason="secret"),
        ),
        left_out_count=2,
    )


def _started(experiment: str) -> str:
    stamp = experiment.rpartition("-")[0]
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:13]}:{stamp[13:]}.000Z"


def _after(experiment: str, seconds: float) -> str:
    from kwrap.clock import to_rfc3339

    return to_rfc3339(from_rfc3339(_started(experiment)) + int(seconds * 1e9))
