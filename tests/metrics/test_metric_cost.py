"""No line takes more than time in proportion to its length. The limits are generous: what they catch is far off."""

from __future__ import annotations

import time

import pytest

from kwrap.metrics.extractor import Extractor

_UNITS = [
    b"a",
    b"a ",
    b"1",
    b"1 ",
    b"a.",
    b"a/b",
    b"=",
    b":",
    b" ",
    b"\t",
    b"(",
    b"a(b,",
    b"loss=",
    b"loss ",
    b"loss=1 ",
    b"loss: 1,",
    b"epoch ",
    b"step 1 ",
    b"Epoch [1][",
    b"{",
    b'{"a":',
    b"\x1b[",
    b"\x1b[31",
    b"\x1b[1mloss: 1",
    b"train val test ",
    b"1e",
    b"-",
    b"nan",
    b"1.1",
    b"val_loss: 0.5 ",
    b"best val loss: 0.5 ",
    b"val " * 4000 + b"loss: 0.5 ",
]


@pytest.mark.parametrize("unit", _UNITS)
def test_long_lines_cost_time_in_proportion(unit: bytes) -> None:
    for size in (5_000, 10_000, 20_000, 65_000, 1 << 20):
        line = b"step 1 " + unit * (size // len(unit))
        assert _seconds(line[:size] + b"\n") < 2.0


@pytest.mark.parametrize("unit", [b"a", b"a ", b"a=", b"loss=1 "])
def test_long_lines_cost_time_in_proportion_with_a_users_pattern(unit: bytes) -> None:
    for size in (5_000, 20_000, 65_000):
        assert _seconds(unit * (size // len(unit)) + b"\n", [r"(?P<name>\w+)\s*=\s*(?P<value>\S+)"]) < 5.0


@pytest.mark.parametrize("unit", [b"\n", b"\r", b"\r\n", b"a\r", b"loss: 1\r", b"Traceback (most recent call last)\n"])
def test_many_short_lines_cost_time_in_proportion(unit: bytes) -> None:
    assert _seconds(unit * (200_000 // len(unit))) < 4.0


def test_a_long_line_that_comes_byte_by_byte_costs_time_in_proportion() -> None:
    extractor = Extractor()
    started = time.process_time()
    for offset in range(200_000):
        extractor.feed(b"x", offset)
    assert time.process_time() - started < 4.0


def _seconds(output: bytes, patterns: list[str] | None = None) -> float:
    extractor = Extractor(patterns=patterns or [])
    started = time.process_time()
    extractor.feed(output, 0)
    extractor.finish()
    return time.process_time() - started
