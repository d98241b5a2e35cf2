"""Output and metric points on their way to the repository: in closed segments, few, each written once.

A segment is closed after three seconds at first, and ever more rarely as the run grows old: a run of ten days leaves a
few hundred. Where segments end depends on time; what they hold together does not.
"""

from __future__ import annotations

import os
import threading

from kwrap.recorder.follow import index_between
from kwrap.records import MetricPoint
from kwrap.repository.repository import Repository
from kwrap.rundir import RunDirectory

_FIRST_S = 3.0
_SHARE_OF_AGE = 0.02
_SEGMENT_BYTES = 8 << 20
_SEGMENT_POINTS = 100_000
# Points that wait in memory (about 70 MB) while the repository takes none; later ones are extracted again then.
_WAITING_POINTS = 200_000


class Segments:
    """What of one run's output and points the repository has, and what is still to come.

    One thread adds while another sends.
    """

    def __init__(self, run_directory: RunDirectory, experiment: str, run: str) -> None:
        self._run_directory = run_directory
        self._experiment = experiment
        self._run = run
        self._next_s = _FIRST_S
        self._lock = threading.Lock()
        self._points: list[MetricPoint] = []
        self._first_point = 0
        self._output_sent: int | None = None
        self._points_sent: int | None = None
        self.points = 0

    def add(self, points: list[MetricPoint]) -> None:
        """Points in the order of the run; after a restart from the first, those that are stored are passed over.

        Once too many wait, those that come are not kept, and the record is not `complete` until another recorder has
        extracted them again.
        """
        with self._lock:
            without_gap = self._first_point + len(self._points) == self.points
            self.points += len(points)
            if without_gap and len(self._points) < _WAITING_POINTS:
                self._points += points

    def due(self, age_s: float) -> bool:
        return age_s >= self._next_s or len(self._points) >= _SEGMENT_POINTS

    def send(self, repository: Repository, output_end: int, age_s: float) -> None:
        """Store what has come up to `output_end`. Raises StorageError; nothing is forgotten then."""
        self._send_output(repository, output_end)
        self._send_points(repository)
        self._next_s = age_s + max(_FIRST_S, age_s * _SHARE_OF_AGE)

    def complete(self, repository: Repository) -> bool:
        """Whether the repository itself says that it has everything."""
        end = _size(self._run_directory.output)
        has_output = repository.output_end(self._experiment, self._run) >= end
        return has_output and repository.metrics_end(self._experiment, self._run) >= self.points

    def _send_output(self, repository: Repository, output_end: int) -> None:
        if self._output_sent is None:
            self._output_sent = repository.output_end(self._experiment, self._run)
        while self._output_sent < output_end:
            start = self._output_sent
            end = min(output_end, start + _SEGMENT_BYTES)
            with open(self._run_directory.output, "rb") as file:
                data = os.pread(file.fileno(), end - start, start)
            index = index_between(self._run_directory, start, end)
            self._output_sent = repository.write_output_segment(self._experiment, self._run, start, data, index)

    def _send_points(self, repository: Repository) -> None:
        if self._points_sent is None:
            self._points_sent = repository.metrics_end(self._experiment, self._run)
        self._drop_sent(self._points_sent)
        while True:
            with self._lock:
                first, batch = self._first_point, self._points[:_SEGMENT_POINTS]
            if not batch:
                return
            self._points_sent = repository.write_metrics_segment(self._experiment, self._run, first, batch)
            self._drop_sent(self._points_sent)

    def _drop_sent(self, sent: int) -> None:
        """Forget the points below number `sent`, however many of them are here."""
        with self._lock:
            known = min(max(0, sent - self._first_point), len(self._points))
            del self._points[:known]
            self._first_point += known


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
