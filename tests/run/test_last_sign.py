"""Of a run whose end nobody saw: when it was last known to live."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from live import alive, event, main_pid

from kwrap import processes
from kwrap.clock import from_rfc3339
from kwrap.records import Reason
from support import Kwrap, child, wait_until

# Signs of life that are no output come every ten seconds, and recovering may happen any time later.
SIGNS_S = 15.0


def test_a_run_that_was_killed_with_kwrap_ended_at_its_last_sign_of_life(kwrap: Kwrap) -> None:
    process = kwrap.start(child("prints_metrics.py", 1000, 0.05))
    main = main_pid(kwrap)
    wait_until(lambda: b"epoch 20/" in printed(kwrap), what="a second of output")
    tree = [process.pid, main, *processes.descendants(process.pid, without=frozenset([main]))]
    for pid in tree:
        os.kill(pid, signal.SIGKILL)
    killed_s = time.time()
    process.communicate()
    wait_until(lambda: not any(map(alive, tree)), what="everybody's end")
    spawned = event(kwrap, "spawned")
    assert spawned is not None
    # A recorder that cannot complete the record shows no life of the command.
    repository = kwrap.project / ".kwrap"
    repository.rename(kwrap.project / "away")
    repository.touch()
    assert kwrap("sync").returncode == 1
    wait_until(lambda: time.time() > killed_s + 2, what="some time later")
    repository.unlink()
    (kwrap.project / "away").rename(repository)
    kwrap("sync", check=True)
    (outcome,) = kwrap.state_of_only().outcomes
    assert outcome.reason is Reason.LOST
    assert outcome.ended_at is not None
    assert outcome.duration_s is not None
    ended_s = from_rfc3339(outcome.ended_at) / 1e9
    assert killed_s - SIGNS_S < ended_s < killed_s + 1
    assert outcome.duration_s == pytest.approx(ended_s - spawned["wall_ns"] / 1e9, abs=0.01)


def test_a_command_that_outlived_kwrap_ended_when_it_was_gone(kwrap: Kwrap) -> None:
    process = kwrap.start(["sh", "-c", "echo begin; sleep 5"], stdout=subprocess.DEVNULL)
    main = main_pid(kwrap)
    wait_until(lambda: list(kwrap.project.glob(".kwrap/log/*/*")), what="the recorder's beginning")
    process.kill()
    process.communicate()
    wait_until(lambda: not alive(main), what="the command's end")
    gone_s = time.time()
    wait_until(lambda: not kwrap.run_directories(), what="the record")
    (outcome,) = kwrap.state_of_only().outcomes
    assert outcome.ended_at is not None
    assert abs(from_rfc3339(outcome.ended_at) / 1e9 - gone_s) < SIGNS_S
    assert outcome.duration_s is not None
    assert outcome.duration_s > 4.5


def printed(kwrap: Kwrap) -> bytes:
    places = [directory / "output.log" for directory in kwrap.run_directories()]
    return b"".join(place.read_bytes() for place in places if place.exists())
