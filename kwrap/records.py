"""The records that a repository holds: frozen, typed, units in their names.

`None` means unknown; zero is a measurement. Series carry `t_s`, monotonic seconds since the child's start;
wall time appears once per record as RFC 3339 in UTC, ending in `Z`. Paths are POSIX strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

ParamValue = str | int | float | bool | None | list[Any] | dict[str, Any]


class Goal(str, Enum):
    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


class Status(str, Enum):
    """How an experiment stands; derived from its objects, never stored.

    `stopped`: it is over, and how it ended was never recorded: Keepsake does not.
    """

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    KILLED = "killed"
    LOST = "lost"
    STOPPED = "stopped"


class Reason(str, Enum):
    """Why a run ended, as its outcome says it."""

    FINISHED = "finished"
    FAILED = "failed"
    KILLED = "killed"
    LOST = "lost"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryMetric:
    """The metric that says which checkpoint is best."""

    name: str
    goal: Goal = Goal.MINIMIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file that a code snapshot does not hold, and why: `too large`, `total too large`, `secret`, `unreadable` …"""

    path: str
    size_bytes: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The code snapshot of an experiment.

    `tree` names the manifest; `content_sha256` is over paths, modes and contents alone, so that equal code
    has an equal value however it is packed. How much it holds is None where only reading all of it would tell.
    """

    tree: str
    content_sha256: str
    files: int | None = None
    size_bytes: int | None = None
    left_out: tuple[LeftOut, ...] = ()
    left_out_count: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """Where the code stood in git when the experiment began."""

    commit: str | None = None
    branch: str | None = None
    remote: str | None = None
    dirty: bool | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """The interpreter that the command runs in, as far as it can be told from the command."""

    executable: str
    version: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A hyperparameter: its value and where it was read (`argv`, `option`, a file name)."""

    value: ParamValue = None  # null is not written down
    source: str = "argv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What was known at the start. Written once, create-only."""

    id: str
    created_at: str
    argv: tuple[str, ...]
    working_directory: str
    project_directory: str
    kwrap_version: str
    name: str | None = None
    tags: tuple[str, ...] = ()
    note: str | None = None
    user: str | None = None
    host: str | None = None
    params: Mapping[str, Param] = field(default_factory=dict)
    primary_metric: PrimaryMetric | None = None
    source: Source | None = None
    git: Git | None = None
    interpreter: Interpreter | None = None
    packages: Mapping[str, str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    write_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine a run was on."""

    host: str
    system: str | None = None
    cpu_model: str | None = None
    cpu_count: int | None = None
    cpu_allotted: int | None = None
    memory_bytes: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process group doing an experiment: (rank, attempt). Written once, at its start."""

    experiment: str
    run: str
    rank: int
    attempt: int
    started_at: str
    heartbeat_interval_s: float
    machine: Machine
    pid: int | None = None
    boot_id: str | None = None
    terminal: bool = False
    unbuffered: bool = False
    write_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSummary:
    """All points of one metric, in five numbers. min and max pass over not-a-number."""

    count: int
    last: float
    minimum: float | None = None
    maximum: float | None = None
    last_step: int | None = None
    kind: str = "metric"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the whole process tree used, summed over every descendant that was waited for."""

    cpu_user_s: float
    cpu_system_s: float
    max_rss_bytes: int | None = None
    processes: int | None = None
    source: str = "wait4"
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended. Written once, create-only.

    Exactly one of `exit_status` and `signal` is known when the supervisor saw the end; both are None when
    it was lost. `last_lines` are the end of what the run printed: its last traceback when there is one.
    """

    experiment: str
    run: str
    reason: Reason
    ended_at: str | None = None
    duration_s: float | None = None
    exit_status: int | None = None
    signal: int | None = None
    usage: Usage | None = None
    output_bytes: int = 0
    output_lost_bytes: int = 0
    metrics: Mapping[str, MetricSummary] = field(default_factory=dict)
    metric_points: int = 0
    checkpoints: int = 0
    warnings: Mapping[str, int] = field(default_factory=dict)
    last_lines: tuple[str, ...] = ()
    left_running: tuple[str, ...] = ()
    write_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFile:
    """One file of a checkpoint, by its path relative to the project.

    `sha256` is of the whole file; of one in several pieces it is not known, and `pieces_sha256`, over the hashes and
    lengths of its pieces in the manifest, stands for it.
    """

    path: str
    size_bytes: int
    sha256: str | None = None
    pieces_sha256: str | None = None
    modified_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A version of the outputs: files that settled together, with the metrics known then. Create-only.

    `values`, where there are any, were given as metrics and are no numbers, as Keepsake allows: text, lists, null …
    """

    experiment: str
    run: str
    sequence: int
    created_at: str
    t_s: float
    tree: str | None = None
    files: tuple[CheckpointFile, ...] = ()
    size_bytes: int = 0
    step: int | None = None
    epoch: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, Any] | None = None
    primary_metric: PrimaryMetric | None = None
    write_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The one mutable object: `alive until at + 3 intervals`. It holds its own interval, so reader and writer agree."""

    experiment: str
    run: str
    at: str
    interval_s: float
    t_s: float
    step: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    output_bytes: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


class NoteKind(str, Enum):
    TAG = "tag"
    UNTAG = "untag"
    NOTE = "note"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A tag, a note or a deletion mark: appended, never edited. `checkpoint` narrows it to one checkpoint."""

    id: str
    experiment: str
    at: str
    kind: NoteKind
    text: str = ""
    author: str | None = None
    checkpoint: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


class MetricPoint(NamedTuple):
    """One value that a program printed.

    `line` counts from 1; `offset` is the byte of the output at which the line begins, `end_offset` the byte after it;
    `t_s` is None when the text was read from a file and not from a run. `kind` is metric, lr, timing or progress.
    """

    name: str
    value: float
    step: int | None = None
    epoch: float | None = None
    line: int = 0
    offset: int = 0
    end_offset: int = 0
    t_s: float | None = None
    kind: str = "metric"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything a repository knows of one experiment at one moment: what `ls` and `show` are made from.

    Each tuple is in order: runs and outcomes by run id, checkpoints by sequence, notes by id.
    """

    experiment: Experiment
    runs: tuple[Run, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    heartbeats: tuple[Heartbeat, ...] = ()
    notes: tuple[Note, ...] = ()
