"""Which step and epoch a reading belongs to: its own, else the last one named before it, else a count of repetitions.

One instance belongs to one stream, so that how two streams interleave changes nothing.
"""

from __future__ import annotations

from kwrap.metrics.reading import Reading

# Names remembered to notice a repetition; a training prints a few.
_MOST_NAMES = 10_000


class Axes:
    """The axes of one stream. Before any is named, each repetition of a name is taken for the next step, from 0."""

    def __init__(self) -> None:
        self.step: int | None = None
        self.epoch: float | None = None
        self._repetition = 0
        self._seen: set[str] = set()

    def place(self, reading: Reading) -> tuple[int | None, float | None]:
        """The step and epoch of a reading, remembered for the readings to come. An epoch's first step is unknown."""
        if reading.epoch is not None:
            if reading.epoch != self.epoch:
                self.step = None
            self.epoch = reading.epoch
            if reading.step is not None:
                self.step = reading.step
            return reading.step if reading.values else self.step, self.epoch
        if reading.step is not None:
            self.step = reading.step
            return self.step, self.epoch
        if self.step is not None or self.epoch is not None:
            return self.step, self.epoch
        return self._repeated(reading), None

    def _repeated(self, reading: Reading) -> int:
        names = [value.name for value in reading.values]
        if not self._seen.isdisjoint(names):
            self._repetition += 1
            self._seen.clear()
        if len(self._seen) < _MOST_NAMES:
            self._seen.update(names)
        return self._repetition
