"""Work in a few threads: in order, bounded, and over when it is given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwrap.repository.workers import in_order


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 5), st.integers(1, 60))
def test_results_come_in_order_and_no_more_than_allowed_are_under_way(
    items: list[int], threads: int, most: int
) -> None:
    taken: list[int] = []
    begun: list[int] = []

    def given_out() -> Iterator[int]:
        for item in items:
            taken.append(item)
            yield item

    def work(item: int) -> int:
        begun.append(item)
        return -item

    found = []
    for result in in_order(work, given_out(), threads=threads, most=most, weight=lambda item: item):
        found.append(result)
        under_way = begun[len(found) :]
        assert sum(under_way) <= max(most, max(items))
    assert found == [-item for item in items]
    assert taken == items


def test_an_error_comes_in_its_turn() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    found = in_order(work, range(10), threads=3, most=6)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(found)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kwrap-work")]


def test_an_error_of_the_items_ends_the_threads() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("unreadable")

    with pytest.raises(OSError, match="unreadable"):
        list(in_order(abs, items(), threads=2, most=2))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kwrap-work")]


def test_what_is_given_up_begins_nothing_more() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.01)
        return item

    found = in_order(work, range(1000), threads=2, most=50)
    next(found)
    found.close()
    assert len(begun) < 60
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kwrap-work")]


def test_threads_do_work_at_once() -> None:
    both = threading.Barrier(2, timeout=30)
    assert list(in_order(lambda item: both.wait() >= 0 and item, [1, 2], threads=2, most=2)) == [1, 2]


def test_one_thread_is_the_callers() -> None:
    assert set(in_order(lambda _: threading.get_ident(), range(5), threads=1, most=5)) == {threading.get_ident()}
