"""The command sees a terminal exactly when the user's standard output is one; keys, size, ^C and ^Z work as ever."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator

import pexpect
import pytest

from support import PYTHON, Kwrap, child


@pytest.fixture
def terminals() -> Iterator[list[pexpect.spawn]]:
    opened: list[pexpect.spawn] = []
    yield opened
    for terminal in opened:
        terminal.close(force=True)


def spawn(kwrap: Kwrap, terminals: list[pexpect.spawn], command: list[str], *options: str) -> pexpect.spawn:
    words = kwrap.arguments("run", *options, "--", *command)
    terminal = pexpect.spawn(
        words[0],
        words[1:],
        cwd=str(kwrap.project),
        env=kwrap.environment,
        dimensions=(33, 77),
        timeout=30,
        encoding="utf-8",
    )
    terminals.append(terminal)
    return terminal


def test_under_a_terminal_the_command_sees_one_with_its_size(kwrap: Kwrap, terminals: list[pexpect.spawn]) -> None:
    terminal = spawn(kwrap, terminals, child("isatty.py"))
    terminal.expect(r"\{.*\}")
    seen = json.loads(terminal.match.group())
    assert seen == {"stdin": True, "stdout": True, "stderr": True, "columns": 77, "lines": 33}
    terminal.expect(pexpect.EOF)
    assert kwrap.state_of_only().runs[0].terminal


def test_a_window_that_changes_its_size_is_followed(kwrap: Kwrap, terminals: list[pexpect.spawn]) -> None:
    terminal = spawn(kwrap, terminals, child("isatty.py", 10))
    terminal.expect('"lines": 33')
    terminal.setwinsize(40, 120)
    terminal.expect('"columns": 120, "lines": 40')


def test_in_a_pipe_the_command_sees_none(kwrap: Kwrap) -> None:
    seen = json.loads(kwrap.run(child("isatty.py")).stdout)
    assert (seen["stdin"], seen["stdout"], seen["stderr"]) == (False, False, False)
    assert not kwrap.state_of_only().runs[0].terminal


def test_pty_and_no_pty_insist(kwrap: Kwrap, terminals: list[pexpect.spawn]) -> None:
    assert json.loads(kwrap.run(child("isatty.py"), "--pty").stdout)["stdout"] is True
    terminal = spawn(kwrap, terminals, child("isatty.py"), "--no-pty")
    terminal.expect(r"\{.*\}")
    assert json.loads(terminal.match.group())["stdout"] is False


def test_stderr_that_goes_elsewhere_stays_apart_under_a_terminal(kwrap: Kwrap, terminals: list[pexpect.spawn]) -> None:
    script = "import sys; print('to the terminal'); print('to the file', file=sys.stderr)"
    inner = subprocess.list2cmdline(kwrap.arguments("run", "-q", "--", PYTHON, "-c", script))
    terminal = pexpect.spawn(
        "sh", ["-c", f"{inner} 2>errors"], cwd=str(kwrap.project), env=kwrap.environment, timeout=30, encoding="utf-8"
    )
    terminals.append(terminal)
    terminal.expect("to the terminal")
    terminal.expect(pexpect.EOF)
    assert "to the file" not in (terminal.before or "")
    assert (kwrap.project / "errors").read_text() == "to the file\n"


def test_keys_reach_the_command(kwrap: Kwrap, terminals: list[pexpect.spawn]) -> None:
    terminal = spawn(kwrap, terminals, [PYTHON, "-c", "print('got ' + input('> '))"])
    terminal.expect("> ")
    terminal.sendline("this")
    terminal.expect("got this")


def test_one_interrupt_key_is_one_interrupt(kwrap: Kwrap, terminals: list[pexpect.spawn]) -> None:
    terminal = spawn(kwrap, terminals, child("traps_int.py", 6))
    terminal.expect("ready")
    terminal.send("\x03")
    terminal.expect("interrupt 1")
    assert terminal.expect(["interrupt 2", pexpect.TIMEOUT], timeout=1.5) == 1


def test_a_second_interrupt_key_ends_what_ignores_the_first(kwrap: Kwrap, terminals: list[pexpect.spawn]) -> None:
    script = "import signal,time; signal.signal(2, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    terminal = spawn(kwrap, terminals, [PYTHON, "-c", script])
    terminal.expect("ready")
    terminal.send("\x03")
    terminal.send("\x03")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.signalstatus == signal.SIGTERM
    assert kwrap.state_of_only().outcomes[0].signal == signal.SIGTERM


def test_a_third_interrupt_key_kills(kwrap: Kwrap, terminals: list[pexpect.spawn]) -> None:
    ignoring = "signal.signal(2, signal.SIG_IGN); signal.signal(15, signal.SIG_IGN)"
    script = f"import signal,time; {ignoring}; print('ready', flush=True); time.sleep(60)"
    terminal = spawn(kwrap, terminals, [PYTHON, "-c", script])
    terminal.expect("ready")
    terminal.send("\x03\x03")
    terminal.expect("once more kills it")
    terminal.send("\x03")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.signalstatus == signal.SIGKILL


def test_the_suspend_key_stops_the_job_and_fg_takes_it_up_again(kwrap: Kwrap, terminals: list[pexpect.spawn]) -> None:
    environment = {**kwrap.environment, "PS1": "ready> "}
    shell = pexpect.spawn(
        "bash", ["--norc", "--noprofile", "-i"], cwd=str(kwrap.project), env=environment, timeout=30, encoding="utf-8"
    )
    terminals.append(shell)
    shell.expect("ready> ")
    script = "import time\nfor n in range(60):\n print('tick', n, flush=True)\n time.sleep(0.1)"
    (kwrap.project / "ticks.py").write_text(script)
    shell.sendline(subprocess.list2cmdline(kwrap.arguments("run", "--", PYTHON, "ticks.py")))
    shell.expect("tick 3")
    shell.send("\x1a")
    shell.expect("Stopped")
    shell.sendline("")
    assert shell.expect([r"tick \d", pexpect.TIMEOUT], timeout=1) == 1, "the command rests with its job"
    shell.sendline("fg")
    shell.expect("tick 59")
    shell.expect("ready> ")


def test_the_terminal_is_given_back_as_it_was(kwrap: Kwrap, terminals: list[pexpect.spawn]) -> None:
    shell = pexpect.spawn(
        "bash", ["--norc", "--noprofile"], cwd=str(kwrap.project), env=kwrap.environment, timeout=30, encoding="utf-8"
    )
    terminals.append(shell)
    line = subprocess.list2cmdline(kwrap.arguments("run", "-q", "--", "true"))
    shell.sendline(f"stty -a > before; {line}; stty -a > after; echo fin''ished")
    shell.expect("finished")
    before, after = (kwrap.project / "before").read_text(), (kwrap.project / "after").read_text()
    assert before == after != ""
