"""A user's own patterns: named groups, axes, errors, and no line that takes for ever."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from printed import in_pieces, placed, values

from kwrap.errors import UsageError
from kwrap.metrics.extractor import Extractor


def test_a_group_is_the_name_of_a_metric() -> None:
    assert values("the loss is 0.5, good\n", patterns=[r"loss is (?P<loss>\S+)"], automatic=False) == [("loss", 0.5)]


def test_groups_name_and_value_are_found_as_often_as_they_occur() -> None:
    pattern = r"(?P<name>\w+)~(?P<value>\S+)"
    assert values("a~1 b~2.5 c~x\n", patterns=[pattern], automatic=False) == [("a", 1.0), ("b", 2.5)]


def test_groups_step_and_epoch_are_axes() -> None:
    pattern = r"^E(?P<epoch>\d+) S(?P<step>\d+) (?P<quality>\S+)"
    assert placed("E2 S30 77%\n", patterns=[pattern], automatic=False) == [("quality", 77.0, 30, 2.0)]


def test_a_pattern_of_axes_alone_is_a_header() -> None:
    patterns = [r"^## (?P<epoch>\d+)", r"^q (?P<q>\S+)"]
    assert placed("## 3\nq 1\nq 2\n## 4\nq 3\n", patterns=patterns) == [
        ("q", 1.0, None, 3.0),
        ("q", 2.0, None, 3.0),
        ("q", 3.0, None, 4.0),
    ]


def test_a_users_name_replaces_the_recognised_one_on_that_line() -> None:
    text = "step 3 loss: 0.5 acc: 0.9\n"
    assert placed(text, patterns=[r"acc: 0\.(?P<acc>\d+)"]) == [("acc", 9.0, 3, None), ("loss", 0.5, 3, None)]


def test_a_group_that_did_not_take_part_is_no_point() -> None:
    assert values("b=2\n", patterns=[r"a=(?P<a>\d)|b=(?P<b>\d)"], automatic=False) == [("b", 2.0)]


def test_colours_are_off_before_a_pattern_looks() -> None:
    assert values("\x1b[1mlo\x1b[0mss 0.5\n", patterns=[r"loss (?P<loss>\S+)"], automatic=False) == [("loss", 0.5)]


def test_text_beyond_ascii_can_be_matched() -> None:
    assert values("Größe → 3\n".encode(), patterns=[r"Größe → (?P<size>\d)"], automatic=False) == [("size", 3.0)]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"loss=(?P<loss>\S+", "position 5"),
        (r"loss=(?P<1oss>\S+)", "position"),
        (r"loss=(\S+)", "no named group"),
        (r"(?P<value>\S+)", "none 'name'"),
        (r"(?P<name>\S+)", "none 'value'"),
        (r"(a+)+(?P<loss>\d)", "repeats a repetition"),
        (r"(a|aa)+(?P<loss>\d)", "repeats alternatives"),
        (r"(\w+\s*)*(?P<loss>\d)", "repeats a repetition"),
    ],
)
def test_a_pattern_that_cannot_be_used_says_why(pattern: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        Extractor(patterns=[pattern])
    assert words in error.value.message
    assert error.value.hint


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?P<loss>[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)",
        r"(?:\w+,)*loss=(?P<loss>\S+)",
        r"(?:[^|]*\|){3} *(?P<loss>\S+)",
        r"(?:[^|]*\|)+ *(?P<loss>\S+)",
        r"(?:a|b)+=(?P<loss>\S+)",
        r"(?i:loss|err)\s*=\s*(?P<loss>\S+)",
        r"(?x) loss = (?P<loss>\S+)  # verbose",
    ],
)
def test_usual_patterns_are_taken(pattern: str) -> None:
    Extractor(patterns=[pattern])


def test_a_pattern_that_takes_too_long_is_switched_off_and_counted() -> None:
    slow = r"\w*\w*\w*\w*\w*=(?P<loss>\d)"
    extractor = Extractor(patterns=[slow, r"ok (?P<ok>\d)"])
    found = []
    started = time.process_time()
    for number in range(40):
        found += extractor.feed(b"a" * 8000 + b"= x\nok 1\n", number * 8009)
    assert time.process_time() - started < 30
    assert extractor.warnings() == {"metric_pattern_switched_off": 1}
    assert list(extractor.switched_off) == [slow]
    assert len(found) == 40


@given(st.lists(st.sampled_from(["loss=1 ", "x", "\x1b[1m", "los", "s=", "2", "\n", "Loss=3 "]), max_size=30))
def test_what_a_pattern_needs_is_never_looked_for_in_vain(parts: list[str]) -> None:
    text = "".join(parts).encode()
    told = [r"loss=(?P<loss>\d)", r"(?i)(?P<any>loss=\d)?loss=(?P<loss>\d)"]
    quick, thorough = (in_pieces([text], patterns=[one], automatic=False) for one in told)
    quick_lines = {(point.line, point.offset) for point in quick}
    assert quick_lines <= {(point.line, point.offset) for point in thorough}
    lines = text.replace(b"\x1b[1m", b"").split(b"\n")
    assert len(quick) == sum(any(b"loss=%d" % digit in line for digit in range(10)) for line in lines)
