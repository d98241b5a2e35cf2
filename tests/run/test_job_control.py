"""In an interactive shell: jobs in the background and back, ^Z where it means something, pastes, prompts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator

import pexpect
import pytest
from live import state

from kwrap import processes
from support import PYTHON, Kwrap, wait_until

TICKS = "import time\nfor n in range(40):\n print('tick', n, flush=True)\n time.sleep(0.1)"
ASKS = "print('be' + 'gun', flush=True); print('got ' + input(), flush=True)"


class Shell:
    """bash on a terminal of its own, in the project."""

    def __init__(self, kwrap: Kwrap) -> None:
        self.kwrap = kwrap
        self.terminal = pexpect.spawn(
            "bash",
            ["--norc", "--noprofile", "-i"],
            cwd=str(kwrap.project),
            env={**kwrap.environment, "PS1": "ready> "},
            timeout=30,
            encoding="utf-8",
        )
        self.expect("ready> ")

    def run(self, command: list[str], *options: str, then: str = "") -> None:
        """Type `kwrap run options -- command then`."""
        words = self.kwrap.arguments("run", "-q", *options, "--", *command)
        self.line(f"{subprocess.list2cmdline(words)} {then}")

    def script(self, text: str) -> list[str]:
        """The command of a Python script of that text."""
        path = self.kwrap.project / "script.py"
        path.write_text(text)
        return [PYTHON, "-u", path.name]

    def line(self, text: str) -> None:
        self.terminal.sendline(text)

    def keys(self, text: str) -> None:
        self.terminal.send(text)

    def expect(self, *patterns: str) -> None:
        for pattern in patterns:
            self.terminal.expect(pattern)

    def kwrap_pid(self) -> int:
        """The kwrap that is the shell's job."""
        (pid,) = wait_until(lambda: processes.children(self.terminal.pid), what="the job")
        return pid

    def running(self) -> str:
        """Command lines of all that the shell has started."""
        return "\n".join(processes.command_line(pid) for pid in processes.descendants(self.terminal.pid))

    def is_raw(self) -> bool:
        """Whether kwrap has the terminal; a shell's line editor leaves it its signals."""
        modes = subprocess.run(["stty", "-a"], stdin=self.terminal.child_fd, capture_output=True, check=True).stdout
        return b"-isig" in modes


@pytest.fixture
def shell(kwrap: Kwrap) -> Iterator[Shell]:
    made = Shell(kwrap)
    yield made
    made.terminal.close(force=True)


def test_a_job_that_was_stopped_sent_to_the_background_and_taken_back_takes_keys_again(shell: Shell) -> None:
    shell.run(shell.script(ASKS))
    shell.expect("begun")
    shell.keys("\x1a")
    shell.expect("Stopped", "ready> ")
    shell.line("bg")
    shell.expect("ready> ")
    shell.line("fg")
    wait_until(shell.is_raw, what="the terminal's being taken")
    shell.keys("this\r")
    shell.expect("got this", "ready> ")


def test_a_job_that_began_in_the_background_takes_keys_once_it_is_in_the_foreground(shell: Shell) -> None:
    shell.run(shell.script(ASKS), then="&")
    shell.expect("begun")
    shell.line("fg")
    wait_until(shell.is_raw, what="the terminal's being taken")
    shell.keys("that\r")
    shell.expect("got that", "ready> ")


def test_a_job_that_was_stopped_by_a_signal_takes_the_terminal_again_on_fg(shell: Shell) -> None:
    shell.run(shell.script(ASKS))
    shell.expect("begun")
    wait_until(shell.is_raw, what="the terminal's being taken")
    os.kill(shell.kwrap_pid(), signal.SIGSTOP)
    shell.expect("Stopped", "ready> ")
    shell.line("stty sane; fg")
    wait_until(shell.is_raw, what="the terminal's being taken again")
    shell.keys("those\r")
    shell.expect("got those", "ready> ")


def test_a_job_that_ends_in_the_background_does_not_wait_for_the_terminal(shell: Shell) -> None:
    shell.run(shell.script("print('be' + 'gun', flush=True); import time; time.sleep(1)"))
    shell.expect("begun")
    wait_until(shell.is_raw, what="the terminal's being taken")
    job = shell.kwrap_pid()
    os.kill(job, signal.SIGSTOP)
    shell.expect("Stopped", "ready> ")
    shell.line("bg")
    shell.expect("ready> ")
    wait_until(lambda: state(job) == "", what="the job's end")


