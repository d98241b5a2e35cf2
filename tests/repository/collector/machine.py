"""Writers, removals and collectors, interleaved in every way that hypothesis thinks of; the same for the model and for
the real code.

What holds after every step: each checkpoint that is committed and not removed can be restored.
"""

from __future__ import annotations

from typing import Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from model import DAY, HOUR, MINUTE, Model, Steps

# Between its last look and its commit a writer may be held up for so long; a collector about to delete, for longer.
HELD_UP_AT_COMMIT, HELD_UP_AT_DELETION = 70 * MINUTE, 11 * HOUR
PIECES = 3
FAR = st.sampled_from([1, 2, 3, 5, 8, "commit", "delete", "revoke", "end"])


class World(Protocol):
    """Where it all happens. An actor is known by a number."""

    now: int

    def begin_writer(self, number: int, pieces: frozenset[int], skew_ns: int) -> None: ...
    def begin_collector(self, number: int) -> None: ...
    def step(self, number: int) -> str | None:
        """Take the step the actor stands before; what it stands before then, None when it is over."""

    def crash(self, number: int, *, seen: bool) -> None:
        """`seen`: others can tell at once that it is gone."""

    def committed(self) -> set[int]: ...
    def remove(self, number: int) -> None: ...
    def damaged(self) -> set[int]: ...
    def close(self) -> None: ...


class ModelWorld:
    """The model, as a world."""

    def __init__(self, without: tuple[str, ...] = ()) -> None:
        self._model = Model(without)
        self._actors: dict[int, Steps] = {}

    @property
    def now(self) -> int:
        return self._model.now

    @now.setter
    def now(self, value: int) -> None:
        self._model.now = value

    def begin_writer(self, number: int, pieces: frozenset[int], skew_ns: int) -> None:
        self._actors[number] = self._model.write(number, pieces)

    def begin_collector(self, number: int) -> None:
        self._actors[number] = self._model.collect(number)

    def step(self, number: int) -> str | None:
        return next(self._actors[number], None)

    def crash(self, number: int, *, seen: bool) -> None:
        self._actors.pop(number).close()
        if seen:
            self._model.dead.add(number)

    def committed(self) -> set[int]:
        return self._model.committed.keys() - self._model.removed

    def remove(self, number: int) -> None:
        self._model.removed.add(number)

    def damaged(self) -> set[int]:
        return self._model.damaged()

    def close(self) -> None:
        pass


class ProtocolMachine(RuleBasedStateMachine):
    """The machine; a subclass says which world."""

    def make_world(self) -> World:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.world = self.make_world()
        self.count = 0
        self.at: dict[int, tuple[str, int]] = {}  # actors under way: before what they stand, and since when
        self.writers: dict[int, frozenset[int]] = {}
        self.crashed: list[int] = []
        # There is something to collect from the start: a checkpoint, old and removed.
        self.start_writer(frozenset(range(PIECES)), 0)
        self.walk(0, "end")
        self.world.remove(0)
        self.world.now += 2 * DAY

    def start_writer(self, pieces: frozenset[int], skew_ns: int) -> int:
        number, self.count = self.count, self.count + 1
        self.writers[number] = pieces
        self.at[number] = ("begin", self.world.now)
        self.world.begin_writer(number, pieces, skew_ns)
        return number

    def step(self, number: int) -> bool:
        before = self.world.step(number)
        if before is None:
            del self.at[number]
            return False
        self.at[number] = (before, self.world.now)
        return True

    @precondition(lambda self: len(self.at) < 4)
    @rule(
        pieces=st.frozensets(st.integers(0, PIECES - 1), min_size=1),
        skew=st.sampled_from([-3 * DAY, 0, 5 * HOUR]),
        far=FAR,
    )
    def writer_begins(self, pieces: frozenset[int], skew: int, far: int | str) -> None:
        self.walk(self.start_writer(pieces, skew), far)

    @precondition(lambda self: self.at)
    @rule(pick=st.integers(0, 3), far=FAR)
    def goes_on(self, pick: int, far: int | str) -> None:
        self.walk(sorted(self.at)[pick % len(self.at)], far)

    @rule(
        pauses=st.sampled_from([(0,), (16,), (61,), (0, 61), (61, 16), (0, 61, 16), (61, 16, 0), (0, 61, 0)]),
        far=st.sampled_from([3, 9, "delete", "end"]),
    )
    def is_collected(self, pauses: tuple[int, ...], far: int | str) -> None:
        """Collectors, one after the other, after so many minutes each; the last of them goes so far."""
        for place, pause in enumerate(pauses):
            self.time_passes(pause)
            if len(self.at) > 4:
                return
            number, self.count = self.count, self.count + 1
            self.at[number] = ("begin", self.world.now)
            self.world.begin_collector(number)
            self.walk(number, far if place == len(pauses) - 1 else "end")

    def walk(self, number: int, far: int | str) -> None:
        """So many steps, to a commit or deletion, or to the end."""
        steps = 0
        while steps != far and self.step(number) and self.at[number][0] != far:
            steps += 1

    @precondition(lambda self: self.at)
    @rule(pick=st.integers(0, 3), seen=st.booleans())
    def crashes(self, pick: int, seen: bool) -> None:
        number = sorted(self.at)[pick % len(self.at)]
        del self.at[number]
        self.world.crash(number, seen=seen)
        if number in self.writers:
            self.crashed.append(number)

    @precondition(lambda self: self.crashed)
    @rule(pick=st.integers(0, 3), far=FAR)
    def is_begun_again(self, pick: int, far: int | str) -> None:
        number = self.crashed.pop(pick % len(self.crashed))
        self.at[number] = ("begin", self.world.now)
        self.world.begin_writer(number, self.writers[number], 0)
        self.walk(number, far)

    @precondition(lambda self: self.world.committed())
    @rule(pick=st.integers(0, 10))
    def is_removed(self, pick: int) -> None:
        committed = sorted(self.world.committed() - self.at.keys())
        if committed:
            self.world.remove(committed[pick % len(committed)])

    @rule(minutes=st.sampled_from([9, 16, 30, 61, 26 * 60]))
    def time_passes(self, minutes: int) -> None:
        """Whoever cannot have been held up for so long goes on first."""
        until = self.world.now + minutes * MINUTE
        limits = {"commit": HELD_UP_AT_COMMIT, "delete": HELD_UP_AT_DELETION}
        for number, (before, since) in sorted(self.at.items()):
            while number in self.at and until - since > limits.get(before, until):
                self.step(number)
                before, since = self.at.get(number, ("", until))
        self.world.now = until

    @invariant()
    def what_is_committed_can_be_restored(self) -> None:
        assert not self.world.damaged()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()
