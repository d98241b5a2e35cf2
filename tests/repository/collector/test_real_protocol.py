"""The machine of `test_protocol.py` with real writers and collectors: in memory, in a directory and in a bucket."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from machine import ProtocolMachine, World
from servers import Server
from stepping import RealWorld
from test_protocol import ALL, SCHEDULES, SETTINGS, damaged_after

from kwrap.repository import layout
from kwrap.repository.collector.collect import Pace
from kwrap.storage.disk import DiskStorage
from kwrap.storage.memory import MemoryStorage
from kwrap.storage.open import open_storage


def test_it_holds_in_memory() -> None:
    class Machine(ProtocolMachine):
        def make_world(self) -> World:
            return RealWorld(MemoryStorage())

    run_state_machine_as_test(Machine, settings=settings(SETTINGS, max_examples=100, stateful_step_count=25))


def test_a_real_collector_that_does_not_wait_is_found_out() -> None:
    def schedule(machine: ProtocolMachine) -> None:
        machine.writer_begins(ALL, 0, "commit")
        machine.is_collected((0, 61, 0), "end")
        machine.goes_on(0, 1)

    assert damaged_after(RealWorld(MemoryStorage(), Pace(sweep_ns=0)), schedule)
    assert not damaged_after(RealWorld(MemoryStorage()), schedule)


@pytest.mark.parametrize("without", SCHEDULES)
def test_what_breaks_lesser_protocols_does_not_break_the_real_one(without: str) -> None:
    assert not damaged_after(RealWorld(MemoryStorage()), SCHEDULES[without])


def test_a_collection_frees_everything_that_is_not_named() -> None:
    def schedule(machine: ProtocolMachine) -> None:
        assert names(world, layout.BLOBS) and names(world, layout.TREES)
        machine.is_collected((0, 61, 16), "end")

    world = RealWorld(MemoryStorage())
    assert not damaged_after(world, schedule)
    assert not names(world, layout.BLOBS) and not names(world, layout.TREES)


def names(world: RealWorld, prefix: str) -> list[str]:
    return [stored.name for stored in world.storage.list(prefix)]


def test_it_holds_in_a_directory(tmp_path: Path) -> None:
    class Machine(ProtocolMachine):
        def make_world(self) -> World:
            self.place = tempfile.mkdtemp(dir=tmp_path)
            return RealWorld(DiskStorage(self.place))

        def teardown(self) -> None:
            super().teardown()
            shutil.rmtree(self.place, ignore_errors=True)

    run_state_machine_as_test(Machine, settings=settings(SETTINGS, max_examples=25, stateful_step_count=20))


def test_it_holds_in_a_bucket(s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.enter(monkeypatch)

    class Machine(ProtocolMachine):
        def make_world(self) -> World:
            return RealWorld(open_storage(s3.fresh_url(), base="."))

    run_state_machine_as_test(Machine, settings=settings(SETTINGS, max_examples=6, stateful_step_count=15))
