"""Output is carried unharmed: every byte, in order, to where it went, and into the record."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
from pathlib import Path

import pytest

from kwrap import processes
from support import PYTHON, Kwrap, child


def test_stdout_and_stderr_go_where_they_went_and_are_told_apart_in_the_record(kwrap: Kwrap) -> None:
    script = "import sys; print('out'); sys.stdout.flush(); print('err', file=sys.stderr)"
    done = kwrap.run([PYTHON, "-c", script], "-q")
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")
    state = kwrap.state_of_only()
    assert (kwrap.output(state, 1), kwrap.output(state, 2)) == (b"out\n", b"err\n")


def test_one_place_for_both_streams_keeps_their_order(kwrap: Kwrap) -> None:
    script = "import os\nfor n in range(2000): os.write(1 + n % 2, b'%d\\n' % n)\n"
    done = kwrap.run([PYTHON, "-c", script], "-q", stderr=subprocess.STDOUT)
    expected = b"".join(b"%d\n" % number for number in range(2000))
    assert done.stdout == expected
    assert kwrap.output(kwrap.state_of_only()) == expected


def test_invalid_utf8_nul_ansi_and_progress_bars_come_through_byte_for_byte(kwrap: Kwrap) -> None:
    bare = subprocess.run(child("prints_bytes.py"), capture_output=True, check=True)
    assert all(odd in bare.stdout for odd in (b"\0", b"\r", b"\x1b"))
    done = kwrap.run(child("prints_bytes.py"), "-q")
    assert (done.stdout, done.stderr) == (bare.stdout, bare.stderr)
    state = kwrap.state_of_only()
    assert (kwrap.output(state, 1), kwrap.output(state, 2)) == (bare.stdout, bare.stderr)


def test_random_bytes_of_random_sizes_come_through_byte_for_byte(kwrap: Kwrap) -> None:
    script = (
        "import os, random\n"
        "r = random.Random(5)\n"
        "for _ in range(400):\n"
        "    data = r.randbytes(r.choice([1, 10, 5000, 70000]))\n"
        "    while data: data = data[os.write(1, data):]\n"
    )
    maker = random.Random(5)
    expected = b"".join(maker.randbytes(maker.choice([1, 10, 5000, 70000])) for _ in range(400))
    done = kwrap.run([PYTHON, "-c", script])
    assert done.stdout == expected
    assert kwrap.output(kwrap.state_of_only()) == expected


def test_a_hundred_megabytes_without_a_newline_take_constant_memory(kwrap: Kwrap) -> None:
    """The most that any of kwrap's own processes, the supervisor and the recorder, ever had in memory."""
    digest = hashlib.sha256()
    peaks: dict[int, int] = {}
    process = kwrap.start(child("no_newline.py", 100_000_000), "-q")
    assert process.stdout is not None
    while data := process.stdout.read(1 << 20):
        digest.update(data)
        watch_memory(process.pid, peaks)
    while process.poll() is None:
        watch_memory(process.pid, peaks)
    assert process.returncode == 0
    assert len(peaks) >= 2
    assert max(peaks.values()) < 100_000, "kilobytes"
    recorded = hashlib.sha256(kwrap.output(kwrap.state_of_only()))
    assert recorded.hexdigest() == digest.hexdigest()


def watch_memory(supervisor: int, peaks: dict[int, int]) -> None:
    """The peak resident size of a supervisor and its descendants, by pid, in kilobytes.

    From /proc and not from `wait4`: that counts what the process that forked them had in memory.
    """
    for pid in (supervisor, *processes.descendants(supervisor)):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        _, found, rest = status.partition("VmHWM:")
        if found:
            peaks[pid] = int(rest.split()[0])


