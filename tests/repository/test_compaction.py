"""Compaction: fewer objects, the same said; by any number at once, and cut off anywhere."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from log_model import HOUR_NS, Clock, ClockedStorage
from record_makers import ID, checkpoint, experiment, note, outcome, run

from kwrap.errors import StorageError
from kwrap.records import NoteKind
from kwrap.repository import index, layout, log_segments
from kwrap.repository.cache import IN_MEMORY, Cache
from kwrap.repository.cached import Cached
from kwrap.repository.compaction import compact
from kwrap.repository.following import follow
from kwrap.repository.repository import Repository
from kwrap.storage.base import Storage


class Log:
    """A repository whose clock a test moves."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.storage = ClockedStorage(self.clock)
        self.repository = Repository(self.storage, "r")
        self._number = 0

    def experiments(self, amount: int) -> None:
        """Begin so many more, two events each."""
        for _ in range(amount):
            self._number += 1
            one = f"20261121-200000-k{self._number:07d}"
            self.repository.begin(run(experiment=one), experiment(id=one))
            self.repository.write_outcome(outcome(experiment=one))
            self.clock.now_ns += HOUR_NS // 3600

    def names(self, prefix: str = layout.LOG) -> list[str]:
        return [stored.name for stored in self.storage.list(prefix)]

    def loose(self) -> list[str]:
        return [name for name in self.names() if not name.startswith(layout.INDEX)]

    def headers(self) -> list[log_segments.Header]:
        return [log_segments.decode(self.storage.read(name), name)[0] for name in self.names(layout.INDEX)]

    def current(self) -> list[log_segments.Header]:
        replaced = {name for one in self.headers() for name in one.segments}
        names = self.names(layout.INDEX)
        return [one for name, one in zip(names, self.headers(), strict=True) if name not in replaced]


@pytest.fixture
def log() -> Log:
    return Log()


def agree(storage: Storage, cache: Cache | None = None) -> bool:
    """Whether a reader, by default one that comes now, sees what is recorded."""
    cache = cache or Cache(IN_MEMORY)
    follow(storage, cache)
    listing = Cached(cache, storage)
    return ([listing.state(key) for key in listing.newest(None)], []) == index.gather(storage)


def test_few_events_are_left_as_they_are(log: Log) -> None:
    log.experiments(3)
    assert not compact(log.storage, loose=6)
    assert compact(log.storage, loose=5) and len(log.names(layout.INDEX)) == 1


def test_what_was_joined_is_deleted_a_day_later_and_readers_from_before_see_everything(log: Log) -> None:
    early = Cache(IN_MEMORY)
    log.experiments(5)
    assert agree(log.storage, early)
    assert compact(log.storage, loose=5)
    assert len(log.loose()) == 10 and agree(log.storage, early) and agree(log.storage)
    log.clock.now_ns += 25 * HOUR_NS
    log.experiments(5)
    assert compact(log.storage, loose=5)
    assert len(log.loose()) == 10  # the new ones
    log.clock.now_ns += 30 * 24 * HOUR_NS
    log.experiments(5)
    assert compact(log.storage, loose=5) and len(log.loose()) == 10
    assert agree(log.storage, early) and agree(log.storage)


def test_a_lines_worth_of_everything_is_joined(log: Log) -> None:
    log.repository.begin(run(), experiment())
    log.repository.write_checkpoint(checkpoint(1))
    log.repository.add_note(note(NoteKind.TAG, "paper"))
    log.repository.write_outcome(outcome())
    compact(log.storage, loose=0)
    (name,) = log.names(layout.INDEX)
    header, lines = log_segments.decode(log.storage.read(name), name)
    (line,) = lines
    told = log_segments.decode_line(line, name)
    assert (header.amount, header.complete, header.events) == (4, True, frozenset(log.loose()))
    assert (told.experiment, told.checkpoints) == (ID, (1,))
    assert sorted(told.records) == sorted(index.record_names(log.storage, ID))


