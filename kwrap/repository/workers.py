"""Work done by a few threads at once whose results come in order: what storing, fetching and restoring share.

Hashing, compressing, reading and writing all let other threads run. The caller's thread takes the items and gets the
results; the threads end with the work, also when it is given up.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Task(Generic[T, R]):
    """One item on its way. `done` is held until there is a result or an error."""

    __slots__ = ("done", "error", "item", "result")

    def __init__(self, item: T) -> None:
        self.item = item
        self.result: R | None = None
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()


def in_order(
    work: Callable[[T], R],
    items: Iterable[T],
    *,
    threads: int,
    most: int,
    weight: Callable[[T], int] | None = None,
) -> Generator[R, None, None]:
    """The results of `work`, in the order of the items, which are taken when there is room for them.

    Of items begun and not yet taken by the caller there are at most `most`, or as many as weigh so much together, and
    always at least one. An error of `work` is raised in its item's turn. With one thread, all is done by the caller's.
    """
    if threads <= 1:
        yield from map(work, items)
        return
    tasks: queue.SimpleQueue[_Task[T, R] | None] = queue.SimpleQueue()
    given_up = threading.Event()
    begun: deque[tuple[_Task[T, R], int]] = deque()
    names = [f"kwrap-work-{number}" for number in range(threads)]
    running: list[threading.Thread] = []
    under_way = 0
    try:
        for item in items:
            heavy = 1 if weight is None else weight(item)
            while begun and under_way + heavy > most:
                yield _result(begun)
                under_way -= begun.popleft()[1]
            task: _Task[T, R] = _Task(item)
            begun.append((task, heavy))
            under_way += heavy
            tasks.put(task)
            if len(running) < threads:
                arguments = (work, tasks, given_up)
                running.append(threading.Thread(target=_run, args=arguments, name=names[len(running)], daemon=True))
                running[-1].start()
        while begun:
            yield _result(begun)
            begun.popleft()
    finally:
        given_up.set()
        for _ in running:
            tasks.put(None)
        for thread in running:
            thread.join()


def _result(begun: deque[tuple[_Task[T, R], int]]) -> R:
    task = begun[0][0]
    task.done.acquire()
    if task.error is not None:
        raise task.error
    result, task.result = task.result, None
    return result  # type: ignore[return-value]  # there is one where there is no error


def _run(work: Callable[[T], R], tasks: queue.SimpleQueue[_Task[T, R] | None], given_up: threading.Event) -> None:
    while (task := tasks.get()) is not None:
        if not given_up.is_set():
            try:
                task.result = work(task.item)
            except BaseException as error:
                task.error = error
        task.done.release()
        del task
