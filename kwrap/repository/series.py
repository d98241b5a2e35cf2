"""A run's output and metrics in a repository: closed segments, written once, named by what they begin at.

A recorder may be killed at any instant and another take its place, even while the first still writes. So a segment that
is there already counts as it is, and whoever writes goes on where it ends; readers go by what the segments say, pass
over what they have had, and over what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kwrap.errors import AlreadyExists
from kwrap.records import MetricPoint
from kwrap.repository import layout, segments
from kwrap.repository.segments import OutputChunk, OutputSegment
from kwrap.storage.base import Storage


def write_output(storage: Storage, experiment_id: str, run_id: str, start: int, data: bytes, index: bytes) -> int:
    """Where the segment that begins at `start` ends, whoever wrote it. Nothing is no segment."""
    if not data:
        return start
    name = layout.output_segment(experiment_id, run_id, start)
    try:
        storage.create(name, segments.encode_output(start, data, index))
    except AlreadyExists:
        return _output_extent(storage, name)[1]
    return start + len(data)


def write_metrics(
    storage: Storage, experiment_id: str, run_id: str, first_point: int, points: Sequence[MetricPoint]
) -> int:
    """The number of the point after the segment that begins at `first_point`, whoever wrote it."""
    if not points:
        return first_point
    name = layout.metrics_segment(experiment_id, run_id, first_point)
    try:
        storage.create(name, segments.encode_metrics(points))
    except AlreadyExists:
        return first_point + _count(storage, name)
    return first_point + len(points)


def output_end(storage: Storage, experiment_id: str, run_id: str) -> int:
    """Up to which byte there is no gap."""
    covered = 0
    for name in _output_names(storage, experiment_id, run_id):
        start, end = _output_extent(storage, name)
        if start > covered:
            break
        covered = max(covered, end)
    return covered


def metrics_end(storage: Storage, experiment_id: str, run_id: str) -> int:
    """Up to which point there is no gap."""
    covered = 0
    for name in _metrics_names(storage, experiment_id, run_id):
        first = layout.segment_number(name)
        if first > covered:
            break
        covered = max(covered, first + _count(storage, name))
    return covered


def output(storage: Storage, experiment_id: str, run_id: str, start: int = 0) -> Iterator[OutputChunk]:
    """What was printed from byte `start` on, in order, each byte once. What no segment holds is passed over."""
    names = _output_names(storage, experiment_id, run_id)
    position = start
    for name in names[_first_to_read(storage, names, start) :]:
        segment = _read_output(storage, name)
        for chunk in segment.chunks:
            end = chunk.offset + len(chunk.data)
            if end > position:
                cut = max(position - chunk.offset, 0)
                yield chunk._replace(offset=chunk.offset + cut, data=chunk.data[cut:]) if cut else chunk
                position = end


def _first_to_read(storage: Storage, names: Sequence[str], start: int) -> int:
    """The first segment that may hold the byte: usually the last that begins before it.

    One before that reaches over it only where two recorders wrote at once; then the one after does not follow it.
    """
    number = sum(layout.segment_number(name) <= start for name in names) - 1
    if number <= 0:
        return 0
    begin, end = _output_extent(storage, names[number])
    while number > 0 and end <= start:
        earlier_begin, earlier_end = _output_extent(storage, names[number - 1])
        if earlier_end == begin:
            break
        number, begin, end = number - 1, earlier_begin, earlier_end
    return number


def metric_points(
    storage: Storage, experiment_id: str, run_id: str | None = None, name: str | None = None
) -> Iterator[MetricPoint]:
    """The points of one run or of all, each once, in the order they were printed; of one metric or of all."""
    folder, following = "", 0
    for segment in _metrics_names(storage, experiment_id, run_id):
        if segment.rpartition("/")[0] != folder:
            folder, following = segment.rpartition("/")[0], 0
        where = f"{storage.url}/{segment}"
        lines = segments.metric_lines(storage.read(segment), where)
        first = layout.segment_number(segment)
        yield from segments.decode_metrics(lines[max(following - first, 0) :], where, name)
        following = max(following, first + len(lines))


def _output_names(storage: Storage, experiment_id: str, run_id: str) -> list[str]:
    return [stored.name for stored in storage.list(layout.output_segments(experiment_id, run_id))]


def _metrics_names(storage: Storage, experiment_id: str, run_id: str | None) -> list[str]:
    names = (stored.name for stored in storage.list(layout.metrics_segments(experiment_id, run_id)))
    return [name for name in names if "/metrics-" in name]  # other series of a run lie beside


def _output_extent(storage: Storage, name: str) -> tuple[int, int]:
    return segments.output_extent(storage.read_range(name, 0, segments.HEADER_BYTES), f"{storage.url}/{name}")


def _read_output(storage: Storage, name: str) -> OutputSegment:
    return segments.decode_output(storage.read(name), f"{storage.url}/{name}")


def _count(storage: Storage, name: str) -> int:
    return len(segments.metric_lines(storage.read(name), f"{storage.url}/{name}"))
