"""Signals: passed on, escalated, and never the end of the record."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest
from live import alive, main_pid, state

from kwrap.records import Reason
from support import PYTHON, Kwrap, child, wait_until


def first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def test_sigterm_is_passed_to_the_command_and_its_end_is_recorded(kwrap: Kwrap) -> None:
    handler = (
        "import signal,sys,time; signal.signal(15, lambda *_: sys.exit(3)); print('ready', flush=True); time.sleep(60)"
    )
    process = kwrap.start([PYTHON, "-c", handler])
    first_line(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 3
    assert kwrap.state_of_only().outcomes[0].exit_status == 3


def test_a_command_that_ignores_sigterm_is_killed_after_the_grace(kwrap: Kwrap) -> None:
    process = kwrap.start(child("ignores_term.py"), "--grace", "0.5")
    first_line(process)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == -signal.SIGKILL
    assert time.monotonic() - began < 10
    assert kwrap.state_of_only().outcomes[0].signal == signal.SIGKILL


def test_the_grace_ends_the_whole_tree_also_what_left_the_session(kwrap: Kwrap) -> None:
    script = (
        "import os,signal,sys,time\n"
        "signal.signal(15, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    os.setsid(); signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)\n"
        "time.sleep(60)\n"
    )
    process = kwrap.start([PYTHON, "-c", script], "--grace", "0.3")
    stray = int(first_line(process))
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    wait_until(lambda: not alive(stray), limit_s=5, what="the end of the stray process")


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP])
def test_other_signals_are_passed_on(kwrap: Kwrap, number: signal.Signals) -> None:
    script = (
        f"import os,signal,time\nsignal.signal({int(number)}, lambda *_: os._exit(9))\n"
        "print('ready', flush=True)\ntime.sleep(60)\n"
    )
    process = kwrap.start([PYTHON, "-c", script])
    first_line(process)
    process.send_signal(number)
    assert process.wait(30) == 9


def test_sigint_from_a_process_reaches_the_command_once(kwrap: Kwrap) -> None:
    process = kwrap.start(child("traps_int.py", 3))
    first_line(process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert output == b"interrupt 1\n"


def test_a_stopped_and_continued_job_goes_on(kwrap: Kwrap) -> None:
    process = kwrap.start(child("prints_metrics.py", 10, 0.1))
    pid = main_pid(kwrap)
    process.send_signal(signal.SIGTSTP)
    wait_until(lambda: state(process.pid) == "T" and state(pid) == "T", what="both stopped")
    process.send_signal(signal.SIGCONT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert output.count(b"\n") == 10


def test_hangup_that_was_ignored_stays_ignored_as_under_nohup(kwrap: Kwrap) -> None:
    script = "import signal; print(signal.getsignal(1) is signal.SIG_IGN)"
    done = subprocess.run(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *kwrap.arguments("run", "--", PYTHON, "-c", script)],
        cwd=kwrap.project,
        env=kwrap.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == b"True\n"


def test_a_daemon_that_keeps_the_pipe_is_not_waited_for_and_not_broken(kwrap: Kwrap) -> None:
    """Its later output is relayed to where ours went, and not recorded."""
    began = time.monotonic()
    output = kwrap.project.parent / "relayed"
    errors = kwrap.project.parent / "errors"
    with output.open("wb") as sink, errors.open("wb") as error_sink:
        done = kwrap.run(child("daemonises.py", 4), stdout=sink, stderr=error_sink)
        assert done.returncode == 0
        assert time.monotonic() - began < 4
    (outcome,) = kwrap.state_of_only().outcomes
    assert any("daemonises.py" in line for line in outcome.left_running)
    assert b"left running" in errors.read_bytes()
    wait_until(lambda: b"daemon 20\n" in output.read_bytes(), limit_s=20, what="the daemon's last line")


def test_a_child_in_a_session_of_its_own_is_accounted_for(kwrap: Kwrap) -> None:
    script = (
        "import os,time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        end = time.process_time() + 0.5\n"
        "        while time.process_time() < end: pass\n"
        "    os._exit(0)\n"
        "time.sleep(2)\n"
    )
    kwrap.run([PYTHON, "-c", script], check=True)
    usage = kwrap.state_of_only().outcomes[0].usage
    assert usage is not None
    assert usage.cpu_user_s + usage.cpu_system_s >= 0.5
    assert usage.processes == 3


def test_a_killed_command_says_so_in_show(kwrap: Kwrap) -> None:
    kwrap.run(child("dies_of_signal.py", 9))
    shown = kwrap("show", kwrap.state_of_only().experiment.id, check=True).stdout.decode()
    assert "SIGKILL" in shown
    assert kwrap.state_of_only().outcomes[0].reason is Reason.KILLED