def test_segments_stay_few_and_an_event_is_written_again_rarely(log: Log) -> None:
    written = rounds = 0
    for _ in range(64):
        log.experiments(2)
        if compact(log.storage, loose=3):
            rounds += 1
            written += max(one.amount for one in log.headers()[-1:])
        log.clock.now_ns += 25 * HOUR_NS
    assert rounds == 64 and log.current()
    amounts = sorted(one.amount for one in log.current())
    assert sum(amounts) == 256
    assert all(larger > 2 * sum(amounts[:at]) for at, larger in enumerate(amounts) if at)
    assert written <= 256 * 6  # of 64 rounds; all of it every time would be 256 * 32
    assert len(log.names(layout.INDEX)) < 12 and agree(log.storage)


def test_one_that_is_cut_off_anywhere_harms_nothing(log: Log) -> None:
    """At every call of the storage, in turn."""
    early = Cache(IN_MEMORY)
    for at in range(200):
        log.experiments(3)
        cut = Cut(log.storage, at)
        try:
            compact(cut, loose=2)
        except StorageError:
            log.clock.now_ns += 13 * HOUR_NS
            assert agree(log.storage)
            continue
        break
    assert at > 10
    assert agree(log.storage, early) and agree(log.storage)


class Cut:
    """A storage that fails from its n-th call on."""

    def __init__(self, storage: Storage, calls: int) -> None:
        self._storage = storage
        self._left = calls
        self.url = storage.url
        self.parallel = 1

    def __getattr__(self, name: str) -> Callable[..., object]:
        found: Callable[..., object] = getattr(self._storage, name)

        def called(*arguments: object, **options: object) -> object:
            self._left -= 1
            if self._left < 0 and name != "now_ns":
                raise StorageError("the network is gone")
            return found(*arguments, **options)

        return called


@pytest.mark.parametrize("harm", [b"", b"{", b"\xff"])
def test_a_damaged_event_is_healed_in_passing(log: Log, harm: bytes) -> None:
    log.experiments(3)
    log.storage.write(log.loose()[2], harm)
    assert compact(log.storage, loose=2)
    for name in log.loose():
        log.storage.delete(name)
    assert agree(log.storage)


@pytest.mark.parametrize("keep", [0, 30, -20])
def test_a_damaged_segment_is_left_alone(log: Log, keep: int) -> None:
    log.experiments(3)
    compact(log.storage, loose=2)
    (first,) = log.names(layout.INDEX)
    log.storage.write(first, log.storage.read(first)[:keep])
    log.experiments(3)
    assert compact(log.storage, loose=2)
    cache = Cache(IN_MEMORY)
    follow(log.storage, cache)
    listing = Cached(cache, log.storage)
    assert listing.total == 6 and any(first in problem for problem in listing.problems())


def test_experiments_that_nothing_told_of_are_taken_in(log: Log) -> None:
    log.repository.write_experiment(experiment())
    log.experiments(3)
    compact(log.storage, loose=2)
    (header,) = log.headers()
    assert header.complete and agree(log.storage)


def test_several_processes_may_compact_while_others_write(tmp_path: Path) -> None:
    repository = Repository.open(str(tmp_path / "repository"), create=True)
    code = textwrap.dedent("""
        import sys
        sys.path[:0] = sys.argv[3:]
        from record_makers import experiment, outcome, run
        from kwrap.repository.compaction import compact
        from kwrap.repository.repository import Repository
        repository = Repository.open(sys.argv[1])
        for number in range(25):
            one = f"20261121-203036-k{sys.argv[2]}{number:06d}"
            repository.begin(run(experiment=one), experiment(id=one))
            repository.write_outcome(outcome(experiment=one))
            compact(repository.storage, loose=5)
    """)
    command = [sys.executable, "-c", code, repository.url]
    processes = [subprocess.Popen([*command, str(number), str(Path(__file__).parent)]) for number in range(3)]
    early = Cache(IN_MEMORY)
    while any(process.poll() is None for process in processes):
        follow(repository.storage, early)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert agree(repository.storage, early) and agree(repository.storage)
    assert Cached(early, repository.storage).total == 75
