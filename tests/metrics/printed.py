"""Short ways to say in a test what was printed and which points are in it."""

from __future__ import annotations

from collections.abc import Sequence

from kwrap.metrics.extractor import Extractor
from kwrap.records import MetricPoint


def points(text: str | bytes, **options: object) -> list[MetricPoint]:
    """The points of a whole output, fed in one piece."""
    return in_pieces([text.encode() if isinstance(text, str) else text], **options)


def in_pieces(pieces: Sequence[bytes], **options: object) -> list[MetricPoint]:
    extractor = Extractor(**options)  # type: ignore[arg-type]
    found: list[MetricPoint] = []
    offset = 0
    for piece in pieces:
        found += extractor.feed(piece, offset)
        offset += len(piece)
    return found + extractor.finish()


def values(text: str | bytes, **options: object) -> list[tuple[str, float]]:
    """Names and values only."""
    return [(point.name, point.value) for point in points(text, **options)]


def placed(text: str | bytes, **options: object) -> list[tuple[str, float, int | None, float | None]]:
    """Names, values, steps and epochs."""
    return [(point.name, point.value, point.step, point.epoch) for point in points(text, **options)]
