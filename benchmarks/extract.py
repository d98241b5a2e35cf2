"""What finding metrics in text costs: the extractor alone, in this process, on texts of the usual kinds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from benchmarks.harness import Columns, Figure, Report, options
from kwrap.metrics.extractor import Extractor

# What a recorder reads at a time.
PIECE_BYTES = 1 << 18
MANY = 2_000_000
SCALARS = 100_000

_ORDINARY = f"{MANY:,} lines, none a metric"
_MIXED = f"{MANY:,} lines, one in 1,000 a metric"
_ALL = f"{MANY:,} lines, each a metric"
_SCALARS = f"{SCALARS:,} scalars, 1 a line"


class Text(NamedTuple):
    """Lines to read, and with which patterns of a user's."""

    lines: int
    make: Callable[[int], bytes]
    patterns: Sequence[str] = ()


TEXTS: Mapping[str, Text] = {
    _ORDINARY: Text(MANY, lambda n: b"read %07d of part %02d\n" % (n, n // 100_000)),
    f"{600_000:,} lines of 80 bytes with a clock, none a metric": Text(
        600_000,
        lambda n: b"2026-11-21 10:23:%02d,%03d - worker.module - INFO - did %d of %d items\n"
        % (n % 60, n % 1000, n, n),
    ),
    _MIXED: Text(
        MANY,
        lambda n: b"step=%07d loss=0.%03d\n" % (n, n % 1000)
        if n % 1000 == 0
        else b"read %07d of part %02d\n" % (n, n // 100_000),
    ),
    "the same, with a pattern of a user's": Text(
        MANY,
        lambda n: b"step=%07d loss=0.%03d\n" % (n, n % 1000)
        if n % 1000 == 0
        else b"read %07d of part %02d\n" % (n, n // 100_000),
        [r"loss=(?P<loss>\S+)"],
    ),
    _ALL: Text(MANY, lambda n: b"step %d loss: 0.%05d\n" % (n % 1000, n % 100_000)),
    _SCALARS: Text(SCALARS, lambda n: b"step %d loss: 0.%05d\n" % (n, n)),
    f"{SCALARS:,} scalars, 5 a line, with a clock": Text(
        SCALARS // 5,
        lambda n: b"2026-11-21 10:%02d:%02d INFO Epoch %d - loss: 0.%05d - acc: 0.%d - val_loss: 0.%d - mae: 1.%d - "
        b"lr: 0.%d\n" % (n // 60 % 60, n % 60, n, n, n, n, n, n),
    ),
    f"{SCALARS:,} scalars, 1 a line, no two lines alike": Text(
        SCALARS, lambda n: b"%s step %d loss: 0.%05d\n" % (b"abcdefghij"[n % 9 : n % 9 + 2], n, n)
    ),
    f"{SCALARS:,} scalars, 1 a line, without a step": Text(SCALARS, lambda n: b"loss: 0.%05d\n" % n),
    f"{SCALARS:,} scalars as JSON, 1 a line": Text(SCALARS, lambda n: b'{"step": %d, "loss": 0.%05d}\n' % (n, n)),
    f"{SCALARS:,} scalars by a pattern of a user's": Text(
        SCALARS, lambda n: b"step %d loss: 0.%05d\n" % (n, n), [r"step (?P<step>\d+) loss: (?P<loss>\S+)"]
    ),
    "100 MB without a newline": Text(100, lambda n: b"a=1 " * (1 << 18)),
}


def main() -> None:
    rounds = options("extract", rounds=5).rounds
    texts = {name: b"".join(map(text.make, range(text.lines))) for name, text in TEXTS.items()}
    measured: dict[str, Columns] = {name: {"CPU s": [], "points": [], "MB": []} for name in texts}
    for _ in range(rounds):
        for name, text in texts.items():
            cpu_s, points = extract(text, TEXTS[name].patterns)
            for column, value in (("CPU s", cpu_s), ("points", float(points)), ("MB", len(text) / 1e6)):
                measured[name][column].append(value)
    Report(
        name="extract",
        title="Finding metrics",
        about=f"CPU seconds of this process, in pieces of {PIECE_BYTES // 1024} KiB, points thrown away.",
        rounds=rounds,
        versions={},
        cases=measured,
        figures=[
            Figure(_ORDINARY, _least(measured, _ORDINARY), "CPU s", 0.25),
            Figure(_MIXED, _least(measured, _MIXED), "CPU s"),
            Figure(_SCALARS, _least(measured, _SCALARS), "CPU s", 0.6),
            Figure(_ALL, _least(measured, _ALL), "CPU s"),
        ],
        notes=["The figures are the least of the rounds: what other processes do to the caches only ever adds."],
    ).write()


def extract(text: bytes, patterns: Sequence[str]) -> tuple[float, int]:
    """The CPU seconds it takes, and how many points there are."""
    extractor = Extractor(patterns=patterns)
    points = 0
    started = time.process_time()
    for offset, piece in _pieces(text):
        points += len(extractor.feed(piece, offset))
    points += len(extractor.finish())
    return time.process_time() - started, points


def _pieces(text: bytes) -> Iterator[tuple[int, bytes]]:
    return ((offset, text[offset : offset + PIECE_BYTES]) for offset in range(0, len(text), PIECE_BYTES))


def _least(measured: Mapping[str, Columns], name: str) -> float:
    return min(measured[name]["CPU s"])


if __name__ == "__main__":
    main()
