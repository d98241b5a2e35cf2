"""Output and metrics in segments: read without gaps or repeats, whoever wrote them and whenever they were killed."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_makers import ID, point

from kwrap.errors import Damaged
from kwrap.records import MetricPoint
from kwrap.repository import segments
from kwrap.repository.repository import OutputChunk, Repository

RUN = "r0-a1"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.open(str(tmp_path / "repository"), create=True)


def index(*chunks: tuple[int, float, int]) -> bytes:
    return b"".join(struct.pack("<QQB", offset, int(t_s * 1e9), stream) for offset, t_s, stream in chunks)


def output(repository: Repository, start: int = 0) -> list[OutputChunk]:
    return list(repository.output(ID, RUN, start))


def text(repository: Repository, start: int = 0) -> bytes:
    return b"".join(chunk.data for chunk in repository.output(ID, RUN, start))


# Output


def test_output_comes_back_with_times_and_streams(repository: Repository) -> None:
    chunks = index((0, 0.5, 1), (6, 0.75, 2), (12, 1.0, 1))
    assert repository.write_output_segment(ID, RUN, 0, b"hello\nerror\nbye\n", chunks) == 16
    assert output(repository) == [
        OutputChunk(0, 0.5, 1, b"hello\n"),
        OutputChunk(6, 0.75, 2, b"error\n"),
        OutputChunk(12, 1.0, 1, b"bye\n"),
    ]
    assert repository.output_end(ID, RUN) == 16


def test_without_an_index_the_time_is_not_known(repository: Repository) -> None:
    repository.write_output_segment(ID, RUN, 0, b"hello", b"")
    assert output(repository) == [OutputChunk(0, None, 1, b"hello")]


def test_a_chunk_that_two_segments_share_keeps_its_time(repository: Repository) -> None:
    shared = index((0, 1.0, 1), (4, 2.0, 2))
    repository.write_output_segment(ID, RUN, 0, b"0123456", shared)
    repository.write_output_segment(ID, RUN, 7, b"789", shared)
    assert output(repository) == [
        OutputChunk(0, 1.0, 1, b"0123"),
        OutputChunk(4, 2.0, 2, b"456"),
        OutputChunk(7, 2.0, 2, b"789"),
    ]


def test_a_torn_index_is_read_up_to_the_tear(repository: Repository) -> None:
    repository.write_output_segment(ID, RUN, 0, b"ab", index((0, 1.0, 1), (1, 2.0, 2))[:-1])
    assert output(repository) == [OutputChunk(0, 1.0, 1, b"ab")]


@pytest.mark.parametrize("start", [0, 3, 4, 7, 9, 10, 99])
def test_reading_begins_at_any_byte(repository: Repository, start: int) -> None:
    for begin, data in ((0, b"0123"), (4, b"456"), (7, b"789")):
        repository.write_output_segment(ID, RUN, begin, data, index((begin, float(begin), 1)))
    assert text(repository, start) == b"0123456789"[start:]
    assert all(chunk.offset >= start for chunk in repository.output(ID, RUN, start))


def test_reading_from_the_end_reads_no_earlier_segment(repository: Repository) -> None:
    for number in range(20):
        repository.write_output_segment(ID, RUN, number * 10, b"x" * 10, b"")
    first = Path(repository.url, "output", ID, RUN, f"{0:016d}.zst")
    first.write_bytes(b"damaged")
    assert text(repository, 195) == b"xxxxx"
    assert text(repository, 200) == b""


def test_there_may_be_no_output(repository: Repository) -> None:
    assert output(repository) == []
    assert repository.output_end(ID, RUN) == 0
    assert repository.write_output_segment(ID, RUN, 0, b"", b"") == 0
    assert repository.output_end(ID, RUN) == 0


def test_a_segment_that_is_there_counts_as_it_is(repository: Repository) -> None:
    assert repository.write_output_segment(ID, RUN, 0, b"0123", b"") == 4
    assert repository.write_output_segment(ID, RUN, 0, b"0123456", b"") == 4
    assert repository.write_output_segment(ID, RUN, 4, b"456", b"") == 7
    assert text(repository) == b"0123456"


def test_output_ends_before_a_gap_and_is_read_over_it(repository: Repository) -> None:
    for begin, data in ((0, b"0123"), (6, b"678")):
        repository.write_output_segment(ID, RUN, begin, data, b"")
    assert repository.output_end(ID, RUN) == 4
    assert [(chunk.offset, chunk.data) for chunk in output(repository)] == [(0, b"0123"), (6, b"678")]
    repository.write_output_segment(ID, RUN, 4, b"45", b"")
    assert repository.output_end(ID, RUN) == 9
    assert text(repository) == b"012345678"


WHOLE = bytes(range(256)) * 2
SPANS = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 120)), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SPANS, st.integers(0, 450))
def test_whatever_segments_there_are_each_byte_comes_once_and_in_order(
    repository: Repository, spans: list[tuple[int, int]], start: int
) -> None:
    shutil.rmtree(Path(repository.url) / "output", ignore_errors=True)
    covered: dict[int, int] = {}
    for begin, length in spans:
        covered.setdefault(begin, begin + length)
        written = repository.write_output_segment(ID, RUN, begin, WHOLE[begin : begin + length], b"")
        assert written == covered[begin]
    held = {byte for begin, end in covered.items() for byte in range(begin, end)}
    read = [
        byte for chunk in repository.output(ID, RUN) for byte in range(chunk.offset, chunk.offset + len(chunk.data))
    ]
    assert read == sorted(held)
    assert all(
        chunk.data == WHOLE[chunk.offset : chunk.offset + len(chunk.data)] for chunk in repository.output(ID, RUN)
    )
    end = repository.output_end(ID, RUN)
    assert set(range(end)) <= held
    assert end not in held
    later = list(repository.output(ID, RUN, start))
    assert all(chunk.offset >= start for chunk in later)
    assert [chunk.offset for chunk in later] == sorted({chunk.offset for chunk in later})


def test_two_recorders_at_once_leave_each_byte_once(repository: Repository) -> None:
    code = textwrap.dedent("""
        import random, sys
        from kwrap.repository.repository import Repository
        repository, chance = Repository.open(sys.argv[1]), random.Random(sys.argv[2])
        whole = bytes(range(256)) * 200
        position = repository.output_end(sys.argv[3], "r0-a1")
        while position < len(whole):
            end = min(position + chance.randrange(1, 2000), len(whole))
            position = repository.write_output_segment(sys.argv[3], "r0-a1", position, whole[position:end], b"")
    """)
    writers = [subprocess.Popen([sys.executable, "-c", code, repository.url, seed, ID]) for seed in "123"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert text(repository) == bytes(range(256)) * 200
    assert repository.output_end(ID, RUN) == 51_200


def test_a_recorder_killed_at_any_instant_is_taken_over(repository: Repository) -> None:
    code = textwrap.dedent("""
        import sys
        sys.path.insert(0, sys.argv[3])
        from record_makers import point
        from kwrap.repository.repository import Repository
        repository = Repository.open(sys.argv[1])
        print("begun", flush=True)
        position = repository.output_end(sys.argv[2], "r0-a1")
        number = repository.metrics_end(sys.argv[2], "r0-a1")
        while position < 2_000_000:
            data = bytes((position + i) % 251 for i in range(700))
            position = repository.write_output_segment(sys.argv[2], "r0-a1", position, data, b"")
            points = [point(number + i) for i in range(3)]
            number = repository.write_metrics_segment(sys.argv[2], "r0-a1", number, points)
    """)
    for number in range(20):
        recorder = subprocess.Popen(
            [sys.executable, "-c", code, repository.url, ID, str(Path(__file__).parent)], stdout=subprocess.PIPE
        )
        assert recorder.stdout is not None
        recorder.stdout.readline()
        time.sleep(number * 0.003)
        recorder.send_signal(signal.SIGKILL)
        recorder.communicate()
    data = text(repository)
    assert len(data) == repository.output_end(ID, RUN) > 0
    assert data == bytes(number % 251 for number in range(len(data)))
    points = list(repository.metric_points(ID, RUN))
    assert [one.step for one in points] == list(range(repository.metrics_end(ID, RUN)))


@pytest.mark.parametrize("how", ["empty", "short", "payload", "header", "extent"])
def test_a_damaged_segment_is_found_and_named(repository: Repository, how: str) -> None:
    repository.write_output_segment(ID, RUN, 0, os.urandom(10_000), b"")
    path = Path(repository.url, "output", ID, RUN, f"{0:016d}.zst")
    data = bytearray(path.read_bytes())
    if how == "empty":
        data.clear()
    elif how == "short":
        del data[5000:]
    elif how == "payload":
        data[5000] ^= 1
    elif how == "header":
        data[0] ^= 1
    else:
        data = bytearray(bytes(data).replace(b"10000", b"10001"))
    path.write_bytes(data)
    with pytest.raises(Damaged, match=rf"{path} is damaged"):
        output(repository)


@pytest.mark.skipif(not shutil.which("zstd"), reason="the zstd command is not installed")
@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"epoch 1\r\x1b[31mloss\0\xff\n" * 1000, os.urandom(300_000)],
    ids=["nothing", "a byte", "a terminal's", "incompressible"],
)
def test_the_zstd_command_gives_what_was_printed_and_nothing_else(tmp_path: Path, data: bytes) -> None:
    segment = tmp_path / "segment.zst"
    segment.write_bytes(segments.encode_output(4096, data, index((4096, 1.0, 1), (4097, 2.0, 2))))
    plain = subprocess.run(["zstd", "-dc", str(segment)], check=True, capture_output=True).stdout
    assert plain == data
    assert subprocess.run(["zstd", "-tq", str(segment)], check=False).returncode == 0


@pytest.mark.skipif(not shutil.which("zstd"), reason="the zstd command is not installed")
def test_segments_put_together_are_the_output(repository: Repository, tmp_path: Path) -> None:
    for begin, data in ((0, b"one\n"), (4, b"two\n"), (8, b"three\n")):
        repository.write_output_segment(ID, RUN, begin, data, index((begin, 0.0, 1)))
    folder = Path(repository.url, "output", ID, RUN)
    command = f"cat {folder}/*.zst | zstd -dc"
    assert subprocess.run(command, shell=True, check=True, capture_output=True).stdout == b"one\ntwo\nthree\n"


@given(st.binary(max_size=2000), st.integers(0, 2**40), st.lists(st.integers(0, 2000), max_size=5))
def test_any_output_comes_back_from_its_segment(data: bytes, start: int, cuts: list[int]) -> None:
    chunks = index(*((start + cut, 1.5, 1 + cut % 2) for cut in sorted(cuts)))
    segment = segments.decode_output(segments.encode_output(start, data, chunks), "there")
    assert (segment.start, segment.end) == (start, start + len(data))
    assert b"".join(chunk.data for chunk in segment.chunks) == data
    assert all(chunk.data for chunk in segment.chunks)
    position = start
    for chunk in segment.chunks:
        assert chunk.offset == position
        position += len(chunk.data)


# Metrics


def test_points_come_back(repository: Repository) -> None:
    points = [
        point(0, value=math.inf, step=None, epoch=0.5, t_s=1.25, offset=17, end_offset=30, kind="lr"),
        point(1, value=-math.inf, name="größe ☃"),
        point(2, value=3),
        point(3, value=1e-300, epoch=2),
    ]
    assert repository.write_metrics_segment(ID, RUN, 0, points[:2]) == 2
    assert repository.write_metrics_segment(ID, RUN, 2, points[2:]) == 4
    assert list(repository.metric_points(ID, RUN)) == points
    assert list(repository.metric_points(ID)) == points
    assert list(repository.metric_points(ID, name="größe ☃")) == points[1:2]
    assert list(repository.metric_points(ID, "r9-a9")) == []
    assert repository.metrics_end(ID, RUN) == 4


def test_not_a_number_comes_back_as_such(repository: Repository) -> None:
    repository.write_metrics_segment(ID, RUN, 0, [point(0, value=math.nan)])
    (read,) = repository.metric_points(ID, RUN)
    assert math.isnan(read.value)


def test_there_may_be_no_points(repository: Repository) -> None:
    assert list(repository.metric_points(ID)) == []
    assert repository.metrics_end(ID, RUN) == 0
    assert repository.write_metrics_segment(ID, RUN, 0, []) == 0
    assert repository.metrics_end(ID, RUN) == 0


def test_points_are_one_a_line_of_json(repository: Repository) -> None:
    repository.write_metrics_segment(ID, RUN, 0, [point(4, value=math.nan), point(5)])
    data = Path(repository.url, "series", ID, RUN, "metrics-000000000000.ndjson.zst").read_bytes()
    lines = [json.loads(line) for line in segments.metric_lines(data, "there")]
    assert lines[0] == {
        "name": "loss", "value": "NaN", "step": 4, "line": 5, "offset": 0, "end_offset": 0, "kind": "metric"
    }  # fmt: skip


def test_points_of_all_runs_come_one_run_after_the_other(repository: Repository) -> None:
    repository.write_metrics_segment(ID, "r1-a1", 0, [point(7)])
    repository.write_metrics_segment(ID, "r0-a1", 0, [point(1), point(2)])
    repository.write_metrics_segment(ID, "r0-a1", 2, [point(3)])
    assert [one.step for one in repository.metric_points(ID)] == [1, 2, 3, 7]


def test_other_series_of_a_run_are_no_metrics(repository: Repository) -> None:
    repository.write_metrics_segment(ID, RUN, 0, [point(1)])
    repository.storage.write(f"series/{ID}/{RUN}/hardware-000000000000.ndjson.zst", b"something else")
    assert len(list(repository.metric_points(ID))) == 1
    assert repository.metrics_end(ID, RUN) == 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8)), max_size=6))
def test_whatever_segments_there_are_each_point_comes_once_and_in_order(
    repository: Repository, spans: list[tuple[int, int]]
) -> None:
    shutil.rmtree(Path(repository.url) / "series", ignore_errors=True)
    covered: dict[int, int] = {}
    for first, count in spans:
        covered.setdefault(first, first + count)
        points = [point(number) for number in range(first, first + count)]
        assert repository.write_metrics_segment(ID, RUN, first, points) == covered[first]
    held = {number for first, end in covered.items() for number in range(first, end)}
    assert [one.step for one in repository.metric_points(ID, RUN)] == sorted(held)
    end = repository.metrics_end(ID, RUN)
    assert set(range(end)) <= held
    assert end not in held


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"name":"loss","value":"low"}', '{"name":"loss","value":null}'])
def test_a_damaged_line_is_found_and_named(repository: Repository, line: str) -> None:
    from kwrap.repository.compression import compress

    repository.storage.write(f"series/{ID}/{RUN}/metrics-000000000000.ndjson.zst", compress(line.encode() + b"\n", 1))
    with pytest.raises(Damaged, match=r"metrics-000000000000\.ndjson\.zst is damaged"):
        list(repository.metric_points(ID))


@given(
    st.lists(
        st.builds(
            MetricPoint,
            name=st.text(min_size=1),
            value=st.floats() | st.integers(-(2**60), 2**60),
            step=st.none() | st.integers(0, 2**60),
            epoch=st.none() | st.floats(),
            line=st.integers(0, 2**40),
            t_s=st.none() | st.floats(0, 1e9),
            kind=st.sampled_from(("metric", "lr", "timing", "progress")),
        )
    )
)
def test_any_points_come_back_from_their_segment(points: list[MetricPoint]) -> None:
    data = segments.encode_metrics(points)
    lines = segments.metric_lines(data, "there")
    read: list[Any] = list(segments.decode_metrics(lines, "there"))
    assert list(map(repr, read)) == list(map(repr, points))
    assert len(lines) == len(points)
