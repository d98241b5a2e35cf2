"""Closed segments of a run's output and of its metrics, as bytes. Pure: what they are, not where they lie.

An output segment is a zstd *skippable* frame, which says what the bytes are and when they came, and an ordinary zstd
frame of the bytes: `zstd -dc` gives what the run printed, and nothing else. A metrics segment is a zstd frame of
ndjson, a point a line.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from kwrap.encoding import number
from kwrap.errors import Damaged
from kwrap.records import MetricPoint
from kwrap.repository import compression

HEADER_BYTES = 256  # what is read of a segment to know its extent
_SKIPPABLE = 0x184D2A50
_FRAME = struct.Struct("<II")
_INDEX = struct.Struct("<QQB")  # byte of the whole output at which a chunk begins, ns since the start, stream
_LEVEL = 1  # output may come at 100 MB/s, and the child has the processor first


class OutputChunk(NamedTuple):
    """Bytes that a run printed: where they begin in its output, when (None: not known), and 1 stdout or 2 stderr."""

    offset: int
    t_s: float | None
    stream: int
    data: bytes


class OutputSegment(NamedTuple):
    """Bytes `start` to `end` of a run's output, in chunks."""

    start: int
    end: int
    chunks: tuple[OutputChunk, ...]


def encode_output(start: int, data: bytes, index: bytes) -> bytes:
    """A segment of the bytes from `start` on. The index may begin before them, and go on after."""
    # zstd has a checksum of the bytes, and passes over this.
    extent = json.dumps({"start": start, "end": start + len(data), "index_crc32": zlib.crc32(index)}).encode("ascii")
    header = extent + b"\n" + index
    return _FRAME.pack(_SKIPPABLE, len(header)) + header + compression.compress(data, _LEVEL)


def output_extent(beginning: bytes, where: str) -> tuple[int, int]:
    """Start and end of a segment, from its first HEADER_BYTES."""
    try:
        magic, _ = _FRAME.unpack_from(beginning)
        extent = json.loads(beginning[_FRAME.size :].partition(b"\n")[0])
        if magic != _SKIPPABLE:
            raise ValueError("it does not begin with its extent")
        return int(extent["start"]), int(extent["end"])
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{where} is damaged: {error}") from error


def decode_output(data: bytes, where: str) -> OutputSegment:
    start, end = output_extent(data[:HEADER_BYTES], where)
    _, length = _FRAME.unpack_from(data)
    frame = _FRAME.size + length
    plain = compression.decompress(data[frame:], where)
    if len(plain) != end - start:
        raise Damaged(f"{where} is damaged: {len(plain)} bytes of output, and {end - start} were recorded")
    line, _, index = data[_FRAME.size : frame].partition(b"\n")
    if zlib.crc32(index) != json.loads(line).get("index_crc32", zlib.crc32(index)):
        raise Damaged(f"{where} is damaged: its index is not what was recorded")
    return OutputSegment(start, end, tuple(_chunks(start, plain, index)))


def _chunks(start: int, plain: bytes, index: bytes) -> Iterator[OutputChunk]:
    """The bytes cut where the index says that another chunk begins; those that it does not cover have no time."""
    end = start + len(plain)
    whole = len(index) - len(index) % _INDEX.size
    position, t_s, stream = start, None, 1
    for offset, at_ns, on in _INDEX.iter_unpack(memoryview(index)[:whole]):
        if offset >= end:
            break
        if offset > position:
            yield OutputChunk(position, t_s, stream, plain[position - start : offset - start])
            position = offset
        t_s, stream = at_ns / 1e9, on
    if position < end:
        yield OutputChunk(position, t_s, stream, plain[position - start :])


def encode_metrics(points: Sequence[MetricPoint]) -> bytes:
    return compression.compress("".join(_lines(points)).encode("utf-8", "surrogatepass"), _LEVEL)


def _lines(points: Iterable[MetricPoint]) -> Iterator[str]:
    """One JSON object a point. Written out: there may be millions, and `json` takes four times as long."""
    names: dict[str, str] = {}
    for name, value, step, epoch, line, offset, end_offset, t_s, kind in points:
        label = names.get(name)
        if label is None:
            label = names[name] = json.dumps(name)
        text = f'{{"name":{label},"value":{_number(value)}'
        if step is not None:
            text += f',"step":{step}'
        if epoch is not None:
            text += f',"epoch":{_number(epoch)}'
        text += f',"line":{line},"offset":{offset},"end_offset":{end_offset}'
        if t_s is not None:
            text += f',"t_s":{_number(t_s)}'
        yield f'{text},"kind":"{kind}"}}\n'


def _number(value: float) -> str:
    if value - value == 0:  # finite: neither infinite nor not a number
        return repr(value)
    return '"NaN"' if value != value else '"Infinity"' if value > 0 else '"-Infinity"'


def metric_lines(data: bytes, where: str) -> list[bytes]:
    """A segment's lines, one a point."""
    return compression.decompress(data, where).split(b"\n")[:-1]


def decode_metrics(lines: Iterable[bytes], where: str, name: str | None = None) -> Iterator[MetricPoint]:
    """The points that the lines hold, or those of one metric."""
    wanted = None if name is None else json.dumps(name).encode("ascii")
    for line in lines:
        if wanted is None or wanted in line:  # looking first spares parsing nearly all other lines
            point = _point(line, where)
            if name is None or point.name == name:
                yield point


def _point(line: bytes, where: str) -> MetricPoint:
    try:
        fields = json.loads(line)
        epoch, t_s = fields.get("epoch"), fields.get("t_s")
        return MetricPoint(
            name=fields["name"],
            value=number(fields["value"]),
            step=fields.get("step"),
            epoch=None if epoch is None else number(epoch),
            line=fields.get("line", 0),
            offset=fields.get("offset", 0),
            end_offset=fields.get("end_offset", 0),
            t_s=None if t_s is None else number(t_s),
            kind=fields.get("kind", "metric"),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(f"{where} is damaged: {error}") from error
