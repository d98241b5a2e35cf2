"""How long something took, also where the machine slept or its clock was set meanwhile."""

from __future__ import annotations

from kwrap.clock import SYSTEM, Clock


class Stopwatch:
    """Runs from when it is made. It may tell too much, when the wall clock was set forward, but not too little.

    A monotonic clock stands still while a machine sleeps, and the wall clock does not.
    """

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._monotonic_ns = clock.monotonic_ns()
        self._wall_ns = clock.wall_ns()

    def elapsed_ns(self) -> int:
        return max(self._clock.monotonic_ns() - self._monotonic_ns, self._clock.wall_ns() - self._wall_ns)
