"""What is freed, when, and what is not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from record_makers import ID, checkpoint, experiment, heartbeat, note, outcome, run
from stepping import TestClock, Timed

from kwrap.errors import Damaged, StorageError
from kwrap.ids import new_note_id
from kwrap.project.collecting import collect
from kwrap.records import NoteKind, Source
from kwrap.repository import layout, status, trees
from kwrap.repository.collector import condemned
from kwrap.repository.collector.collect import Collected, Collector
from kwrap.repository.collector.lock import hold
from kwrap.repository.collector.reachable import Hashes
from kwrap.repository.repository import Repository
from kwrap.storage.disk import DiskStorage
from kwrap.storage.memory import MemoryStorage

MINUTE = 60_000_000_000
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
OTHER = "20261121-203036-m2abcdef"


class Rig:
    """A repository in memory, in a time of its own."""

    def __init__(self, directory: Path) -> None:
        self.world: Any = SimpleNamespace(now=time.time_ns())
        self.storage: Any = Timed(MemoryStorage(), self.world)
        self.repository = Repository(self.storage, "test")
        self._directory = directory

    def store(self, *words: str) -> str:
        """A tree of files that hold these words."""
        entries = []
        for word in words:
            path = self._directory / word
            path.write_text(word * 100)
            entries.append(self.repository.content.store_file(str(path), word.encode(), 0o644))
        return self.repository.content.store_tree(trees.encode(entries))

    def record(self, experiment_id: str, *words: str, ended: bool = True) -> None:
        source = Source(tree=self.store("code"), content_sha256="c" * 64, files=1, size_bytes=400)
        self.repository.begin(run(experiment=experiment_id), experiment(id=experiment_id, source=source))
        self.repository.write_output_segment(experiment_id, "r0-a1", 0, b"printed", b"")
        for number, word in enumerate(words, start=1):
            tree = self.store(word)
            self.repository.write_checkpoint(checkpoint(number, experiment=experiment_id, tree=tree))
        if ended:
            self.repository.write_outcome(outcome(experiment=experiment_id, output_bytes=7))

    def remove(self, experiment_id: str, number: int | None = None) -> None:
        one = new_note_id(self.world.now)
        self.repository.add_note(note(NoteKind.DELETE, id=one, experiment=experiment_id, checkpoint=number))

    def advance(self, minutes: int = 0) -> Collected:
        self.world.now += minutes * MINUTE
        return Collector(self.storage, clock=clock_of(self.world)).advance()

    def names(self, prefix: str = "") -> list[str]:
        return [stored.name for stored in self.storage.list(prefix)]

    def restores(self, experiment_id: str) -> bool:
        content = self.repository.content
        for one in self.repository.state(experiment_id).checkpoints:
            for entry, stream in content.entries_in_pack_order(content.tree(one.tree or "")):
                assert stream.read() == entry.path * 100
        return True


def clock_of(world: Any) -> TestClock:
    return TestClock(world, 0)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_hashes_hold_what_was_added_and_nothing_else() -> None:
    added = [os.urandom(32).hex() for _ in range(20_000)]
    found = Hashes()
    for one in added * 2:
        found.add(one)
    assert all(one in found for one in added)
    assert not any(os.urandom(32).hex() in found for _ in range(20_000))


def test_in_what_nobody_removed_anything_from_nothing_is_freed(rig: Rig) -> None:
    rig.record(ID, "one", "two")
    rig.world.now += 30 * DAY
    assert Collector(rig.storage).preview() == Collected()
    before = rig.names()
    for _ in range(3):
        assert rig.advance(100) == Collected()
    assert rig.names() == before


def test_a_removed_experiment_is_condemned_announced_and_deleted(rig: Rig) -> None:
    rig.record(ID, "mine", "shared")
    rig.record(OTHER, "shared", "other")
    rig.remove(ID)
    rig.world.now += 2 * DAY
    expected = Collector(rig.storage).preview()
    assert (expected.condemned_objects, expected.condemned_experiments) == (2, 1)
    begun = rig.advance()
    assert begun.freed_objects == 0
    assert begun.condemned_bytes == expected.condemned_bytes
    assert begun.due_ns == rig.world.now + HOUR
    assert rig.advance(59).due_ns == begun.due_ns, "it is too early, and nothing has changed"
    announced = rig.advance(2)
    assert announced.freed_objects == 0
    assert announced.due_ns == rig.world.now + 15 * MINUTE
    assert rig.advance(14).freed_objects == 0
    done = rig.advance(2)
    assert (done.freed_bytes, done.freed_objects, done.freed_experiments) == (expected.condemned_bytes, 2, 1)
    assert done.due_ns is None
    assert rig.repository.ids() == [OTHER]
    assert rig.restores(OTHER)
    assert not [name for name in rig.names() if ID in name and not name.startswith(("metadata/notes/", "log/"))]


def test_the_delete_mark_stays_until_no_reader_can_still_need_it(rig: Rig) -> None:
    rig.record(ID, "mine")
    rig.remove(ID)
    rig.world.now += 2 * DAY
    for minutes in (0, 61, 16):
        rig.advance(minutes)
    assert rig.repository.ids() == []
    assert rig.names(layout.NOTES), "it was deleted with the collection that comes next, if it was old"
    rig.advance(25 * 60)
    rig.advance(100)
    assert not rig.names(layout.NOTES)


def test_of_a_removed_checkpoint_the_record_stays(rig: Rig) -> None:
    rig.record(ID, "first", "second")
    rig.remove(ID, 1)
    rig.world.now += 2 * DAY
    for minutes in (0, 61, 16):
        done = rig.advance(minutes)
    assert (done.freed_objects, done.freed_experiments) == (2, 0)
    assert [one.sequence for one in rig.repository.state(ID).checkpoints] == [1, 2]
    assert rig.repository.content.tree(rig.repository.state(ID).checkpoints[1].tree or "")


def test_what_is_younger_than_a_day_is_left(rig: Rig) -> None:
    rig.store("half an upload")
    rig.world.now += DAY - MINUTE
    found = rig.advance()
    assert (found.condemned_objects, found.young_objects) == (0, 2)
    assert rig.advance(2).condemned_objects == 2


@pytest.mark.parametrize(
    "sign", [lambda rig: rig.repository.write_heartbeat(heartbeat()),
             lambda rig: rig.repository.write_output_segment(ID, "r0-a1", 7, b"more", b"")],
)  # fmt: skip
def test_an_experiment_that_may_be_running_is_kept_removed_or_not(rig: Rig, sign: Callable[[Rig], object]) -> None:
    rig.record(ID, "weights", ended=False)
    rig.remove(ID)
    rig.world.now += 2 * DAY
    sign(rig)
    rig.world.now += 23 * HOUR
    assert rig.advance() == Collected()
    assert rig.restores(ID)
    gone = rig.advance(61)
    assert gone.condemned_experiments == 1


def test_an_experiment_that_comes_back_to_life_is_kept(rig: Rig) -> None:
    """Its recorder had no network for days."""
    rig.record(ID, "weights", ended=False)
    rig.remove(ID)
    rig.world.now += 2 * DAY
    assert rig.advance().condemned_experiments == 1
    rig.advance(61)
    rig.repository.write_checkpoint(checkpoint(2, tree=rig.store("late")))
    assert rig.advance(16).freed_experiments == 0
    assert rig.restores(ID)


@pytest.mark.parametrize("folder", [layout.EXPERIMENTS, layout.CHECKPOINTS, layout.TREES])
def test_what_cannot_be_read_keeps_everything(rig: Rig, folder: str) -> None:
    rig.record(ID, "weights")
    rig.record(OTHER, "others")
    rig.remove(OTHER)
    rig.world.now += 2 * DAY
    tree = rig.repository.state(ID).checkpoints[0].tree or ""
    name = layout.tree(tree) if folder == layout.TREES else next(one for one in rig.names(folder) if ID in one)
    rig.storage.write(name, b"rubbish")
    before = rig.names()
    with pytest.raises(Damaged, match="nothing was freed") as raised:
        rig.advance()
    assert name in raised.value.message
    assert "kwrap verify" in str(raised.value.hint)
    assert rig.names() == before


def test_one_collector_at_a_time_and_one_that_is_gone_does_not_count(rig: Rig) -> None:
    with hold(rig.storage), pytest.raises(StorageError, match="another 'kwrap gc' is at work") as raised:
        rig.advance()
    assert raised.value.transient
    assert not rig.names(layout.GC)
    for process in ('{"at": "x", "host": "elsewhere", "process": [1, 1, "x"]}', "rubbish"):
        rig.storage.write(layout.collector_lock("stale"), process.encode())
        with pytest.raises(StorageError, match="another"):
            rig.advance(60)
        assert rig.advance(23 * 60 + 1) == Collected()
        assert not rig.names(layout.GC)
    gone = f'{{"at": "x", "host": "{os.uname().nodename}", "process": [4194305, 1, null]}}'
    rig.storage.write(layout.collector_lock("killed"), gone.encode())
    assert rig.advance() == Collected()


def test_a_collector_that_was_held_up_stops(rig: Rig) -> None:
    with hold(rig.storage, clock_of(rig.world)) as lock:
        lock.check()
        rig.world.now += 13 * HOUR
        with pytest.raises(StorageError, match="held up"):
            lock.check()
    with hold(rig.storage, clock_of(rig.world)) as lock:
        (name,) = rig.names(layout.GC)
        rig.storage.delete(name)
        with pytest.raises(StorageError, match="held up"):
            lock.check()


def test_lists_that_were_done_long_ago_are_forgotten(rig: Rig) -> None:
    rig.record(ID, "weights")
    rig.remove(ID)
    rig.world.now += 2 * DAY
    for minutes in (0, 61, 16):
        rig.advance(minutes)
    assert len(rig.names(layout.GC)) == 3
    rig.advance(6 * 24 * 60)
    assert len(condemned.look(rig.storage).done()) == 1
    rig.advance(2 * 24 * 60)
    assert not rig.names(layout.GC)


def test_at_once_needs_force_where_writers_cannot_be_kept_off(rig: Rig) -> None:
    rig.record(ID, "weights")
    rig.remove(ID)
    with pytest.raises(StorageError, match="cannot keep writers off") as raised:
        Collector(rig.storage).now(force=False)
    assert "--force" in str(raised.value.hint)
    rig.world.now += HOUR
    done = Collector(rig.storage).now(force=True)
    assert (done.freed_experiments, done.freed_objects) == (1, 4)
    assert not rig.names(layout.BLOBS)
    assert rig.repository.ids() == []


def test_an_interrupted_collection_leaves_nothing_that_readers_take_for_damage(tmp_path: Path) -> None:
    """Killed before every single thing that it changes."""
    steps = 0
    while True:
        rig = Rig(tmp_path)
        rig.record(ID, "mine")
        rig.record(OTHER, "other")
        rig.remove(ID)
        rig.world.now += HOUR
        left = steps

        def count(what: str, name: str) -> None:
            nonlocal left
            if what in ("create", "write", "delete", "revoke"):
                if left == 0:
                    raise KeyboardInterrupt
                left -= 1

        rig.storage.before = count
        try:
            Collector(rig.storage).now(force=True)
            finished = True
        except KeyboardInterrupt:
            finished = False
        rig.storage.before = lambda what, name: None
        states, problems = rig.repository.states()
        assert problems == []
        assert [one.experiment.id for one in states if not status.deleted(one)] == [OTHER]
        assert rig.restores(OTHER)
        if finished:
            assert steps >= 10
            return
        steps += 1


def test_waiting_takes_all_steps(rig: Rig) -> None:
    rig.record(ID, "weights")
    rig.remove(ID)
    rig.world.now += 2 * DAY

    def pause(seconds: float) -> None:
        rig.world.now += int(seconds * 1e9)

    done = collect(
        rig.storage, clock_of(rig.world), dry_run=False, now=False, wait=True, force=False, progress=str, pause=pause
    )
    assert (done.freed_experiments, done.freed_objects, done.due_ns) == (1, 4, None)


def test_what_killed_writers_left_is_removed_after_a_week(tmp_path: Path) -> None:
    storage = DiskStorage(str(tmp_path))
    Repository.open(str(tmp_path), create=True)
    old, young = tmp_path / "tmp" / "host.1.0.aaaa", tmp_path / "tmp" / "host.1.1.bbbb"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 8 * 24 * 3600,) * 2)
    collect(
        storage,
        clock_of(SimpleNamespace(now=time.time_ns())),
        dry_run=True,
        now=False,
        wait=False,
        force=False,
        progress=str,
    )
    assert old.exists()
    collect(
        storage,
        clock_of(SimpleNamespace(now=time.time_ns())),
        dry_run=False,
        now=False,
        wait=False,
        force=False,
        progress=str,
    )
    assert not old.exists()
    assert young.exists()
