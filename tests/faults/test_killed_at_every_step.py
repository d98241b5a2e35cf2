"""The recorder killed before, and in the middle of, every step that it takes on the local file system."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from recorded_run import RecordedRun, check_objects, check_told, everything
from system_calls import Killed

from kwrap.recorder.recovery import recover
from kwrap.recorder.session import record
from kwrap.rundir import RECORDED, RunDirectory
from kwrap.storage.disk import DiskStorage

STEPS = 2_000


@pytest.mark.usefixtures("asked_once")
@pytest.mark.parametrize("torn", [False, True], ids=["before", "within"])
def test_killed_at_any_step_a_recorder_leaves_nothing_torn_and_another_completes_the_record(
    recorded_run: RecordedRun, torn: bool, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: dict[str, object] = {}
    for step in range(STEPS):
        place = quick_path / f"try-{step}"
        place.mkdir()
        monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(place / "state"))
        storage = DiskStorage(str(place / "repository"))
        status = record_in_a_process(recorded_run.copy(place / "state", storage.url), step, torn=torn)
        assert status in (RECORDED, -signal.SIGKILL)
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
        if step and status == RECORDED:
            break
    assert 10 < step < STEPS - 1


def record_in_a_process(directory: RunDirectory, step: int, *, torn: bool) -> int:
    """Record it in a process that is killed at that step; its exit status, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        try:
            with Killed(step, torn=torn):
                os._exit(record(directory, None))
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
