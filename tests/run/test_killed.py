"""kill -9 of any of kwrap's processes, at any instant: the command goes on, and the record becomes complete."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from live import alive, main_pid, recorder_of

from kwrap import processes
from kwrap.records import Reason, State, Status
from kwrap.repository.status import status
from support import Kwrap, child, wait_until

RUNS, KILLS = 25, 8
CHILD = child("writes_weights.py", 5, "rename", 0.7, 20_000)


def what_is_recorded(kwrap: Kwrap, state: State) -> dict[str, Any]:
    """The record without what may differ between two runs of the same command: times, ids, and how often kwrap died."""
    (outcome,) = state.outcomes
    points = kwrap.repository.metric_points(state.experiment.id)
    return {
        "output": kwrap.output(state),
        "points": [(point.name, point.value, point.step, point.offset, point.line) for point in points],
        "summary": {name: (one.count, one.last) for name, one in outcome.metrics.items()},
        "checkpoints": [
            (one.sequence, one.step, dict(one.metrics), [(file.path, file.sha256) for file in one.files])
            for one in state.checkpoints
        ],
        "counted": (outcome.checkpoints, outcome.metric_points, outcome.output_bytes, outcome.exit_status),
        "code": state.experiment.source and state.experiment.source.content_sha256,
        "params": state.experiment.params,
    }


@pytest.mark.timeout(600)
def test_two_hundred_kills_of_the_recorder_leave_the_record_as_undisturbed(tmp_path: Path) -> None:
    undisturbed = make(tmp_path / "undisturbed")
    undisturbed.run(CHILD, check=True)
    expected = what_is_recorded(undisturbed, undisturbed.state_of_only())
    assert len(expected["checkpoints"]) == 5
    assert len(expected["points"]) == 5

    def disturbed(number: int) -> tuple[int, dict[str, Any]]:
        kwrap = make(tmp_path / f"disturbed-{number}")
        kills = run_and_kill(kwrap, random.Random(number))
        return kills, what_is_recorded(kwrap, kwrap.state_of_only())

    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(disturbed, range(RUNS)))
    for _, recorded in found:
        assert recorded == expected
    assert sum(kills for kills, _ in found) >= 200


def run_and_kill(kwrap: Kwrap, chance: random.Random) -> int:
    """Run CHILD and kill its recorder again and again; returns how often."""
    process = kwrap.start(CHILD)
    main = main_pid(kwrap)
    kills = 0
    while kills < KILLS and process.poll() is None:
        recorder = recorder_of(process.pid, main)
        if recorder is None:
            time.sleep(0.002)
            continue
        time.sleep(chance.choice([0.0, chance.uniform(0, 0.02), chance.uniform(0, 0.3)]))
        if recorder_of(process.pid, main) == recorder:
            os.kill(recorder, signal.SIGKILL)
            kills += 1
            wait_until(lambda gone=recorder: not processes.command_line(gone).startswith("/"), limit_s=5)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert output.count(b"\n") == 5
    return kills


def test_a_killed_supervisor_leaves_a_command_that_goes_on_and_is_recorded(kwrap: Kwrap) -> None:
    """The recorder carries the output from then on; how the command ended nobody saw."""
    sink = kwrap.project.parent / "sink"
    with sink.open("wb") as out:
        process = kwrap.start(child("prints_metrics.py", 20, 0.1), stdout=out, stderr=subprocess.DEVNULL)
        wait_until(lambda: b"epoch 3/20" in sink.read_bytes(), what="the third epoch")
        process.kill()
        process.wait()
    wait_until(lambda: not kwrap.run_directories(), limit_s=30, what="the complete record")
    state = kwrap.state_of_only()
    assert kwrap.output(state).count(b"\n") == 20
    assert sink.read_bytes() == kwrap.output(state)
    assert state.outcomes[0].reason is Reason.LOST
    assert state.outcomes[0].exit_status is None
    assert state.outcomes[0].metrics["loss"].count == 20


def test_ls_soon_shows_the_truth_of_a_killed_supervisor(kwrap: Kwrap) -> None:
    process = kwrap.start(child("prints_metrics.py", 15, 0.1))
    main_pid(kwrap)
    wait_until(lambda: (kwrap.project / ".kwrap/metadata/experiments").exists(), what="the record")
    process.kill()
    process.communicate()
    wait_until(lambda: [row["status"] for row in kwrap.json("ls")] == ["lost"], limit_s=30, what="status lost")


def test_when_everything_is_killed_recover_completes_the_record(kwrap: Kwrap) -> None:
    process = kwrap.start(child("prints_metrics.py", 100, 0.05))
    main = main_pid(kwrap)
    time.sleep(1.0)
    kill_everything(process.pid, main)
    process.communicate()
    assert kwrap.run_directories()
    done = kwrap("recover", check=True)
    assert b"completed" in done.stdout
    assert not kwrap.run_directories()
    state = kwrap.state_of_only()
    assert state.outcomes[0].reason is Reason.LOST
    assert kwrap.output(state).startswith(b"epoch 1/100")
    assert status(state, time.time_ns()) is Status.LOST


def test_everything_killed_at_random_instants_is_always_recoverable(kwrap: Kwrap) -> None:
    chance = random.Random(11)
    (kwrap.project / "train.txt").write_text("code")
    for _ in range(25):
        process = kwrap.start(child("prints_metrics.py", 50, 0.02), "--repository", str(kwrap.project / ".kwrap"))
        time.sleep(chance.uniform(0.0, 0.5))
        kill_everything(process.pid, None)
        process.communicate()
    kwrap("recover", check=True)
    states, problems = kwrap.repository.states()
    assert not problems
    for state in states:
        assert len(state.outcomes) == 1
        assert kwrap.output(state) == b"".join(kwrap.output(state).splitlines(keepends=True))
    assert len(states) >= 5
    for directory in kwrap.run_directories():  # of what had not even begun
        assert not (directory / "journal.jsonl").exists() or not (directory / "journal.jsonl").read_bytes().count(b"\n")


def test_a_recorder_that_cannot_live_does_not_touch_the_command(kwrap: Kwrap) -> None:
    """Its run directory turned into something unusable under it: the command runs to its end all the same."""
    process = kwrap.start(child("prints_metrics.py", 10, 0.1))
    main = main_pid(kwrap)
    (directory,) = kwrap.run_directories()
    stop = threading.Event()

    def keep_killing() -> None:
        while not stop.is_set():
            recorder = recorder_of(process.pid, main)
            if recorder:
                _kill(recorder)
            time.sleep(0.01)

    killer = threading.Thread(target=keep_killing)
    killer.start()
    try:
        output, _ = process.communicate(timeout=120)
    finally:
        stop.set()
        killer.join()
    assert process.returncode == 0
    assert output.count(b"\n") == 10
    assert directory.exists()
    kwrap("recover", check=True)
    assert kwrap.state_of_only().outcomes[0].exit_status == 0


def make(directory: Path) -> Kwrap:
    directory.mkdir()
    return Kwrap(directory)


def kill_everything(supervisor: int, main: int | None) -> None:
    tree = [supervisor, *processes.descendants(supervisor)]
    for pid in [*tree, *([main] if main else [])]:
        _kill(pid)
    wait_until(lambda: not any(alive(pid) for pid in tree if pid != supervisor), what="everybody's end")


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