def test_a_reader_that_leaves_early_does_not_end_the_command_or_its_log(kwrap: Kwrap) -> None:
    script = "import time\nfor n in range(5): print(n, flush=True); time.sleep(0.1)"
    process = kwrap.start([PYTHON, "-c", script], "-q")
    assert process.stdout is not None
    assert process.stdout.readline() == b"0\n"
    process.stdout.close()
    assert process.wait(30) == 0
    assert kwrap.output(kwrap.state_of_only()) == b"0\n1\n2\n3\n4\n"


def test_a_slow_reader_slows_the_command_and_loses_nothing(kwrap: Kwrap) -> None:
    script = "import sys; sys.stdout.write('x' * 5_000_000)"
    process = kwrap.start([PYTHON, "-c", script], "-q")
    assert process.stdout is not None
    received = 0
    while data := os.read(process.stdout.fileno(), 8192):
        received += len(data)
    assert received == 5_000_000
    assert process.wait(30) == 0


def test_python_is_told_not_to_buffer_when_its_output_goes_to_a_pipe(kwrap: Kwrap) -> None:
    script = "import os; print(os.environ.get('PYTHONUNBUFFERED'))"
    assert kwrap.run([PYTHON, "-c", script]).stdout == b"1\n"
    assert kwrap.run([PYTHON, "-c", script], "--no-unbuffer").stdout == b"None\n"
    assert sorted(state.runs[0].unbuffered for state in kwrap.states()) == [False, True]


def test_standard_descriptors_that_are_closed_do_no_harm(kwrap: Kwrap) -> None:
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *kwrap.arguments("run", "--", "echo", "hello")]
    done = subprocess.run(command, cwd=kwrap.project, env=kwrap.environment, timeout=60, check=False)
    assert done.returncode == 0
    assert kwrap.output(kwrap.state_of_only()) == b"hello\n"


def test_standard_input_reaches_the_command(kwrap: Kwrap) -> None:
    done = kwrap("run", "--", "cat", stdin=None, input=b"typed\n")
    assert done.stdout == b"typed\n"


def test_a_full_disk_under_the_log_neither_blocks_nor_fails_the_command(kwrap: Kwrap, small_disk: Path) -> None:
    """The run directory is on a disk of two megabytes, the command prints five."""
    kwrap.environment["KWRAP_STATE_DIRECTORY"] = str(small_disk / "state")
    kwrap.state = small_disk / "state"
    script = "import sys\nfor _ in range(500): sys.stdout.write('y' * 10_000)\n"
    done = kwrap.run([PYTHON, "-c", script], "--no-snapshot")
    assert done.returncode == 0
    assert len(done.stdout) == 5_000_000
    assert b"not in the record" in done.stderr
    (outcome,) = kwrap.state_of_only().outcomes
    assert outcome.output_lost_bytes > 2_500_000
    assert outcome.output_bytes + outcome.output_lost_bytes == 5_000_000
    assert outcome.warnings["output_lost"] == 1
    assert len(kwrap.output(kwrap.state_of_only())) == outcome.output_bytes


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small tmpfs: root only")
def test_a_disk_that_is_full_from_the_start_lets_the_command_run(kwrap: Kwrap, small_disk: Path) -> None:
    kwrap.environment["KWRAP_STATE_DIRECTORY"] = str(small_disk / "state")
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        try:
            while True:
                file.write(b"z" * 65536)
                file.flush()
        except OSError:
            pass
    done = kwrap.run([PYTHON, "-c", "print('ran')"])
    assert (done.returncode, done.stdout) == (0, b"ran\n")
    assert b"kwrap: " in done.stderr


def test_a_state_directory_that_cannot_be_made_costs_one_warning(kwrap: Kwrap) -> None:
    blocker = kwrap.project.parent / "blocker"
    blocker.write_text("a file where a directory should be")
    kwrap.environment["KWRAP_STATE_DIRECTORY"] = str(blocker / "state")
    done = kwrap.run([PYTHON, "-c", "print('ran')"])
    assert (done.returncode, done.stdout) == (0, b"ran\n")
    assert done.stderr.count(b"kwrap: ") == 1
    assert b"nothing can be recorded" in done.stderr
