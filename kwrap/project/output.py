"""What a run printed: read while it goes on or afterwards, from this machine's run directory or from the repository.

The run directory has every byte at once, and is there until the repository has all of them; elsewhere segments come
every few seconds. A reader may begin in the one and go on in the other: offsets are the same.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from kwrap import processes
from kwrap.clock import SYSTEM, from_rfc3339
from kwrap.errors import UnknownId, UsageError
from kwrap.recorder.follow import OutputFollower
from kwrap.records import Run, State, Status
from kwrap.repository import status as standing
from kwrap.repository.repository import OutputChunk, Repository
from kwrap.rundir import RunDirectory, state_directory

STREAMS = {"stdout": 1, "stderr": 2}
_LOCAL_POLL_S, _REMOTE_POLL_S = 0.1, 1.0
# A supervisor journals the end right after it; when nothing came for so long it was killed with its child.
_END_UNSAID_S = 2.0
_LONGEST_LINE_BYTES = 1 << 20

Sleep = Callable[[float], None]


def chunks(
    repository: Repository, state: State, run: str | None = None, *, follow: bool = False, sleep: Sleep = time.sleep
) -> Iterator[OutputChunk]:
    """The output of a run in order, by default of the last attempt of rank 0. Raises UnknownId."""
    run_id = choose_run(state, run)
    return _chunks(repository, state.experiment.id, run_id, follow, sleep)


def choose_run(state: State, run: str | None = None) -> str:
    """The run of that id; by default the last attempt of rank 0. Raises UnknownId."""
    known = [one.run for one in state.runs]
    if run is not None and run not in known:
        raise UnknownId(f"experiment {state.experiment.id} has no run '{run}'", hint=f"its runs: {', '.join(known)}")
    if run is not None:
        return run
    last = max(state.runs, key=lambda one: (-one.rank, one.attempt), default=None)
    return last.run if last else "r0-a1"


def started_ns(state: State, run: str | None = None) -> int:
    """When the run began: what the times of its chunks count from."""
    run_id = choose_run(state, run)
    found: Run | None = next((one for one in state.runs if one.run == run_id), None)
    return from_rfc3339(found.started_at if found else state.experiment.created_at)


def _chunks(
    repository: Repository, experiment_id: str, run_id: str, follow: bool, sleep: Sleep
) -> Iterator[OutputChunk]:
    position = 0
    run_directory = RunDirectory(_local_path(experiment_id, run_id))
    for chunk in _local(run_directory, follow, sleep):
        yield chunk
        position = chunk.offset + len(chunk.data)
    # Where the run directory has gone, nothing was lost: it goes when the repository has everything.
    while True:
        ended = not follow or _has_ended_here(run_directory, _END_UNSAID_S)
        ended = ended or _has_ended(repository, experiment_id, run_id)
        for chunk in repository.output(experiment_id, run_id, position):
            yield chunk
            position = chunk.offset + len(chunk.data)
        if ended:
            return
        sleep(_REMOTE_POLL_S)


def _local_path(experiment_id: str, run_id: str) -> str:
    return os.path.join(state_directory(), "runs", experiment_id, run_id)


def _local(run_directory: RunDirectory, follow: bool, sleep: Sleep) -> Iterator[OutputChunk]:
    """From the run directory, while it is there and the run goes on."""
    follower = OutputFollower(run_directory)
    silent_s = 0.0
    try:
        while os.path.isdir(run_directory.path):
            ended = not follow or _has_ended_here(run_directory, silent_s)
            while pieces := follower.read():
                silent_s = 0.0
                for piece in pieces:
                    yield OutputChunk(piece.offset, piece.at_ns / 1e9, piece.stream, piece.data)
            if ended:
                return
            sleep(_LOCAL_POLL_S)
            silent_s += _LOCAL_POLL_S
    finally:
        follower.close()


def _has_ended_here(run_directory: RunDirectory, silent_s: float) -> bool:
    events = run_directory.events()
    if "exited" in events:
        return True
    spawned = events.get("spawned")
    if spawned is None or silent_s < _END_UNSAID_S:
        return False
    return not processes.is_alive(processes.Identity(spawned["pid"], spawned["start_ticks"], spawned["boot_id"]))


def _has_ended(repository: Repository, experiment_id: str, run_id: str) -> bool:
    """Asked before the last look, so that what came in between is not missed."""
    if repository.outcome(experiment_id, run_id) is not None:
        return True
    return standing.status(repository.state(experiment_id), SYSTEM.wall_ns()) is not Status.RUNNING


# --- what one may want of it ------------------------------------------------------------------------------------------


def after(output: Iterable[OutputChunk], offset: int) -> Iterator[OutputChunk]:
    """What lies at or behind a byte of the whole output."""
    for chunk in output:
        if chunk.offset >= offset:
            yield chunk
        elif chunk.offset + len(chunk.data) > offset:
            yield chunk._replace(offset=offset, data=chunk.data[offset - chunk.offset :])


def of_stream(output: Iterable[OutputChunk], stream: str | None) -> Iterator[OutputChunk]:
    """Those of `stdout` or `stderr`; None: both."""
    wanted = STREAMS.get(stream or "")
    return (chunk for chunk in output if wanted is None or chunk.stream == wanted)


def since(output: Iterable[OutputChunk], t_s: float) -> Iterator[OutputChunk]:
    """Those printed so many seconds after the start or later; of what has no time, that which follows one that has."""
    begun = False
    for chunk in output:
        begun = begun or (chunk.t_s is not None and chunk.t_s >= t_s)
        if begun:
            yield chunk


def lines(output: Iterable[OutputChunk]) -> Iterator[bytes]:
    """Whole lines with their ends, each stream's for itself; one that has no end in a megabyte comes in parts."""
    unfinished: dict[int, bytearray] = {}
    for chunk in output:
        pending = unfinished.pop(chunk.stream, bytearray()) + chunk.data
        unfinished[chunk.stream] = pending  # the one that was written to last comes last
        if b"\n" in chunk.data:
            *whole, rest = bytes(pending).split(b"\n")
            yield from (line + b"\n" for line in whole)
            pending[:] = rest
        if len(pending) >= _LONGEST_LINE_BYTES:
            yield bytes(pending)
            pending.clear()
    yield from (bytes(rest) for rest in unfinished.values() if rest)


def matching(output: Iterable[OutputChunk], pattern: str) -> Iterator[bytes]:
    """The lines in which a regular expression is found. Raises UsageError for what is none."""
    try:
        found = re.compile(os.fsencode(pattern)).search
    except re.error as error:
        raise UsageError(f"'{pattern}' is no regular expression: {error}") from error
    return (line for line in lines(output) if found(line))


def last_lines(output: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The last so many lines, held in memory."""
    return iter(deque(output, maxlen=count))
