"""The recorder killed before, and in the middle of, every step that it takes on the local file system."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from recorded_run import RecordedRun, check_objects, check_told, everything

from kwrap.recorder.recovery import recover
from kwrap.rundir import RECORDED, RunDirectory
from kwrap.storage.disk import DiskStorage

STEPS = 2_000


@pytest.mark.usefixtures("asked_once")
@pytest.mark.parametrize("torn", [False, True], ids=["before", "within"])
def test_killed_at_any_step_a_recorder_leaves_nothing_torn_and_another_completes_the_record(
    recorded_run: RecordedRun, torn: bool, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def try_step(step: int | None) -> int:
        place = quick_path / f"try-{step}"
        place.mkdir()
        monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(place / "state"))
        storage = DiskStorage(str(place / "repository"))
        directory = recorded_run.copy(place / "state", storage.url)
        status = recorders.record(directory, place / "state", step, torn=torn)
        check_objects(storage)
        everything(storage)
        found = recover()
        assert [one.state for one in found] in ([], ["completed"])
        check_objects(storage)
        seen = everything(storage)
        assert seen == expected or not expected
        expected.update(seen)
        assert recover() == []
        check_told(storage)
        shutil.rmtree(place)
        return status

    expected: dict[str, object] = {}
    with Recorders() as recorders:
        assert try_step(None) == RECORDED
        for step in range(STEPS):
            status = try_step(step)
            assert status in (RECORDED, -signal.SIGKILL)
            if step and status == RECORDED:
                break
    assert 10 < step < STEPS - 1


class Recorders:
    """A process that forks recorders, and says how each ended."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "killed_recorders.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def record(self, directory: RunDirectory, state: Path, step: int | None, *, torn: bool = False) -> int:
        """The exit status, negative for a signal; without a step nothing is killed."""
        assert self._process.stdin and self._process.stdout
        order = {"directory": directory.path, "state": str(state), "step": step, "torn": torn}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def __enter__(self) -> Recorders:
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
