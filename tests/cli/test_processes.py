"""kwrap as a program: pipes that close, terminals that are asked, runs that are followed, imports that are not paid."""

from __future__ import annotations

import json
import os
import shlex
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


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
@pytest.mark.parametrize("words", [("ls",), ("--help",), ("logs", "baseline"), ("show", "baseline", "--json")])
def test_closed_streams_cost_nothing_but_what_goes_there(sample: Kwrap, closed: str, words: tuple[str, ...]) -> None:
    line = f"{shlex.join(sample.arguments(*words))} {closed}"
    done = subprocess.run(["bash", "-c", line], cwd=sample.project, env=sample.environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert bool(done.stdout) is (closed == "2>&-")


def test_what_the_encoding_lacks_is_escaped_so_that_json_stays_json(sample: Kwrap) -> None:
    sample.environment |= {"PYTHONIOENCODING": "ascii"}
    sample("note", "adam", "größer \U0001f600", check=True)
    assert sample.json("show", "adam")["note"] == "größer \U0001f600"
    assert b"gr\\u00f6\\u00dfer" in sample("show", "adam", check=True).stdout


def test_a_dry_run_tells_odd_names_in_any_encoding(kwrap: Kwrap) -> None:
    (kwrap.project / "red \x1b[31m.py").write_text("")
    Path(os.fsdecode(os.fsencode(kwrap.project) + b"/caf\xe9.py")).write_text("")
    kwrap.environment["PYTHONIOENCODING"] = "ascii"
    shown = kwrap("run", "--dry-run", "--", "echo", "zwei Wörter", check=True).stdout
    assert b"command      echo 'zwei W\\u00f6rter'\n" in shown
    assert b"\x1b" not in shown and b"red \\x1b[31m.py" in shown
    data = json.loads(kwrap("run", "--dry-run", "--json", "--", "echo", "Wörter", check=True).stdout)["data"]
    assert data["argv"] == ["echo", "Wörter"]
    assert {one["path"] for one in data["files"]} == {"red \x1b[31m.py", "caf\udce9.py"}
    done = kwrap("run", "--dry-run", "--", "no-such-program")
    assert done.returncode == 127
    assert done.stderr.startswith(b"error: command not found: 'no-such-program'\nhint: ")


def test_git_applies_a_difference_as_it_is_printed(sample: Kwrap) -> None:
    sample("checkout", "baseline", "-o", ".", check=True)
    (sample.project / "odd.txt").write_bytes(b"caf\xe9 \x1b[31m\r\n")
    sample.run(["true"], "--name", "odd", check=True)
    (sample.project / "odd.txt").write_bytes(b"caf\xe9s \x1b[32m\r\n")
    (sample.project / "train.py").rename(sample.project / "moved.py")
    sample.run(["true"], "--name", "even", check=True)
    sample("checkout", "odd", "-o", "../place", check=True)
    difference = sample("diff", "odd", "even", check=True).stdout
    place = sample.project.parent / "place"
    subprocess.run(["git", "apply", "--unsafe-paths", "--whitespace=nowarn"], cwd=place, input=difference, check=True)
    assert (place / "odd.txt").read_bytes() == (sample.project / "odd.txt").read_bytes()
    assert (place / "moved.py").exists() and not (place / "train.py").exists()


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
        ["sh", "-c", "for number in 0 1 2 3 4 5 6 7; do echo line $number; sleep 0.15; done"], "--name", "slow"
    )
    wait_until(lambda: kwrap("show", "slow").returncode == 0, what="the experiment's record")
    followed = kwrap("logs", "slow", "--follow", check=True)
    running.wait(30)
    kwrap.close()
    assert followed.stdout == b"".join(b"line %d\n" % number for number in range(8))
    assert kwrap("logs", "slow", check=True).stdout == followed.stdout


def test_following_ends_soon_when_everything_here_was_killed(kwrap: Kwrap) -> None:
    running = kwrap.start(["sh", "-c", "echo before; exec sleep 60"], "--name", "killed")
    wait_until(lambda: kwrap("show", "killed").returncode == 0, what="the experiment's record")
    process = subprocess.Popen(
        kwrap.arguments("logs", "killed", "-f"), cwd=kwrap.project, env=kwrap.environment, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None and process.stdout.readline() == b"before\n"
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        for pid in [running.pid, *map(int, children)]:  # the supervisor, the recorder and the command
            _kill(pid)
        assert process.wait(15) == 0, "and not only when its heartbeat is stale"


def test_following_can_be_interrupted(kwrap: Kwrap) -> None:
    kwrap.start(["sh", "-c", "echo begun; exec sleep 30"], "--name", "long")
    wait_until(lambda: kwrap("show", "long").returncode == 0, what="the experiment's record")
    process = subprocess.Popen(
        kwrap.arguments("logs", "long", "-f"),
        cwd=kwrap.project,
        env=kwrap.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
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
    # Once the system has cleared the killed ones away; by itself a run is lost only after half a minute.
    wait_until(lambda: kwrap("ls", check=True).stdout.count(b"lost") == 1, limit_s=15, what="the record")
    assert not Path(directory).exists()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
