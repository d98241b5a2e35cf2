"""The command finds everything as it would without kwrap, and whoever waits for it waits no longer than without."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from live import alive, hold_the_repository, main_pid, state

from kwrap.supervisor import stdio
from support import PYTHON, Kwrap, child, wait_until

# What a caller may have set up: a umask, limits, a lower priority, an open file, signals ignored and blocked.
SETUP = """
import os, resource, signal, sys
os.umask(0o037)
os.nice(3)
resource.setrlimit(resource.RLIMIT_CORE, (0, 4096))
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.dup2(os.open("/dev/null", os.O_RDONLY), 7)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_the_command_inherits_everything_as_without_kwrap(kwrap: Kwrap) -> None:
    def seen(*command: str, environment: dict[str, str]) -> Any:
        done = subprocess.run(
            [PYTHON, "-c", SETUP, *command],
            cwd=kwrap.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=True,
        )
        return json.loads(done.stdout)

    # In the C locale Python would add an LC_CTYPE of its own.
    bare = {name: value for name, value in kwrap.environment.items() if not name.startswith(("LC_", "LANG"))}
    looking = child("looks_around.py")
    looking.insert(1, "-I")
    bare["PYTHONCOERCECLOCALE"] = "0"
    without = seen(*looking, environment=bare)
    del bare["PYTHONCOERCECLOCALE"]
    within = seen(*kwrap.arguments("run", "-q", "--", "env", "PYTHONCOERCECLOCALE=0", *looking), environment=bare)
    assert within["environment"].pop("KWRAP_EXPERIMENT") == kwrap.state_of_only().experiment.id
    assert within["environment"].pop("PYTHONUNBUFFERED") == "1"
    assert within == without


def test_a_command_whose_caller_ignores_its_children_still_ends_with_its_status(kwrap: Kwrap) -> None:
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])"
    )
    done = subprocess.run(
        [PYTHON, "-c", ignoring, *kwrap.arguments("run", "--", "sh", "-c", "exit 3")],
        cwd=kwrap.project,
        env=kwrap.environment,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert kwrap.state_of_only().outcomes[0].exit_status == 3


def test_what_only_the_command_was_given_ends_when_it_lets_go_of_it(kwrap: Kwrap) -> None:
    """Its standard input, and a descriptor beyond the standard ones: a lock, a job server, a `3>file`."""
    input_read, input_write = os.pipe()
    third_read, third_write = os.pipe()
    script = f"import os, time; os.close(0); os.close({third_write}); print('closed', flush=True); time.sleep(60)"
    process = kwrap.start([PYTHON, "-c", script], stdin=input_read, pass_fds=[third_write])
    os.close(input_read)
    os.close(third_write)
    assert process.stdout is not None
    assert process.stdout.readline() == b"closed\n"
    os.set_blocking(third_read, False)
    wait_until(lambda: _ended(third_read), limit_s=10, what="the end of the third descriptor")
    wait_until(lambda: _broken(input_write), limit_s=10, what="the end of standard input")
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.wait(30)


def _ended(read: int) -> bool:
    try:
        return os.read(read, 1) == b""
    except BlockingIOError:
        return False


def _broken(write: int) -> bool:
    try:
        os.write(write, b"x")
    except BrokenPipeError:
        return True
    return False


def test_what_reads_our_output_is_not_kept_waiting_by_a_daemon_that_holds_only_the_errors(kwrap: Kwrap) -> None:
    process = kwrap.start(["sh", "-c", "sleep 8 >/dev/null & echo hi"], "-q", stderr=subprocess.DEVNULL)
    began = time.monotonic()
    assert process.stdout is not None
    assert process.stdout.read() == b"hi\n"
    assert time.monotonic() - began < 6
    assert process.wait(30) == 0


def test_what_reads_our_output_is_not_kept_waiting_by_a_recorder_in_the_background(
    kwrap: Kwrap, tmp_path: Path
) -> None:
    held = hold_the_repository(kwrap, tmp_path)
    process = kwrap.start(["echo", "hi"], "--no-wait", "-q")
    assert process.stdout is not None
    assert process.stdout.read() == b"hi\n"
    assert process.wait(30) == 0
    assert kwrap.run_directories()
    held.unlink()
    wait_until(lambda: not kwrap.run_directories(), what="the record")


def test_processes_that_were_there_before_us_are_not_the_commands(kwrap: Kwrap) -> None:
    """A shell that becomes kwrap by `exec` leaves it its own children: a `>(tee log)`, a server in the background."""
    script = 'sleep 5 & echo $!; exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *kwrap.arguments("run", "--", "sh", "-c", "kill -TERM $PPID; exec sleep 60")],
        cwd=kwrap.project,
        env=kwrap.environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGTERM
    assert b"left running" not in done.stderr
    (outcome,) = kwrap.state_of_only().outcomes
    assert outcome.left_running == ()
    assert outcome.usage is not None
    assert outcome.usage.processes == 1
    os.kill(int(done.stdout), signal.SIGKILL)  # it is alive still


def test_a_socket_that_is_read_slowly_blocks_no_signal(kwrap: Kwrap) -> None:
    """Node starts its children on sockets, and sshd does: they cannot be opened anew as a pipe can."""
    ours, theirs = socket.socketpair()
    with ours:
        forever = "import os\nwhile True: os.write(1, b'x' * 100_000)"
        process = kwrap.start([PYTHON, "-c", forever], "-q", stdout=theirs)
        theirs.close()
        main = main_pid(kwrap)
        wait_until(lambda: state(main) == "S", what="the command's waiting for room")
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not alive(main), limit_s=10, what="the command's end")
        assert process.poll() is None, "what it had written waits for its reader"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM
    assert kwrap.state_of_only().outcomes[0].signal == signal.SIGTERM


def test_a_socket_is_given_every_byte(kwrap: Kwrap) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        process = kwrap.start([PYTHON, "-c", "import sys; sys.stdout.write('x' * 3_000_000)"], "-q", stdout=theirs)
        theirs.close()
        received = 0
        while data := ours.recv(1 << 14):
            assert data == b"x" * len(data)
            received += len(data)
        assert received == 3_000_000
        assert process.wait(30) == 0


def test_without_a_pseudo_terminal_to_be_had_there_are_pipes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> tuple[int, int]:
        raise OSError(28, "out of pty devices")

    monkeypatch.setattr(os, "openpty", refuse)
    made = stdio.prepare(True)
    assert not made.pty
    for descriptor in {made.child_stdout, made.child_stderr, *(source for source, _, _ in made.sources)}:
        os.close(descriptor)
