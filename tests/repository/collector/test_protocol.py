"""The collector's protocol: the model holds, and nothing of it can be left out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from machine import PIECES, ModelWorld, ProtocolMachine, World
from model import VARIANTS

SETTINGS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
ALL = frozenset(range(PIECES))


def test_what_is_committed_can_always_be_restored() -> None:
    class Machine(ProtocolMachine):
        def make_world(self) -> World:
            return ModelWorld()

    run_state_machine_as_test(Machine, settings=settings(SETTINGS, max_examples=500, stateful_step_count=20))


# What happens, in an order that only what was left out would have made harmless. Everything is condemned at first.


def _looked_before_it_was_condemned(machine: ProtocolMachine) -> None:
    """A writer found all it needs and no list, and is held up; it commits before what it needs is deleted."""
    machine.writer_begins(ALL, 0, "commit")
    machine.is_collected((0, 61), "end")
    machine.goes_on(0, 1)
    machine.is_collected((16,), "end")


def _found_before_it_was_deleted(machine: ProtocolMachine) -> None:
    """A writer found all it needs, and was slow with something else until a collection was over."""
    machine.writer_begins(ALL, 0, 5)
    machine.is_collected((0, 61, 16), "end")
    machine.goes_on(0, "end")


def _held_up_for_an_hour(machine: ProtocolMachine) -> None:
    machine.writer_begins(ALL, 0, "commit")
    machine.is_collected((0, 61), "end")
    machine.goes_on(0, 1)


def _held_up_once_all_was_stored_again(machine: ProtocolMachine) -> None:
    machine.is_collected((0,), "end")
    machine.time_passes(60)
    machine.writer_begins(ALL, 0, "commit")
    machine.is_collected((1, 16), "end")
    machine.goes_on(0, 1)


def _stored_while_it_is_deleted(machine: ProtocolMachine) -> None:
    """The collector has looked at an object, and is about to delete it."""
    machine.is_collected((0, 61), "end")
    machine.is_collected((16,), "delete")
    machine.writer_begins(ALL, 0, "end")
    machine.goes_on(0, "end")


SCHEDULES: dict[str, Callable[[ProtocolMachine], None]] = {
    "no second mark": _looked_before_it_was_condemned,
    "no storing again": _found_before_it_was_deleted,
    "no sweep wait": _held_up_for_an_hour,
    "no look at the time of modification": _held_up_once_all_was_stored_again,
    "no stepping back": _stored_while_it_is_deleted,
    "no memory of what was done meanwhile": _found_before_it_was_deleted,
}


def damaged_after(world: World, schedule: Callable[[ProtocolMachine], None]) -> set[int]:
    """Checkpoints that cannot be restored after all that."""

    class Machine(ProtocolMachine):
        def make_world(self) -> World:
            return world

    machine = Machine()
    machine.begin()
    schedule(machine)
    found = world.damaged()
    world.close()
    return found


@pytest.mark.parametrize("without", VARIANTS)
def test_nothing_of_it_can_be_left_out(without: str) -> None:
    assert damaged_after(ModelWorld((without,)), SCHEDULES[without])
    assert not damaged_after(ModelWorld(), SCHEDULES[without])
