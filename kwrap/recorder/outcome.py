"""How a run ended: the outcome record, from the journal and from what the recorder counted."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kwrap.clock import to_rfc3339
from kwrap.records import MetricSummary, Outcome, Reason, Usage
from kwrap.rundir import RunDirectory

_TAIL_BYTES = 65536
_LAST_LINES = 20
_TRACEBACK_LINES = 60
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])|[\x00-\x08\x0b\x0c\x0e-\x1f]")


def build(
    run_directory: RunDirectory,
    events: Mapping[str, Mapping[str, Any]],
    *,
    metrics: Mapping[str, MetricSummary],
    metric_points: int,
    checkpoints: int,
    warnings: Mapping[str, int],
    output_bytes: int,
    alive_ns: int,
) -> Outcome:
    """The outcome. Where the journal does not know of an end, the run is lost, and ended at its last sign of life.

    That is `alive_ns`, by the wall clock; zero when there was none.
    """
    created, spawned, exited = events["created"], events.get("spawned"), events.get("exited")
    reason = _reason(exited)
    ended_ns = exited["wall_ns"] if exited else alive_ns
    duration_s = None
    if exited and spawned:
        duration_s = (exited["monotonic_ns"] - spawned["monotonic_ns"]) / 1e9
    elif spawned and alive_ns:
        duration_s = max(alive_ns - spawned["wall_ns"], 0) / 1e9
    counted = dict(warnings)
    if exited and exited.get("output_lost_bytes"):
        counted["output_lost"] = 1
    if exited and exited.get("relay_lost_bytes"):
        counted["output_not_passed_on"] = 1
    if "code_not_kept" in events:
        counted["code_not_kept"] = 1
    if exited and exited.get("recorder_starts", 1) > 1:
        counted["recorder_restarted"] = exited["recorder_starts"] - 1
    return Outcome(
        experiment=created["experiment"],
        run=created["run"],
        reason=reason,
        ended_at=to_rfc3339(ended_ns) if ended_ns else None,
        duration_s=duration_s,
        exit_status=exited["exit_status"] if exited else None,
        signal=exited["signal"] if exited else None,
        usage=_usage(exited),
        output_bytes=output_bytes,
        output_lost_bytes=exited.get("output_lost_bytes", 0) if exited else 0,
        metrics=metrics,
        metric_points=metric_points,
        checkpoints=checkpoints,
        warnings=counted,
        last_lines=() if reason is Reason.FINISHED else tuple(last_lines(_tail(run_directory.output))),
        left_running=tuple(exited.get("left_running", ())) if exited else (),
        write_id=created["write_id"],
    )


def last_lines(tail: bytes) -> Sequence[str]:
    """The last traceback in the end of an output, or its last lines, without terminal codes."""
    text = _ESCAPES.sub("", tail.decode("utf-8", "replace").replace("\r\n", "\n"))
    lines = [line.rpartition("\r")[2].rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    starts = [number for number, line in enumerate(lines) if "Traceback (most recent call last):" in line]
    if starts:
        return lines[starts[-1] :][:_TRACEBACK_LINES]
    return lines[-_LAST_LINES:]


def _reason(exited: Mapping[str, Any] | None) -> Reason:
    if exited is None:
        return Reason.LOST
    if exited["signal"] is not None:
        return Reason.KILLED
    return Reason.FAILED if exited["exit_status"] else Reason.FINISHED


def _usage(exited: Mapping[str, Any] | None) -> Usage | None:
    if not exited or not exited.get("usage"):
        return None
    used = exited["usage"]
    return Usage(
        cpu_user_s=used["cpu_user_s"],
        cpu_system_s=used["cpu_system_s"],
        max_rss_bytes=used["max_rss_bytes"] or None,
        processes=used["processes"],
        source=used["source"],
    )


def _tail(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            return os.pread(file.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    except OSError:
        return b""
