"""Segments of the log: many events in one object, joined, a line for each experiment, compressed.

The first line says what it replaces; the others are in the order of their experiments' ids, so that segments are
merged line by line, whatever their size.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from kwrap.errors import Damaged
from kwrap.repository import told
from kwrap.repository.told import Told

_LEVEL = 3
_AT_ONCE = 64 << 10  # compressed bytes; what they hold is some forty times as much
_PREFIX = b'{"experiment":"'


class Header(NamedTuple):
    """What a segment stands for: events and segments, by name, whether or not they are still there.

    `amount`: how many events were joined in it, its size among segments. `complete`: when it was made, no experiment
    was recorded that the log did not tell of.
    """

    events: frozenset[str]
    segments: frozenset[str]
    amount: int
    complete: bool


def encode(header: Header, lines: Iterable[bytes]) -> bytes:
    """The object. Lines are those of `line`, sorted; they are taken one by one, and have no line end."""
    import zstandard

    fields = {"events": sorted(header.events), "segments": sorted(header.segments)}
    first = {"replaces": fields, "amount": header.amount, "complete": header.complete}
    # A frame of its own: whoever asks what it replaces need not read on.
    parts = [zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(_json(first) + b"\n")]
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
    parts.extend(compressor.compress(line + b"\n") for line in lines)
    parts.append(compressor.flush())
    return b"".join(parts)


def line(one: Told) -> bytes:
    return _json(one.to_fields())


def experiment_of(line: bytes) -> bytes:
    """What lines are sorted by, without reading all of one."""
    if not line.startswith(_PREFIX):
        raise ValueError("a line does not begin with its experiment")
    return line[len(_PREFIX) : line.index(b'"', len(_PREFIX))]


def decode_line(line: bytes, where: str) -> Told:
    """Raises Damaged."""
    try:
        text = line.decode("ascii")
        return told.from_fields(json.loads(text), text)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Damaged(f"{where} is damaged: a line makes no sense ({error!r})") from error


def decode(data: bytes, where: str) -> tuple[Header, Iterator[bytes]]:
    """What it replaces, and its lines as they are needed. Raises Damaged, also while they are taken."""
    lines = _lines(data, where)
    return _header(next(lines, b""), where), lines


def decode_header(data: bytes, where: str) -> Header:
    """What it replaces, from its beginning. Raises Damaged."""
    return _header(next(_lines(data, where), b""), where)


def _header(line: bytes, where: str) -> Header:
    try:
        fields: dict[str, Any] = json.loads(line)
        replaced = fields["replaces"]
        return Header(
            frozenset(replaced["events"]),
            frozenset(replaced["segments"]),
            int(fields["amount"]),
            bool(fields["complete"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(f"{where} is damaged: it does not say what it replaces ({error!r})") from error


def _json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def _lines(data: bytes, where: str) -> Iterator[bytes]:
    import zstandard

    rest = b""
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            for at in range(0, len(data), _AT_ONCE):
                plain = rest + frame.decompress(data[at : at + _AT_ONCE])
                *whole, rest = plain.split(b"\n")
                yield from whole
                if frame.eof:
                    data = frame.unused_data + data[at + _AT_ONCE :]
                    break
        except zstandard.ZstdError as error:
            raise Damaged(f"{where} is damaged: {error}") from error
        if not frame.eof:
            raise Damaged(f"{where} is damaged: its end is missing")
    if rest:
        raise Damaged(f"{where} is damaged: its end is missing")
