"""kwrap as a program: pipes that close, terminals that are asked, runs that are followed, imports that are not paid."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
import sample_repository

from support import Kwrap, child, wait_until


@pytest.fixture
def sample(kwrap: Kwrap) -> Kwrap:
    """A kwrap whose repository is the sample."""
    repository = sample_repository.make(kwrap.project.parent)
    kwrap.environment["KWRAP_REPOSITORY"] = repository.url
    return kwrap


def _terminal(kwrap: Kwrap, *words: str, **environment: str) -> pexpect.spawn:
    arguments = kwrap.arguments(*words)
    everything = {**kwrap.environment, **environment}
    return pexpect.spawn(
        arguments[0], arguments[1:], cwd=str(kwrap.project), env=everything, encoding="utf-8", timeout=20
    )


def test_a_reader_that_leaves_early_costs_no_word(sample: Kwrap) -> None:
    arguments = " ".join(sample.arguments("ls"))
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {arguments} | true; echo ${{PIPESTATUS[0]}}"],
        cwd=sample.project,
        env=sample.environment,
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""
    assert done.stdout.strip() in (b"0", b"141")


def test_a_full_disk_for_the_result_is_told(sample: Kwrap) -> None:
    with open("/dev/full", "wb") as full:
        done = sample("ls", stdout=full)
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr and b"Traceback" not in done.stderr


def test_colours_come_on_a_terminal_and_not_with_no_color(sample: Kwrap) -> None:
    coloured = _terminal(sample, "ls").read()
    assert "\x1b[" in coloured and "6 experiments in " in coloured
    assert "\x1b[" not in _terminal(sample, "ls", NO_COLOR="1").read()


def test_the_width_of_the_terminal_is_kept(sample: Kwrap) -> None:
    del sample.environment["COLUMNS"]
    arguments = sample.arguments("ls")
    screen = pexpect.spawn(
        arguments[0],
        arguments[1:],
        cwd=str(sample.project),
        env={**sample.environment, "NO_COLOR": "1"},
        encoding="utf-8",
        dimensions=(40, 70),
        timeout=20,
    )
    lines = screen.read().splitlines()
    assert max(len(line) for line in lines if line.startswith(("ID", "k3f9"))) <= 70


@pytest.mark.parametrize("answer", ["y", "n"])
def test_checkout_asks_before_it_overwrites(sample: Kwrap, answer: str) -> None:
    mine = sample.project / "train.py"
    mine.write_text("mine\n")
    screen = _terminal(sample, "checkout", "baseline")
    screen.expect("overwrite  train.py")
    screen.expect(r"Do you want to continue\? \[y/N\]")
    screen.sendline(answer)
    rest = screen.read()
    screen.close()
    if answer == "y":
        assert "It was run with" in rest and mine.read_text() != "mine\n" and screen.exitstatus == 0
    else:
        assert "nothing was changed" in rest and mine.read_text() == "mine\n" and screen.exitstatus == 1


def test_rm_asks_and_names_what_it_removes(sample: Kwrap) -> None:
    screen = _terminal(sample, "rm", "adam", "baseline")
    screen.expect("m2vtb8rd adam: Finished after 2 h 3 min, 2 checkpoints")
    screen.expect(r"Remove these 2\? \[y/N\]")
    screen.sendline("")
    assert "nothing was removed" in screen.read()
    assert len(sample.json("ls")) == 6


def test_interrupting_a_command_is_quiet(sample: Kwrap) -> None:
    screen = _terminal(sample, "checkout", "baseline", "-o", ".")
    screen.close()
    (sample.project / "train.py").write_text("mine\n")
    screen = _terminal(sample, "checkout", "baseline")
    screen.expect(r"\[y/N\]")
    screen.sendintr()
    rest = screen.read()
    screen.close()
    assert "Traceback" not in rest
    assert 130 in (screen.exitstatus, 128 + (screen.signalstatus or 0))


def test_global_options_may_stand_before_the_command(sample: Kwrap) -> None:
    url = sample.environment.pop("KWRAP_REPOSITORY")
    assert len(json.loads(sample("-R", url, "ls", "--json", check=True).stdout)["data"]) == 6
    assert len(json.loads(sample(f"--repository={url}", "ls", "--json", check=True).stdout)["data"]) == 6
    assert sample("--version", check=True).stdout.startswith(b"kwrap 0.")


def test_a_run_is_followed_from_another_process_until_it_ends(kwrap: Kwrap) -> None:
    running = kwrap.start(
        ["sh", "-c", "for number in 0 1 2 3 4 5 6 7; do echo line $number; sleep 0.25; done"], "--name", "slow"
    )
    wait_until(lambda: kwrap("show", "slow").returncode == 0, what="the experiment's record")
    followed = kwrap("logs", "slow", "--follow", check=True)
    running.wait(30)
    kwrap.close()
    assert followed.stdout == b"".join(b"line %d\n" % number for number in range(8))
    assert kwrap("logs", "slow", check=True).stdout == followed.stdout


def test_following_can_be_interrupted(kwrap: Kwrap) -> None:
    kwrap.start(child("sleeps.py", "30"), "--name", "long")
    wait_until(lambda: kwrap("show", "long").returncode == 0, what="the experiment's record")
    process = subprocess.Popen(
        kwrap.arguments("logs", "long", "-f"),
        cwd=kwrap.project,
        env=kwrap.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, b"")


def _imported(*words: str) -> set[str]:
    """The modules that a command line imports."""
    program = (
        f"import sys; from kwrap.cli.main import main; main({list(words)!r}); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [(), ("--help",), ("run", "--help"), ("--version",)], ids=" ".join)
def test_pages_that_need_no_command_import_neither_typer_nor_rich(words: tuple[str, ...]) -> None:
    heavy = {"typer", "click", "rich", "yaml", "zstandard", "dataclasses", "subprocess", "argparse", "pathlib"}
    assert not heavy & _imported(*words)


def test_a_command_imports_no_other_and_no_rich(sample: Kwrap) -> None:
    os.environ["KWRAP_REPOSITORY"] = sample.environment["KWRAP_REPOSITORY"]
    try:
        modules = _imported("ls")
    finally:
        del os.environ["KWRAP_REPOSITORY"]
    assert "kwrap.cli.ls" in modules
    assert not {"kwrap.cli.show", "kwrap.cli.checkout", "rich", "kwrap.supervisor", "watchdog"} & modules


def test_the_records_of_killed_runs_are_completed_in_passing(kwrap: Kwrap) -> None:
    running = kwrap.start(child("sleeps.py", "60"))
    (directory,) = wait_until(kwrap.run_directories, what="the run directory")
    wait_until(lambda: "spawned" in kwrap.journal(), what="the child")
    spawned = kwrap.journal()["spawned"]["pid"]
    group = os.getpgid(running.pid)
    os.killpg(group, signal.SIGKILL)
    running.wait()
    _kill(spawned)
    old = 1_700_000_000
    os.utime(directory, (old, old))
    assert kwrap("ls", check=True).stdout.count(b"lost") == 1
    assert not Path(directory).exists()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
