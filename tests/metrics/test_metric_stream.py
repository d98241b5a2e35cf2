"""However the bytes come, the points are the same: cut anywhere, interleaved with another stream, in any batch."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st
from printed import in_pieces, points

from kwrap.metrics.extractor import Extractor
from kwrap.records import MetricPoint

_NUMBERS = st.sampled_from(["0.5", "1", "-3e-4", "12.", "nan", "7%", "193,838", "1.2.3", "0:01", "+5"])
_SMALL = st.integers(0, 3).map(str)
_LINES = st.one_of(
    st.builds("step {} loss: {}".format, _SMALL, _NUMBERS),
    st.builds("step {} loss: {}".format, _SMALL, _NUMBERS),
    st.builds("Epoch {}/3 - loss={} - host:8080 - acc: {}".format, _SMALL, _NUMBERS, _NUMBERS),
    st.builds("[10:23:{}] step: {}".format, _SMALL, _SMALL),
    st.builds("tau: {}".format, _NUMBERS),
    st.builds("loss: {}".format, _NUMBERS),
    st.builds("  f1:{} epoch={} foo= {} ms".format, _NUMBERS, _NUMBERS, _NUMBERS),
    st.builds('{{"step": {}, "train": {{"loss": "{}"}}}}'.format, _SMALL, _NUMBERS),
    st.builds("\x1b[32mloss\x1b[0m: {}".format, _NUMBERS),
    st.builds("E {} q={}".format, _SMALL, _NUMBERS),
    st.sampled_from(["", "hello", "Traceback (most recent call last):", "    loss: 0.5", "Error: loss: 1.5"]),
    st.text(max_size=12),
)
_ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])
_OUTPUTS = st.lists(st.tuples(_LINES, _ENDS).map("".join), max_size=12).map(
    lambda lines: "".join(lines).encode("utf-8", "replace")
)
_PATTERNS = st.sampled_from([(), (r"E (?P<epoch>\d+) q=(?P<q>\S+)",), (r"(?P<name>\w+)=(?P<value>\S+)",)])
_CAPS = st.sampled_from([8, 24, 65536])


def comparable(found: list[MetricPoint]) -> list[tuple[object, ...]]:
    return [tuple(repr(field) for field in point) for point in found]


@settings(max_examples=400)
@given(output=_OUTPUTS, cuts=st.lists(st.integers(0, 400), max_size=8), patterns=_PATTERNS, cap=_CAPS)
@example(output=b"loss: 0.5\rloss: 0.5\r\nloss: 0.5", cuts=[10, 20], patterns=(), cap=65536)
def test_any_cut_gives_the_same_points(output: bytes, cuts: list[int], patterns: tuple[str, ...], cap: int) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(output)), len(output)]
    pieces = [output[start:end] for start, end in pairwise(edges)]
    options = {"patterns": patterns, "max_line_bytes": cap}
    whole = comparable(points(output, **options))
    assert comparable(in_pieces(pieces, **options)) == whole
    assert comparable(in_pieces([output[i : i + 1] for i in range(len(output))], **options)) == whole


@settings(max_examples=200)
@given(output=_OUTPUTS, cut=st.integers(0, 200))
def test_lines_and_skipped_lines_do_not_depend_on_the_cut(output: bytes, cut: int) -> None:
    one, two = Extractor(max_line_bytes=12), Extractor(max_line_bytes=12)
    one.feed(output, 0)
    two.feed(output[:cut], 0)
    two.feed(output[cut:], len(output[:cut]))
    one.finish()
    two.finish()
    longest = output.replace(b"\r", b"\n").split(b"\n")
    assert one.skipped_lines == two.skipped_lines == sum(len(line) > 12 for line in longest)
    assert one.lines == two.lines == output.count(b"\n") + (not output.endswith((b"\n", b"\r")) and bool(output))


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from([1, 2]), _LINES), max_size=14), st.randoms(use_true_random=False))
def test_any_interleaving_of_two_streams_gives_the_same_points(lines: list[tuple[int, str]], random: object) -> None:
    def read(sequence: list[tuple[int, str]]) -> dict[int, list[tuple[object, ...]]]:
        extractor, offset = Extractor(), 0
        found: dict[int, list[tuple[object, ...]]] = {1: [], 2: []}
        for stream, line in sequence:
            data = line.encode("utf-8", "replace") + b"\n"
            got = extractor.feed(data, offset, stream)
            found[stream] += [(point.name, repr(point.value), point.step, point.epoch, point.kind) for point in got]
            offset += len(data)
        return found

    apart = sorted(lines, key=lambda line: line[0])
    assert read(lines) == read(apart)


def test_a_line_cut_by_another_streams_bytes_keeps_its_place() -> None:
    extractor = Extractor()
    assert extractor.feed(b"step 1 lo", 0, 1) == []
    assert extractor.feed(b"oops\n", 9, 2) == []
    assert extractor.feed(b"ss: 0.5", 14, 1) == []
    assert extractor.feed(b"more\n", 21, 2) == []
    (point,) = extractor.feed(b"\n", 26, 1)
    assert (point.name, point.value, point.line, point.offset, point.end_offset) == ("loss", 0.5, 1, 0, 21)


_ANY = st.integers(0, 99)
_RUNS = st.one_of(
    [
        st.lists(line, min_size=1, max_size=12)
        for line in (
            st.builds("step {} loss: {}".format, _SMALL, st.sampled_from(["0.5", "0.50", "1", "2e-3", "nan"])),
            st.builds("step {} loss: {}".format, _ANY, st.floats(0, 2)),
            st.builds("[10:0{}] Epoch {} loss={} acc {} n:5".format, _SMALL, _SMALL, st.floats(0, 1), st.floats(0, 1)),
            st.builds("step {} v1.{} (3/{}) t:{} tau={}".format, _SMALL, _SMALL, _SMALL, _SMALL, st.integers(-2, 2)),
            st.builds("step {} top{}: 0.5 n:{}".format, _ANY, _SMALL, st.sampled_from(["5", "7", "1.5"])),
            st.builds("epoch: -{} loss: 1".format, _SMALL),
            st.sampled_from(["loss: 0.5", "", "step 7", "step: 3", "tau: 0.5"]),
        )
    ]
)


@example([["step 0 loss: 0.5"] * 4, ["loss: 0.5"]])
@settings(max_examples=200)
@given(st.lists(_RUNS, max_size=6))
def test_reading_runs_of_like_lines_at_once_changes_no_point(runs: list[list[str]]) -> None:
    output = "".join(f"{line}\n" for run in [*runs, *runs] for line in run).encode()
    assert comparable(points(output)) == comparable(points(output, layouts=False))


def test_a_long_run_of_like_lines_is_read_whole() -> None:
    output = b"".join(b"step %d loss: %d.5 acc: 0.%d\n" % (n, n, n) for n in range(10_000))
    found = points(output)
    assert comparable(found) == comparable(points(output, layouts=False))
    assert len(found) == 20_000
    last = found[-1]
    assert (last.name, last.step, last.line) == ("acc", 9999, 10_000)
    assert output[last.offset : last.end_offset] == b"step 9999 loss: 9999.5 acc: 0.9999"


def test_a_line_over_the_cap_is_skipped_and_counted() -> None:
    output = b"step 1 loss: 0.5\n" + b"step 2 loss: 0.4 " + b"x" * 70_000 + b"\nstep 3 loss: 0.3\n"
    extractor = Extractor()
    found = extractor.feed(output, 0)
    assert [(point.step, point.line) for point in found] == [(1, 1), (3, 3)]
    assert (extractor.lines, extractor.skipped_lines, extractor.warnings()) == (3, 1, {"metric_line_too_long": 1})


def test_a_hundred_megabytes_without_a_newline_cost_no_memory() -> None:
    piece = b"loss: 0.5 " * 26_214
    extractor = Extractor()
    tracemalloc.start()
    for number in range(400):
        assert extractor.feed(piece, number * len(piece)) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert extractor.finish() == []
    assert (extractor.lines, extractor.skipped_lines) == (1, 1)
    assert peak < 2_000_000
