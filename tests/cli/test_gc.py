"""`kwrap gc`: what it frees, what it says of it, and that it frees nothing that is needed while runs are recorded."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from servers import Server

from kwrap.errors import KwrapError
from kwrap.records import State
from kwrap.repository import status
from kwrap.repository.repository import Repository
from support import PYTHON, Kwrap, wait_until

# Every run has a directory of its own, and the same bytes in it.
SAME_WEIGHTS = """
import os, random, time
os.mkdir(f"of-{os.getpid()}")
for step in range(3):
    with open(f"of-{os.getpid()}/step-{step}.pt", "wb") as file:
        file.write(random.Random(step).randbytes(100_000))
    time.sleep(0.5)
"""
WEIGHTS = "import os; open('model.pt', 'wb').write(os.urandom(200_000))"


def stored_bytes(kwrap: Kwrap) -> int:
    return sum(path.stat().st_size for path in (kwrap.project / ".kwrap").rglob("*") if path.is_file())


def listed(kwrap: Kwrap) -> list[str]:
    return kwrap("ls", "-q", check=True).stdout.decode().split()


def test_what_was_removed_is_freed_at_once_and_the_rest_is_not(kwrap: Kwrap) -> None:
    for _ in range(2):
        kwrap.run([PYTHON, "-c", WEIGHTS], check=True)
    first, second = listed(kwrap)
    assert b"There is nothing to free." in kwrap("gc", "--now", check=True).stdout
    removed = kwrap("rm", "-f", first, check=True).stdout
    assert b"'kwrap gc' frees its 200.0 kB" in removed
    before = stored_bytes(kwrap)
    assert "would free" in kwrap("gc", "--dry-run", check=True).stdout.decode()
    assert stored_bytes(kwrap) == before
    done = kwrap.json("gc", "--now")
    assert done["freed_experiments"] == 1
    assert 200_000 < done["freed_bytes"] < 210_000
    assert stored_bytes(kwrap) < before - 200_000
    assert listed(kwrap) == [second]
    kwrap("checkout", second, "-o", "again", check=True)
    assert (kwrap.project / "again" / "model.pt").stat().st_size == 200_000
    assert b"no experiment matches" in kwrap("show", first).stderr
    assert kwrap("verify", "--full", "--strict").returncode == 0


def test_without_hurry_it_says_what_is_due_when(kwrap: Kwrap) -> None:
    kwrap.run([PYTHON, "-c", WEIGHTS], check=True)
    kwrap("rm", "-f", *listed(kwrap), check=True)
    make_older(kwrap, "*")
    begun = kwrap("gc", check=True).stdout.decode()
    assert "Nothing is freed yet: 20" in begun
    assert "'kwrap gc' goes on in 1 h" in begun
    again = kwrap.json("gc")
    assert again["freed_bytes"] == 0
    assert again["condemned_experiments"] == 1
    assert again["due_at"].endswith("Z")
    assert "It has begun" in kwrap("gc", "--dry-run", check=True).stdout.decode()
    for _ in range(2):
        make_older(kwrap, "gc/*")
        done = kwrap("gc", check=True).stdout.decode()
    assert done.startswith("Freed 20")
    assert kwrap("verify", "--full").returncode == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [(("--now", "--wait"), "exclude each other"), (("--force",), "--force is for --now")],
)
def test_options_that_do_not_go_together_are_refused(kwrap: Kwrap, words: tuple[str, ...], error: str) -> None:
    kwrap.run([PYTHON, "-c", ""], check=True)
    done = kwrap("gc", *words)
    assert done.returncode == 2
    assert error in done.stderr.decode()


def test_a_bucket_is_not_swept_at_once_without_force(kwrap: Kwrap, s3: Server) -> None:
    kwrap.environment.update(s3.environment)
    kwrap.environment["KWRAP_REPOSITORY"] = s3.fresh_url()
    kwrap.run([PYTHON, "-c", WEIGHTS], check=True)
    kwrap("rm", "-f", *listed(kwrap), check=True)
    done = kwrap("gc", "--now")
    assert done.returncode == 1
    assert "cannot keep writers off" in done.stderr.decode()
    assert kwrap.json("gc", "--now", "--force")["freed_bytes"] > 200_000
    assert kwrap("verify", "--full", "--strict").returncode == 0


def test_while_runs_are_recorded_others_are_removed_and_freed(kwrap: Kwrap) -> None:
    """Three at a time write the same checkpoints, which others have just given up. What is listed can be restored."""
    started: list[subprocess.Popen[bytes]] = []
    collections = 0
    while len(started) < 8 or any(process.poll() is None for process in started):
        if len(started) < 8 and sum(process.poll() is None for process in started) < 3:
            started.append(kwrap.start([PYTHON, "-c", SAME_WEIGHTS]))
        over = [one["id"] for one in kwrap.json("ls") if one["status"] == "finished"]
        if over:
            kwrap("rm", "-f", over[0], check=True)
        collections += kwrap("gc", "--now").returncode == 0
        looked = kwrap("verify")
        assert looked.returncode == 0, looked.stdout
        check_all_restore(kwrap.repository)
    assert collections > 2
    assert [process.wait() for process in started] == [0] * 8
    last = kwrap.run([PYTHON, "-c", SAME_WEIGHTS], check=True)
    assert last.returncode == 0
    wait_until(lambda: not kwrap.run_directories() or not kwrap("recover"), what="all records to be complete")
    kwrap("gc", "--now", check=True)
    assert check_all_restore(kwrap.repository) >= 3
    done = kwrap("verify", "--full", "--json")
    assert done.returncode == 0, json.loads(done.stdout)["data"]["problems"]


def test_what_is_condemned_is_stored_again_by_a_run_that_needs_it(kwrap: Kwrap) -> None:
    """The same code and the same weights, an hour after they were condemned, and again while they are announced."""
    (kwrap.project / "train.py").write_text(SAME_WEIGHTS)
    kwrap.run([PYTHON, "train.py"], check=True)
    kwrap("rm", "-f", *listed(kwrap), check=True)
    make_older(kwrap, "*")
    assert kwrap.json("gc")["condemned_objects"] > 4
    kwrap.run([PYTHON, "train.py"], check=True)
    again = listed(kwrap)
    make_older(kwrap, "gc/*")
    assert kwrap.json("gc")["freed_bytes"] == 0, "it was announced"
    kwrap.run([PYTHON, "train.py"], check=True)
    assert not list((kwrap.project / ".kwrap" / "gc").glob("*.sweep")), "whoever needs it takes the announcement back"
    assert kwrap.json("gc")["freed_bytes"] == 0
    make_older(kwrap, "gc/*")
    assert kwrap.json("gc")["freed_experiments"] == 1
    assert len(listed(kwrap)) == len(again) + 1
    assert check_all_restore(kwrap.repository) == 6
    assert kwrap("verify", "--full").returncode == 0


def make_older(kwrap: Kwrap, pattern: str) -> None:
    """By two days."""
    for path in (kwrap.project / ".kwrap").rglob(pattern):
        if path.is_file():
            at_s = path.stat().st_mtime - 2 * 24 * 3600
            os.utime(path, (at_s, at_s))


def check_all_restore(repository: Repository) -> int:
    """Read every checkpoint that is listed. One that was removed since then may be gone."""
    return sum(restores(repository, state) for state in repository.states()[0] for _ in state.checkpoints[:1])


def restores(repository: Repository, state: State) -> int:
    """How many of its checkpoints were read."""
    content = repository.content
    try:
        for one in state.checkpoints:
            for entry, stream in content.entries_in_pack_order(content.tree(one.tree or "")):
                assert len(stream.read()) == entry.size_bytes
    except KwrapError:
        now = {found.experiment.id: found for found in repository.states()[0]}.get(state.experiment.id)
        if now is not None and not status.deleted(now):
            raise
        return 0
    return len(state.checkpoints)


def test_a_project_without_anything_recorded_says_so(kwrap: Kwrap, tmp_path: Path) -> None:
    done = kwrap("gc", "-R", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert "there is no repository" in done.stderr.decode()
