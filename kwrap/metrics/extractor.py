"""The output of a program in, its metric points out: the one door to the recognisers.

Pure: the points depend on the bytes of each stream alone, however they are cut into pieces. Memory is bounded by the
line cap and the piece fed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kwrap.metrics.json_lines import JsonLines
from kwrap.metrics.key_value import KeyValue
from kwrap.metrics.lines import NEWLINE, Lines
from kwrap.metrics.reading import Recogniser
from kwrap.metrics.stream import StreamReader
from kwrap.metrics.user_patterns import UserPatterns
from kwrap.records import MetricPoint

MOST_LINE_BYTES = 65_536


def recognisers() -> list[Recogniser]:
    """The automatic recognisers, new for one stream, in the order in which they look at a line."""
    return [JsonLines(), KeyValue()]


class Extractor:
    """Reads one output, of up to two streams, from its first byte to its last.

    `patterns` are a user's regular expressions (see `user_patterns`); a wrong one raises UsageError. Without
    `automatic` they alone are used. Lines longer than `max_line_bytes` are skipped and counted.
    """

    def __init__(
        self,
        *,
        patterns: Sequence[str] = (),
        automatic: bool = True,
        max_line_bytes: int = MOST_LINE_BYTES,
        layouts: bool = True,
    ) -> None:
        self._patterns = UserPatterns(patterns)
        self._automatic = automatic
        self._max_line_bytes = max_line_bytes
        self._layouts = layouts
        self._streams: dict[int, tuple[Lines, StreamReader]] = {}
        self.lines = 0

    def feed(self, data: bytes, offset: int, stream: int = 1) -> list[MetricPoint]:
        """The points of the lines that end in `data`, which begins at byte `offset` of the whole output."""
        lines, reader = self._stream(stream)
        points: list[MetricPoint] = []
        for block in lines.feed(data, offset, self.lines + 1):
            points += reader.read(block)
        self.lines += data.count(NEWLINE)
        return points

    def finish(self) -> list[MetricPoint]:
        """The points of what was printed without a newline at the end."""
        points: list[MetricPoint] = []
        unfinished = False
        for lines, reader in self._streams.values():
            unfinished = unfinished or lines.unfinished
            for block in lines.finish():
                points += reader.read(block)
        self.lines += unfinished
        return points

    @property
    def skipped_lines(self) -> int:
        """Lines over the cap."""
        return sum(lines.skipped for lines, _ in self._streams.values())

    @property
    def switched_off(self) -> Iterator[str]:
        """The user's patterns that took too long and are no longer looked for."""
        return self._patterns.switched_off

    def warnings(self) -> dict[str, int]:
        """What was not looked at, by reason, for the run's outcome."""
        counts = {
            "metric_line_too_long": self.skipped_lines,
            "metric_pattern_switched_off": len(list(self.switched_off)),
        }
        return {reason: count for reason, count in counts.items() if count}

    def _stream(self, stream: int) -> tuple[Lines, StreamReader]:
        known = self._streams.get(stream)
        if known is None:
            found = recognisers() if self._automatic else []
            reader = StreamReader(found, self._patterns, layouts=self._layouts)
            known = self._streams[stream] = (Lines(self._max_line_bytes), reader)
        return known
