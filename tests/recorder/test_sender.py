"""What is small goes to the repository beside everything else, and nobody waits for it."""

from __future__ import annotations

import threading

from kwrap.recorder.sender import Sender
from support import wait_until


def test_of_each_kind_the_latest_is_sent_while_nobody_waits() -> None:
    sender = Sender()
    held, begun = threading.Event(), threading.Event()
    sent: list[str] = []

    def hold() -> None:
        begun.set()
        held.wait(30)
        sent.append("first")

    sender.offer("segments", hold)
    assert begun.wait(30)
    for number in range(3):  # the repository does not answer, and who offers goes on
        sender.offer("segments", lambda number=number: sent.append(f"segments {number}"))  # type: ignore[misc]
    sender.offer("heartbeat", lambda: sent.append("heartbeat"))
    assert sent == []
    held.set()
    wait_until(lambda: len(sent) == 3, what="everything that waited")
    assert sent == ["first", "segments 2", "heartbeat"]
    sender.finish()


def test_at_the_end_what_has_begun_is_done_and_the_rest_is_left() -> None:
    sender = Sender()
    begun = threading.Event()
    sent: list[str] = []

    def hold() -> None:
        begun.set()
        wait_until(lambda: sender._ending, what="the end")
        sent.append("begun")

    sender.offer("segments", hold)
    assert begun.wait(30)
    sender.offer("heartbeat", lambda: sent.append("heartbeat"))
    sender.finish()
    assert sent == ["begun"]


def test_without_anything_to_send_there_is_no_thread() -> None:
    before = threading.active_count()
    sender = Sender()
    sender.finish()
    assert threading.active_count() == before
