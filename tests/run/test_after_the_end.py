"""The command has ended: whatever comes now changes neither how kwrap ends nor what is recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from live import alive, event, hold_the_repository, main_pid, recorder_of

from kwrap import processes
from kwrap.records import Reason
from support import PYTHON, Kwrap, wait_until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_while_the_record_is_completed_ends_the_wait_alone(
    kwrap: Kwrap, tmp_path: Path, number: signal.Signals
) -> None:
    held = hold_the_repository(kwrap, tmp_path)
    process = kwrap.start(["sh", "-c", "exit 5"])
    wait_until(lambda: event(kwrap, "exited"), what="the end")
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(30) == 5
    assert process.stderr is not None
    assert b"in the background" in process.stderr.read()
    held.unlink()
    wait_until(lambda: not kwrap.run_directories(), what="the record")
    assert kwrap.state_of_only().outcomes[0].exit_status == 5


def test_a_signal_to_the_whole_job_does_not_reach_the_recorder(kwrap: Kwrap, tmp_path: Path) -> None:
    """A batch system that ends a job tells all of its processes."""
    held = hold_the_repository(kwrap, tmp_path)
    process = kwrap.start(["sleep", "60"])
    main = main_pid(kwrap)
    recorder = wait_until(lambda: recorder_of(process.pid, main), what="the recorder")
    wait_until(lambda: processes.ignores(recorder, signal.SIGTERM), what="its beginning")
    for pid in (recorder, main, process.pid):
        os.kill(pid, signal.SIGTERM)
    held.unlink()
    assert process.wait(30) == -signal.SIGTERM
    # The command may have died of its own signal before kwrap got its, which then ends the wait for the record.
    wait_until(lambda: not kwrap.run_directories(), what="the record")
    (outcome,) = kwrap.state_of_only().outcomes
    assert outcome.signal == signal.SIGTERM
    assert "recorder_restarted" not in outcome.warnings


@pytest.mark.parametrize("also_the_recorder", [False, True])
def test_a_supervisor_that_is_killed_before_the_record_is_complete_loses_nothing(
    kwrap: Kwrap, tmp_path: Path, also_the_recorder: bool
) -> None:
    held = hold_the_repository(kwrap, tmp_path)
    process = kwrap.start([PYTHON, "-c", "print('loss: 1'); open('model.pt', 'w').write('w'); exit(3)"])
    recorder = wait_until(lambda: recorder_of(process.pid, main_pid(kwrap)), what="the recorder")
    wait_until(lambda: event(kwrap, "exited"), what="the end")
    process.kill()
    if also_the_recorder:
        os.kill(recorder, signal.SIGKILL)
    process.wait()
    held.unlink()
    wait_until(lambda: kwrap("recover").returncode == 0 and not kwrap.run_directories(), what="the record")
    state = kwrap.state_of_only()
    assert (state.outcomes[0].reason, state.outcomes[0].exit_status) == (Reason.FAILED, 3)
    assert kwrap.output(state) == b"loss: 1\n"
    assert [one.files[0].path for one in state.checkpoints] == ["model.pt"]
    assert not alive(recorder)


def test_a_recorder_that_is_killed_after_the_end_is_started_again(kwrap: Kwrap, tmp_path: Path) -> None:
    held = hold_the_repository(kwrap, tmp_path)
    process = kwrap.start(["echo", "hi"])
    wait_until(lambda: event(kwrap, "exited"), what="the end")
    first = wait_until(lambda: recorder_of(process.pid, 0), what="the recorder")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: recorder_of(process.pid, 0) not in (None, first), what="another recorder")
    held.unlink()
    assert process.wait(30) == 0
    assert kwrap.output(kwrap.state_of_only()) == b"hi\n"
    assert not kwrap.run_directories()


def test_two_recovers_at_once_complete_every_record_once(kwrap: Kwrap) -> None:
    for _ in range(6):
        kwrap.run(["echo", "hi"], "--offline", check=True)
    both = [
        subprocess.Popen(kwrap.arguments("sync"), cwd=kwrap.project, env=kwrap.environment, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    told = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0, 0], told
    states = kwrap.states()
    assert len(states) == 6
    assert all(state.outcomes[0].warnings == {} and kwrap.output(state) == b"hi\n" for state in states)
    assert not kwrap.run_directories()


def test_a_recover_while_the_run_goes_on_leaves_it_alone(kwrap: Kwrap) -> None:
    process = kwrap.start(["sh", "-c", "sleep 2; echo hi"])
    main_pid(kwrap)
    for _ in range(5):
        assert b"running" in kwrap("recover", check=True).stdout
    assert process.wait(30) == 0
    assert kwrap.state_of_only().outcomes[0].exit_status == 0


def test_what_a_removal_left_of_a_complete_record_does_not_come_back(kwrap: Kwrap) -> None:
    """Killed between the last two steps: the record is not completed a second time from what is left of its files."""
    kwrap.run(["sh", "-c", "echo w > model.pt"], "--offline", check=True)
    (directory,) = kwrap.run_directories()
    journal = (directory / "journal.jsonl").read_bytes()
    kwrap("sync", check=True)
    before = kwrap.state_of_only()
    directory.mkdir(parents=True)
    (directory / "journal.jsonl").write_bytes(journal + b'{"event": "recorded"}\n')
    time.sleep(0.05)
    (kwrap.project / "model.pt").write_text("of another run")
    kwrap("sync", check=True)
    assert not kwrap.run_directories()
    assert kwrap.state_of_only() == before


def test_a_full_disk_under_the_users_own_file_is_told(kwrap: Kwrap, small_disk: Path) -> None:
    with (small_disk / "log").open("wb") as out:
        done = kwrap.run([PYTHON, "-c", "import sys; sys.stdout.write('y' * 5_000_000)"], stdout=out)
    assert done.returncode == 0
    assert b"could not be passed on: the disk was full" in done.stderr
    state = kwrap.state_of_only()
    assert len(kwrap.output(state)) == 5_000_000
    assert state.outcomes[0].warnings["output_not_passed_on"] == 1
