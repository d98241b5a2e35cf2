"""Directories that are removed, replaced or refused under a run: the command goes on; nothing is claimed falsely."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from live import main_pid

from kwrap.records import Reason
from support import PYTHON, Kwrap, child, wait_until

NOBODY = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"]


def started(kwrap: Kwrap) -> None:
    """Wait until the run that was begun is in the repository."""
    main_pid(kwrap)
    wait_until(lambda: list(kwrap.project.glob(".kwrap/log/*/*.json")), what="the beginning of the record, told last")


def test_a_run_directory_that_is_removed_stops_nothing_and_is_told(kwrap: Kwrap) -> None:
    process = kwrap.start(child("prints_metrics.py", 8, 0.1))
    started(kwrap)
    shutil.rmtree(kwrap.state / "runs")
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.count(b"\n") == 8
    assert b"is not recorded" in errors
    assert b"recorded as" not in errors


@pytest.mark.parametrize("replaced", [False, True])
def test_a_repository_that_is_removed_or_replaced_gets_the_whole_record_all_the_same(
    kwrap: Kwrap, replaced: bool
) -> None:
    (kwrap.project / "train.txt").write_text("code")
    process = kwrap.start(child("prints_metrics.py", 20, 0.1))
    started(kwrap)
    shutil.rmtree(kwrap.project / ".kwrap")
    if replaced:
        kwrap("init", check=True)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"recorded as" in errors
    state = kwrap.state_of_only()
    assert kwrap.output(state).count(b"\n") == 20
    assert len(list(kwrap.repository.metric_points(state.experiment.id))) == 40
    assert state.outcomes[0].reason is Reason.FINISHED
    assert state.experiment.source is not None
    assert kwrap.repository.content.has_tree(state.experiment.source.tree)
    assert not kwrap.run_directories()


def test_a_repository_that_cannot_be_written_at_the_end_is_given_the_record_later(kwrap: Kwrap) -> None:
    process = kwrap.start([PYTHON, "-c", "import time; print('loss: 1', flush=True); time.sleep(1.5); exit(4)"])
    started(kwrap)
    (kwrap.project / ".kwrap").rename(kwrap.project / "away")
    (kwrap.project / ".kwrap").write_text("a file in its place")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 4
    assert b"not yet in the repository: kwrap sync" in errors
    (kwrap.project / ".kwrap").unlink()
    (kwrap.project / "away").rename(kwrap.project / ".kwrap")
    kwrap("sync", check=True)
    assert kwrap.state_of_only().outcomes[0].exit_status == 4
    assert kwrap.output(kwrap.state_of_only()) == b"loss: 1\n"


def test_what_a_run_recorded_offline_is_not_changed_by_the_runs_after_it(kwrap: Kwrap) -> None:
    """They write into the same files, which the first one's checkpoints are pinned from."""
    kwrap.run(["sh", "-c", "echo one > model.pt"], "--offline", check=True)
    kwrap.run(["sh", "-c", "echo two > model.pt; echo 3 > other.pt"], check=True)
    kwrap("sync", check=True)
    first, second = kwrap.states()
    assert [[file.path for file in one.files] for one in first.checkpoints] == [["model.pt"]]
    assert {file.path for one in second.checkpoints for file in one.files} == {"model.pt", "other.pt"}
    assert first.checkpoints[0].size_bytes == len("one\n")
    entry = kwrap.repository.content.tree(first.checkpoints[0].tree)[0]
    assert kwrap.repository.content.read_entry(entry) == b"one\n"
    assert first.outcomes[0].warnings == {}


def test_every_version_of_a_file_that_is_written_in_place_is_kept_offline(kwrap: Kwrap) -> None:
    kwrap.run(child("writes_weights.py", 3, "overwrite", 0.8), "--offline", check=True)
    kwrap("sync", check=True)
    state = kwrap.state_of_only()
    assert len(state.checkpoints) == 3
    assert len({one.files[0].sha256 for one in state.checkpoints}) == 3


def test_a_run_that_another_machine_is_at_is_left_alone(kwrap: Kwrap) -> None:
    """A home that several machines share: their processes cannot be seen from here, only their signs of life."""
    kwrap.run(["echo", "hi"], "--offline", check=True)
    (directory,) = kwrap.run_directories()
    journal = directory / "journal.jsonl"
    journal.write_text(journal.read_text().replace(f'"host": "{os.uname().nodename}"', '"host": "elsewhere"'))
    assert b"running" in kwrap("sync", check=True).stdout
    for path in directory.iterdir():
        if path.is_file():
            os.utime(path, (0, 0))
    assert b"completed" in kwrap("sync", check=True).stdout
    assert not kwrap.run_directories()


def test_a_command_that_never_ran_is_no_experiment(kwrap: Kwrap) -> None:
    """Interrupted while the code was looked at: nothing ran, so nothing is recorded."""
    kwrap.run(["echo", "hi"], "--offline", check=True)
    (directory,) = kwrap.run_directories()
    lines = (directory / "journal.jsonl").read_text().splitlines(keepends=True)
    for path in directory.iterdir():
        if path.is_file():
            path.unlink()
    (directory / "journal.jsonl").write_text(lines[0])
    kwrap("sync", check=True)
    assert not kwrap.run_directories()
    assert not (kwrap.project / ".kwrap/metadata").exists()


def test_a_working_directory_that_is_gone_is_told(kwrap: Kwrap, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", 'rmdir ../gone; exec "$@"', "sh", *kwrap.arguments("run", "--", "echo", "hi")],
        cwd=gone,
        env={**kwrap.environment, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 125
    assert b"error: the working directory cannot be used" in done.stderr
    assert b"hint: " in done.stderr


def test_a_working_directory_that_is_removed_meanwhile_does_no_harm(kwrap: Kwrap) -> None:
    done = kwrap.run(["sh", "-c", 'rm -rf "$PWD"; echo hi'], "-R", str(kwrap.state / "repository"))
    assert (done.returncode, done.stdout) == (0, b"hi\n")
    assert b"recorded as" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="becomes another user: root only")
def test_another_users_read_only_project_is_refused_and_recorded_offline(kwrap: Kwrap, tmp_path: Path) -> None:
    for place in (tmp_path, *tmp_path.parents):
        if place.stat().st_mode & 0o005 != 0o005:
            place.chmod(place.stat().st_mode | 0o005)
        if place == Path("/tmp"):
            break
    home = tmp_path / "nobody"
    home.mkdir()
    shutil.chown(home, 54321, 54321)
    environment = {**kwrap.environment, "HOME": str(home), "KWRAP_STATE_DIRECTORY": str(home / "state")}

    def run(*words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*NOBODY, *kwrap.arguments(*words)],
            cwd=kwrap.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )

    if run("--version").returncode:
        pytest.skip("another user cannot read this interpreter")
    refused = run("run", "--", "echo", "hi")
    assert (refused.returncode, refused.stdout) == (125, b"")
    assert b"is read-only for you" in refused.stderr
    assert b"--offline" in refused.stderr
    # The pipe that this is printed to belongs to root: it cannot be opened anew.
    offline = run("run", "--offline", "--", "echo", "hi")
    assert (offline.returncode, offline.stdout) == (0, b"hi\n")
    kwrap.project.chmod(0o777)
    assert run("sync").returncode == 0
    assert kwrap.output(kwrap.state_of_only()) == b"hi\n"