def test_the_suspend_key_stops_a_command_in_pipes_and_one_that_came_from_the_background(shell: Shell) -> None:
    shell.run(shell.script(TICKS), then="| cat &")
    shell.expect("tick 1")
    shell.line("fg")
    shell.expect("tick 5")
    shell.keys("\x1a")
    shell.expect("Stopped", "ready> ")
    assert shell.terminal.expect([r"tick \d", pexpect.TIMEOUT], timeout=1) == 1, "the command rests with its job"
    shell.line("fg")
    shell.expect("tick 39", "ready> ")


def test_a_command_in_the_background_that_reads_the_terminal_stops_its_job_and_reads_after_fg(shell: Shell) -> None:
    shell.run(["cat"], then="> out &")
    job = shell.kwrap_pid()
    wait_until(lambda: state(job) == "T", what="the job's being stopped")
    shell.line("fg")
    wait_until(lambda: state(job) == "S", what="the job's going on")
    shell.line("typed")
    shell.keys("\x04")
    shell.expect("ready> ")
    assert (shell.kwrap.project / "out").read_text() == "typed\n"


def test_the_suspend_key_does_nothing_where_nobody_could_continue_the_job(kwrap: Kwrap) -> None:
    """As in `ssh -t host kwrap run …` or `docker run -it`: without kwrap the system ignores it there."""
    words = kwrap.arguments("run", "-q", "--", PYTHON, "-uc", TICKS)
    terminal = pexpect.spawn(
        words[0], words[1:], cwd=str(kwrap.project), env=kwrap.environment, timeout=30, encoding="utf-8"
    )
    terminal.expect("tick 3")
    terminal.send("\x1a")
    terminal.expect("tick 39")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_a_paste_reaches_a_slow_reader_whole(shell: Shell) -> None:
    pasted = "".join(f"line {number:06d} {'x' * 50}\n" for number in range(3000))
    shell.run(["sh", "-c", "stty -echo; echo be''gun; sleep 1; cat > pasted"])
    shell.expect("begun")

    def paste() -> None:
        shell.terminal.delaybeforesend = None
        for start in range(0, len(pasted), 3000):
            shell.keys(pasted[start : start + 3000])
        shell.keys("\x04")

    thread = threading.Thread(target=paste, daemon=True)
    thread.start()
    thread.join(30)
    shell.expect("ready> ")
    assert (shell.kwrap.project / "pasted").read_text() == pasted


def test_a_shell_within_has_its_own_jobs_and_survives_its_interrupt_keys(shell: Shell) -> None:
    shell.run(["bash", "--norc", "--noprofile", "-i"])
    shell.expect("ready> ")
    wait_until(shell.is_raw, what="the terminal's being taken")
    for _ in range(3):
        shell.keys("\x03")
        shell.expect(re.escape("^C"), "ready> ")
    shell.line("sleep 100")
    wait_until(lambda: "sleep 100" in shell.running(), what="the inner job")
    shell.keys("\x1a")
    shell.expect("Stopped", "ready> ")
    shell.line("jobs")
    shell.expect("Stopped .*sleep 100", "ready> ")
    shell.line("kill -KILL %1")
    wait_until(lambda: "sleep 100" not in shell.running(), what="the end of the inner job")
    shell.line("")
    shell.expect("Killed", "ready> ")
    shell.line("exit 7")
    shell.expect("exit", "ready> ")
    shell.line("echo status=$?")
    shell.expect("status=7")


def test_a_password_is_asked_for_on_the_terminal_under_one_and_in_pipes(shell: Shell) -> None:
    asks = shell.script("import getpass; print('pass' + 'ed', getpass.getpass('Secret: '))")
    for then in ("", "| cat"):
        shell.run(asks, then=then)
        shell.expect("Secret: ")
        shell.keys("word\r")
        shell.expect("passed word", "ready> ")


def test_a_full_screen_program_works(shell: Shell) -> None:
    (shell.kwrap.project / "numbers").write_text("".join(f"number {n}\n" for n in range(1000)))
    shell.run(["less", "numbers"])
    shell.expect("number 20")
    shell.keys("G")
    shell.expect("number 999")
    shell.keys("q")
    shell.expect("ready> ")
