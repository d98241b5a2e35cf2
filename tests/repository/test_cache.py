"""The cache: a few requests however many experiments there are, and never in the way when it cannot be had."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from log_model import HOUR_NS, Clock, ClockedStorage, Counting, fill
from record_makers import ID, checkpoint, experiment, heartbeat, note, outcome, run

import kwrap
from kwrap.clock import Clock as WallClock
from kwrap.errors import AmbiguousId, UnknownId
from kwrap.records import NoteKind, Reason
from kwrap.repository import cache_path, index, layout, series
from kwrap.repository.cache import IN_MEMORY, Cache
from kwrap.repository.cached import Cached
from kwrap.repository.following import follow
from kwrap.repository.repository import Repository
from kwrap.storage.disk import DiskStorage
from kwrap.storage.memory import MemoryStorage

REMOTE = "counted://storage"


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches" / "kwrap"


@pytest.fixture
def counting() -> Counting:
    return Counting(MemoryStorage())


@pytest.fixture
def repository(counting: Counting) -> Repository:
    return Repository(counting, "r")


def opened(monkeypatch: pytest.MonkeyPatch, counting: Counting) -> kwrap.Project:
    """A project whose repository is opened as by a command: with its header."""
    monkeypatch.setitem(sys.modules["kwrap.storage.open"].__dict__["_memories"], "memory:counted", counting)
    project = kwrap.Project()
    project._url = "memory:counted"
    return project


def a_header(storage: MemoryStorage) -> None:
    storage.create(layout.REPOSITORY, b'{"id": "r", "version": 2, "min_reader": 2, "hash": "sha256"}')


# Requests


@pytest.mark.parametrize("amount", [10, 1000, 10_000])
def test_the_requests_of_a_warm_list_and_of_show_do_not_grow_with_the_experiments(
    amount: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = MemoryStorage()
    a_header(storage)
    known = fill(storage, amount)
    series.write_metrics(storage, known[3], "r0-a1", 0, [])
    counting = Counting(storage)
    assert opened(monkeypatch, counting).experiments.list(last=5).total == amount
    counting.requests.clear()
    found = opened(monkeypatch, counting).experiments.list(last=5)
    assert [one["id"] for one in found.rows()] == known[-5:]
    assert sum(counting.requests.values()) <= 3, counting.requests
    for name in (known[3], known[3][:-1], "k0000003", "name-3", "tag-3"):
        counting.requests.clear()
        one = opened(monkeypatch, counting).experiments.get(name)
        assert one.id == known[3] and one.status.value == "finished" and one.record.params["lr"].value == 0.01
        one.metrics()
        assert sum(counting.requests.values()) <= 6, (name, counting.requests)
    counting.requests.clear()
    opened(monkeypatch, counting).experiments.list(filter="loss < 2", sort="-loss").rows()
    assert sum(counting.requests.values()) <= 3, counting.requests


def test_of_what_runs_only_heartbeats_that_have_changed_are_read(repository: Repository, counting: Counting) -> None:
    ids = [f"20261121-203036-k{number:07d}" for number in range(5)]
    for one in ids:
        repository.begin(run(experiment=one), experiment(id=one))
        repository.write_heartbeat(heartbeat(experiment=one))
    repository.listing()
    counting.requests.clear()
    repository.listing()
    assert counting.requests == {"list": 2}
    repository.write_heartbeat(heartbeat(experiment=ids[2], step=7))
    counting.requests.clear()
    assert repository.listing().rows(ids, 0)[2]["step"] == 7
    assert counting.requests == {"list": 2, "read": 1}


def test_an_unknown_name_and_an_ambiguous_one_read_no_records(counting: Counting, repository: Repository) -> None:
    fill(counting, 300)
    repository.listing()
    counting.requests.clear()
    with pytest.raises(UnknownId, match="no experiment matches 'nmae-3'") as unknown:
        repository.look_up("nmae-3")
    assert "did you mean name-3" in str(unknown.value.hint)
    with pytest.raises(AmbiguousId, match=r"means 300 experiments: k0000292 \(name-292\), .* and 292 older"):
        repository.look_up("k0")
    assert counting.requests == {"list": 4}


# What is told, and what is not


def states(repository: Repository) -> list[object]:
    listing = repository.listing()
    assert isinstance(listing, Cached)
    return [listing.state(key) for key in listing.newest(None)]


def agrees(repository: Repository) -> bool:
    gathered, problems = index.gather(repository.storage)
    return states(repository) == gathered and repository.listing().problems() == problems


def test_a_repository_without_a_log_is_gathered_once(repository: Repository, counting: Counting) -> None:
    for number in range(40):
        one = f"20261121-203036-k{number:07d}"
        repository.write_run(run(experiment=one))
        repository.write_experiment(experiment(id=one))
    assert agrees(repository) and len(states(repository)) == 40
    counting.requests.clear()
    repository.listing()
    assert counting.requests == {"list": 2}


@pytest.mark.parametrize("harm", [b"", b"{", b"[]", b'{"experiment": 1, "records": {}}', b"\xff"])
def test_a_damaged_event_is_made_up_for_by_reading_the_records(repository: Repository, harm: bytes) -> None:
    repository.begin(run(), experiment())
    repository.write_checkpoint(checkpoint(1))
    for stored in list(repository.storage.list(layout.LOG)):
        repository.storage.write(stored.name, harm)
    assert agrees(repository) and len(states(repository)) == 1


def test_lost_events_are_noticed_when_the_run_ends(repository: Repository) -> None:
    repository.listing()
    repository.begin(run(), experiment())
    repository.write_checkpoint(checkpoint(1))
    for stored in list(repository.storage.list(layout.LOG)):
        repository.storage.delete(stored.name)
    repository.write_outcome(outcome())
    assert agrees(repository) and len(states(repository)) == 1


def test_a_heartbeat_without_an_experiment_makes_its_records_be_read(repository: Repository) -> None:
    repository.listing()
    repository.write_run(run())
    repository.write_experiment(experiment())
    repository.write_heartbeat(heartbeat())
    assert agrees(repository) and len(states(repository)) == 1
    repository.storage.create(layout.outcome(ID, "r0-a1"), json.dumps({**OUTCOME}).encode())
    repository.delete_heartbeat(ID, "r0-a1")  # and nobody told
    assert agrees(repository)


OUTCOME = {"experiment": ID, "run": "r0-a1", "reason": "finished"}


def test_a_damaged_segment_is_told_and_made_up_for(repository: Repository, counting: Counting) -> None:
    known = fill(counting, 30)
    (segment,) = counting.list(layout.INDEX)
    whole = counting.read(segment.name)
    for harm in (b"", whole[:-9], whole[:40], b"x" * 100):
        counting.write(segment.name, harm)
        listing = Repository(counting, f"r{len(harm)}").listing()
        assert listing.newest(None) == known
        assert [problem for problem in listing.problems() if segment.name in problem and "damaged" in problem]


def test_a_reader_whose_log_was_put_back_begins_anew() -> None:
    """As when a backup is copied over a repository."""
    clock = Clock()
    storage = ClockedStorage(clock)
    repository = Repository(storage, "r")
    repository.begin(run(), experiment())
    before = dict(storage._objects)
    clock.now_ns += HOUR_NS // 1000
    repository.add_note(note(NoteKind.TAG, "paper"))
    clock.now_ns += HOUR_NS // 1000
    assert repository.listing().called("paper") == [ID]
    storage._objects.clear()
    storage._objects.update(before)
    repository.begin(run(experiment="x-y"), experiment(id="x-y"))
    assert repository.listing().called("paper") == []
    assert agrees(repository)


def test_writers_whose_clocks_are_far_behind_are_seen_within_an_hour() -> None:
    clock = Clock()
    storage = ClockedStorage(clock)
    late = Repository(ClockedStorage(clock, -5 * HOUR_NS, storage), "r")
    reader = Repository(storage, "r")
    reader.begin(run(), experiment())
    assert len(states(reader)) == 1
    late.begin(run(experiment="x-y"), experiment(id="x-y"))
    clock.now_ns += HOUR_NS
    assert agrees(reader) and len(states(reader)) == 2


def test_status_and_duration_are_as_of_now(repository: Repository) -> None:
    repository.begin(run(), experiment())
    began = WallClock().wall_ns() * 0 + 1_795_293_036_123_000_000
    for after_s, status in ((10, "running"), (29, "running"), (31, "lost")):
        now_ns = began + after_s * 1_000_000_000
        (row,) = repository.listing().rows([ID], now_ns)
        assert row["status"] == status
        assert row["duration"] == (after_s if status == "running" else None)
        assert repository.listing().running(now_ns) == ([ID] if status == "running" else [])


# The file


def test_few_experiments_in_a_directory_are_read_themselves_and_no_cache_is_made(tmp_path: Path, caches: Path) -> None:
    repository = Repository.open(str(tmp_path / "repository"), create=True)
    for number in range(100):
        repository.write_experiment(experiment(id=f"20261121-203036-k{number:07d}"))
    assert repository.listing().total == 100 and not caches.exists()
    repository.write_experiment(experiment())
    assert repository.listing().total == 101 and len(list(caches.iterdir())) == 1


def _garbage(path: Path) -> None:
    path.write_bytes(os.urandom(8192))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _scratched(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 * 2] = bytes(len(data) // 3)
    path.write_bytes(data)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _of_another_format(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.execute("DROP TABLE facts")
    connection.commit()
    connection.close()


def _without_sense(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE told SET text = 'x'")
    connection.execute("UPDATE experiments SET row = '{'")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("harm", [_garbage, _cut, _scratched, _empty, _of_another_format, _without_sense])
def test_a_cache_that_is_not_what_it_should_be_is_made_anew(
    counting: Counting, repository: Repository, caches: Path, harm: Callable[[Path], None]
) -> None:
    known = fill(counting, 200)
    listing = repository.listing()
    wanted = listing.rows(known, 0)
    (path,) = caches.iterdir()
    harm(path)
    for _ in range(2):  # what is damaged is found at once, or when rows are read
        again = repository.listing()
        assert (again.newest(None), list(again.rows(known, 0))) == (known, list(wanted))
    assert sqlite3.connect(path).execute("SELECT count(*) FROM experiments").fetchone() == (200,)


def test_where_no_cache_can_be_kept_the_log_is_followed_all_the_same(
    counting: Counting, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = fill(counting, 200)
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", Path("/proc/nowhere"), Path("/dev/full")):
        monkeypatch.setenv("XDG_CACHE_HOME", str(place))
        counting.requests.clear()
        assert repository.listing().newest(2) == known[-2:]
        assert counting.requests == {"list": 2, "read": 1}


def test_a_full_disk_costs_the_cache_and_not_the_list(
    counting: Counting, repository: Repository, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = fill(counting, 3000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(small_disk))
    assert repository.listing().newest(2) == known[-2:]


def test_a_cache_that_another_process_holds_is_waited_for_and_then_done_without(
    counting: Counting, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kwrap.repository.cache._WAIT_S", 0.2)
    known = fill(counting, 50)
    repository.listing()
    repository.begin(run(), experiment())
    other = sqlite3.connect(cache_path.path_of("r", REMOTE))
    other.execute("BEGIN EXCLUSIVE")
    assert repository.listing().newest(None) == [*known, ID]
    other.rollback()
    other.close()
    assert repository.listing().newest(None) == [*known, ID]


def test_many_processes_follow_into_one_cache(tmp_path: Path, caches: Path) -> None:
    root = str(tmp_path / "repository")
    storage = DiskStorage(root)
    a_header(storage)  # type: ignore[arg-type]
    known = fill(storage, 400)
    code = textwrap.dedent("""
        import sys
        from kwrap.repository.repository import Repository
        sys.path[:0] = sys.argv[3:]
        from record_makers import experiment, run
        repository = Repository.open(sys.argv[1])
        for number in range(10):
            one = f"20261121-203036-k{sys.argv[2]}{number:06d}"
            repository.begin(run(experiment=one), experiment(id=one))
            assert one in repository.listing().newest(None)
        rows = repository.listing().rows(repository.listing().newest(None), 0)
        print(len(rows) >= 410)
    """)
    command = [sys.executable, "-c", code, root]
    processes = [
        subprocess.Popen([*command, str(number), str(Path(__file__).parent)], stdout=subprocess.PIPE)
        for number in range(4)
    ]
    assert [process.communicate()[0] for process in processes] == [b"True\n"] * 4
    repository = Repository.open(root)
    assert repository.listing().total == 440 and repository.listing().newest(None)[:400] == known
    assert len(list(caches.iterdir())) == 1


def test_the_states_of_ranks_and_of_what_was_removed_are_those_of_the_records(repository: Repository) -> None:
    repository.begin(run(), experiment(tags=("a",)))
    repository.begin(run(1), experiment(tags=("a",)))
    repository.write_outcome(outcome(Reason.FAILED, run="r1-a1"))
    repository.add_note(note(NoteKind.DELETE, "", 1, checkpoint=2))
    assert agrees(repository)
    repository.add_note(note(NoteKind.DELETE, "", 2))
    listing = repository.listing()
    assert (listing.newest(None), listing.total, listing.called("a")) == ([], 0, [])
    assert listing.beginning("k3", 5) == (1, [ID])
    assert listing.state(ID) == index.gather(repository.storage)[0][0]
    assert replace(experiment(), tags=("a",)) == listing.state(ID).experiment  # type: ignore[union-attr]


@pytest.mark.parametrize("writes", range(1, 8))
def test_a_reader_that_is_cut_off_between_two_writes_is_made_up_for_by_the_next(writes: int) -> None:
    """At each of its writes in turn, when an event is damaged and another one was lost."""
    storage = ClockedStorage(Clock())
    repository = Repository(storage, "r")
    for one in (ID, "x-y"):
        repository.begin(run(experiment=one), experiment(id=one))
        repository.write_heartbeat(heartbeat(experiment=one))
    first, second = (stored.name for stored in list(storage.list(layout.LOG)))
    storage.write(first, b"{")
    storage.delete(second)
    cache = Cutting(IN_MEMORY, writes)
    with suppress(KeyboardInterrupt):
        follow(storage, cache)
    cache.left = 1000
    follow(storage, cache)
    listing = Cached(cache, storage)
    assert [listing.state(key) for key in listing.newest(None)] == index.gather(storage)[0]


class Cutting(Cache):
    """A cache whose reader is interrupted at its n-th write."""

    left = 1000

    def __init__(self, path: str, writes: int) -> None:
        super().__init__(path)
        self.left = writes

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        with super().writing() as connection:
            yield connection
