"""The bytes of one stream as whole lines, in blocks of as many as there are.

A line ends at a newline or at a carriage return, which redraws it. A longer line than the cap is let go while it comes
in, and counted: it costs no memory. Knows nothing of what lines say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

NEWLINE = b"\n"
RETURN = b"\r"
_RETURN_CODE = 13


class Block(NamedTuple):
    """Whole lines of one stream, each ended by a newline in `text`, which is as long as `raw`, the bytes themselves.

    `offset` and `number` are of the first line: where it begins in the whole output, and its number there. Where the
    stream's bytes were not in one piece, the block is one line, and `end_offset` says where it ended.
    """

    text: bytes
    raw: bytes
    offset: int
    number: int
    end_offset: int | None
    redrawn: bool

    def redraws(self, start: int) -> bool:
        """Whether the line that begins at `start` was drawn over the one before."""
        return self.raw[start - 1] == _RETURN_CODE if start else self.redrawn


class Lines:
    """One stream. What has no end yet is held back, at most `most_bytes` of it."""

    def __init__(self, most_bytes: int) -> None:
        self.skipped = 0
        self._most_bytes = most_bytes
        self._held = bytearray()
        self._held_offset = 0
        self._held_number = 0
        self._held_end = 0
        self._holding = False
        self._too_long = False
        self._after_return = False

    def feed(self, data: bytes, offset: int, number: int) -> Iterator[Block]:
        """The lines that end in `data`, which begins at byte `offset` of the whole output, on line `number` of it."""
        end = max(data.rfind(NEWLINE), data.rfind(RETURN)) + 1
        if not end:
            if data:
                self._hold(data, offset, number)
            return
        begin = 0
        if self._holding:
            begin = _first_end(data) + 1
            yield from self._held_line(data[:begin], offset)
        if begin < end:
            whole = data[begin:end]
            yield from self._blocks(whole, offset + begin, number + data.count(NEWLINE, 0, begin))
        self._after_return = data[end - 1] == _RETURN_CODE
        if end < len(data):
            self._hold(data[end:], offset + end, number + data.count(NEWLINE, 0, end))

    def finish(self) -> Iterator[Block]:
        """The last line, which no newline ended."""
        if self._holding:
            yield from self._held_line(NEWLINE, self._held_end)

    @property
    def unfinished(self) -> bool:
        """Whether a line has begun that has not ended."""
        return self._holding

    def _hold(self, data: bytes, offset: int, number: int) -> None:
        if not self._holding:
            self._holding, self._held_offset, self._held_number = True, offset, number
        self._held_end = offset + len(data)
        if self._too_long or len(self._held) + len(data) > self._most_bytes:
            self._too_long = True
            self._held = bytearray()
        else:
            self._held += data

    def _held_line(self, rest: bytes, offset: int) -> Iterator[Block]:
        """The line held back, with the rest of it, its end included."""
        raw = bytes(self._held) + rest
        if self._too_long or len(raw) - 1 > self._most_bytes:
            self.skipped += 1
        else:
            end = offset + len(rest) - 1 if len(rest) > 1 else self._held_end
            text = raw[:-1] + NEWLINE
            yield Block(text, raw, self._held_offset, self._held_number, end, self._after_return)
        self._after_return = raw.endswith(RETURN)
        self._held = bytearray()
        self._holding = self._too_long = False

    def _blocks(self, raw: bytes, offset: int, number: int) -> Iterator[Block]:
        """Whole lines that are in one piece, without those over the cap."""
        text = raw.replace(RETURN, NEWLINE) if RETURN in raw else raw
        start = position = 0
        while len(text) - position > self._most_bytes:
            end = text.rfind(NEWLINE, position, position + self._most_bytes + 1)
            if end < 0:
                end = text.find(NEWLINE, position)
                if start < position:
                    yield self._block(text, raw, start, position, offset, number)
                self.skipped += 1
                start = end + 1
            position = end + 1
        if start < len(text):
            yield self._block(text, raw, start, len(text), offset, number)

    def _block(self, text: bytes, raw: bytes, start: int, end: int, offset: int, number: int) -> Block:
        redrawn = raw[start - 1] == _RETURN_CODE if start else self._after_return
        whole = start == 0 and end == len(text)
        return Block(
            text if whole else text[start:end],
            raw if whole else raw[start:end],
            offset + start,
            number + raw.count(NEWLINE, 0, start),
            None,
            redrawn,
        )


def _first_end(data: bytes) -> int:
    ends = [end for end in (data.find(NEWLINE), data.find(RETURN)) if end >= 0]
    return min(ends)
