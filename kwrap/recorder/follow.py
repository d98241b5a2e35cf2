"""The child's output, read from the run directory as it grows: which bytes, when, on which stream."""

from __future__ import annotations

import os
from typing import NamedTuple

from kwrap.rundir import INDEX_RECORD, RunDirectory

_BATCH_BYTES = 1 << 20
_BATCH_RECORDS = 1 << 16


class Piece(NamedTuple):
    """Consecutive bytes of one stream: from `offset` of the whole output, printed `at_ns` after the start."""

    offset: int
    at_ns: int
    stream: int
    data: bytes


class OutputFollower:
    """Reads a run's output from its beginning, in order; each call of `read` gives what has come since the last."""

    def __init__(self, run_directory: RunDirectory) -> None:
        self._run_directory = run_directory
        self._output: int | None = None
        self._index: int | None = None
        self._index_position = 0
        self._current: tuple[int, int, int] | None = None
        self.position = 0

    def read(self) -> list[Piece]:
        """At most about a megabyte, in pieces; an empty list when there is nothing new."""
        if not self._open():
            return []
        assert self._output is not None
        end = min(os.fstat(self._output).st_size, self.position + _BATCH_BYTES)
        if end <= self.position:
            return []
        records = self._records(end)
        data = os.pread(self._output, end - self.position, self.position)
        return self._cut(records, data)

    def skip(self) -> bool:
        """Go to the end without reading. Returns whether it had moved on."""
        end = os.fstat(self._output).st_size if self._open() and self._output is not None else 0
        moved, self.position = end > self.position, max(end, self.position)
        return moved

    def close(self) -> None:
        for descriptor in (self._output, self._index):
            if descriptor is not None:
                os.close(descriptor)
        self._output = self._index = None

    def _open(self) -> bool:
        if self._output is None:
            try:
                self._output = os.open(self._run_directory.output, os.O_RDONLY)
                self._index = os.open(self._run_directory.index, os.O_RDONLY)
            except OSError:
                self.close()
                return False
        return True

    def _records(self, end: int) -> list[tuple[int, int, int]]:
        """The index record that the position lies in, and those that begin before `end`.

        A power cut may leave zeros where records were: what cannot follow is passed over.
        """
        assert self._index is not None
        records = [self._current] if self._current else []
        last = records[-1][0] if records else 0
        raw = os.pread(self._index, INDEX_RECORD.size * _BATCH_RECORDS, self._index_position)
        for start in range(0, len(raw) - INDEX_RECORD.size + 1, INDEX_RECORD.size):
            record = INDEX_RECORD.unpack_from(raw, start)
            if record[0] >= end:
                break
            self._index_position += INDEX_RECORD.size
            if record[0] >= last and record[2] in (1, 2):
                records.append(record)
                last = record[0]
        return records if records and records[0][0] <= self.position else [(0, 0, 1), *records]

    def _cut(self, records: list[tuple[int, int, int]], data: bytes) -> list[Piece]:
        pieces = []
        base, end = self.position, self.position + len(data)
        for number, (offset, at_ns, stream) in enumerate(records):
            following = records[number + 1][0] if number + 1 < len(records) else end
            start, stop = max(offset, base), min(following, end)
            if start < stop:
                pieces.append(Piece(start, at_ns, stream, data[start - base : stop - base]))
        self._current = records[-1]
        self.position = end
        return pieces


def index_between(run_directory: RunDirectory, start: int, end: int) -> bytes:
    """The index records of the bytes [start, end), as they are packed; the first may begin before `start`."""
    try:
        with open(run_directory.index, "rb") as file:
            size = os.fstat(file.fileno()).st_size // INDEX_RECORD.size
            first = max(0, _last_at_or_before(file.fileno(), size, start))
            after = max(first, _last_at_or_before(file.fileno(), size, end - 1)) + 1
            return os.pread(file.fileno(), (after - first) * INDEX_RECORD.size, first * INDEX_RECORD.size)
    except OSError:
        return b""


def _last_at_or_before(descriptor: int, size: int, offset: int) -> int:
    """The number of the last record that begins at or before an offset, by bisection; -1 when there is none."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        begins: int = INDEX_RECORD.unpack(os.pread(descriptor, INDEX_RECORD.size, middle * INDEX_RECORD.size))[0]
        if begins <= offset:
            low = middle + 1
        else:
            high = middle
    return low - 1
