"""The real writers and collectors as actors of the machine: each in a thread of its own that stops before every call of
its storage, until it is told to go on; times are the test's.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from record_makers import checkpoint, experiment, note

from kwrap import processes
from kwrap.clock import Clock
from kwrap.errors import KwrapError, StorageError
from kwrap.ids import new_note_id
from kwrap.records import NoteKind
from kwrap.repository import layout, trees
from kwrap.repository.collector.collect import Collector, Pace
from kwrap.repository.collector.guard import Guard
from kwrap.repository.content import Content
from kwrap.repository.repository import Repository
from kwrap.storage.base import Storage, Stored

_DAY = 24 * 3600 * 1_000_000_000
_START = 1_000 * _DAY
_ID = "20261121-203036-a{:07d}"


class Crashed(BaseException):
    """The process is gone: whatever it would do to the storage has no effect any more."""


class TestClock(Clock):
    """The test's time, as one machine sees it."""

    __test__ = False

    def __init__(self, world: RealWorld, skew_ns: int) -> None:
        self._world, self._skew_ns = world, skew_ns

    def wall_ns(self) -> int:
        return self._world.now + self._skew_ns

    def monotonic_ns(self) -> int:
        return self._world.now


class Timed:
    """A storage whose clock is the test's. What is listed, is listed at once."""

    parallel = 1

    def __init__(self, storage: Storage, world: RealWorld) -> None:
        self.url = storage.url
        self._storage, self._world = storage, world
        self._modified: dict[str, int] = {}

    def before(self, what: str, name: str) -> None:
        """Nothing stands in the way of the test itself."""

    def read(self, name: str) -> bytes:
        self.before("read", name)
        return self._storage.read(name)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        self.before("read", name)
        return self._storage.read_range(name, offset, length)

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self.read(name))

    def size(self, name: str) -> int | None:
        self.before("size", name)
        return self._storage.size(name)

    def write(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None:
        self.before("write", name)
        self._storage.write(name, data)
        self._modified[name] = self._world.now

    def create(self, name: str, data: bytes) -> None:
        self.before("commit" if name.startswith(layout.CHECKPOINTS) else "create", name)
        self._storage.create(name, data)
        self._modified[name] = self._world.now

    def write_file(self, name: str, path: str | os.PathLike[str]) -> None:
        self.write(name, Path(path).read_bytes())

    def write_stream(self, name: str, chunks: Iterable[bytes]) -> None:
        self.write(name, b"".join(chunks))

    def batch(self) -> Any:
        return nullcontext(self)

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        self.before("list", prefix)
        found = list(self._storage.list(prefix, after))
        return iter([one._replace(modified_ns=self._modified.get(one.name, _START)) for one in found])

    def delete(self, name: str) -> None:
        kind = "delete" if layout.content_hash(name) else "revoke"
        self.before(kind, name)
        self._storage.delete(name)

    def is_empty(self) -> bool:
        return self._storage.is_empty()

    def now_ns(self) -> int:
        return self._world.now

    def writers_lock(self, *, shared: bool) -> AbstractContextManager[bool]:
        return nullcontext(False)


class Actor(Timed):
    """A storage for one actor, and the thread that uses it."""

    def __init__(self, world: RealWorld, work: Callable[[Storage], object]) -> None:
        super().__init__(world.storage, world)
        self._storage = world.storage
        self._world = world
        self._modified = world.storage._modified
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._crashed = False
        self._at: str | None = "begin"
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)

    def _run(self, work: Callable[[Storage], object]) -> None:
        self._go.acquire()
        try:
            work(self)
        except (Crashed, StorageError):
            pass  # it steps back; the machine may begin it again
        except BaseException as error:
            self.error = error
        self._at = None
        self._paused.release()

    def before(self, what: str, name: str) -> None:
        if not self._crashed:
            self._at = what
            self._paused.release()
            self._go.acquire()
        if self._crashed:
            raise Crashed

    def step(self) -> str | None:
        if self._at == "begin":
            self._thread.start()
        self._go.release()
        assert self._paused.acquire(timeout=60)
        if self.error is not None:
            raise self.error
        return self._at

    def crash(self) -> None:
        self._crashed = True
        if self._at not in ("begin", None):
            self._go.release()
            self._thread.join(60)


class RealWorld:
    """A repository in a real storage, which is new."""

    def __init__(self, storage: Storage, pace: Pace = Pace()) -> None:  # noqa: B008 - immutable
        self.now = _START
        self._pace = pace
        self.storage = Timed(storage, self)
        self._repository = Repository(self.storage, "test")
        self._content = Content(self.storage)
        self._actors: dict[int, Actor] = {}
        self._removed: set[int] = set()
        self._directory = tempfile.TemporaryDirectory()
        self._begun: set[int] = set()

    def begin_writer(self, number: int, pieces: frozenset[int], skew_ns: int) -> None:
        experiment_id = _ID.format(number)
        if number not in self._begun:
            self._begun.add(number)
            self._repository.write_experiment(experiment(id=experiment_id))
        clock = TestClock(self, skew_ns)

        def work(storage: Storage) -> None:
            repository, content = Repository(storage, "test"), Content(storage)

            def store(again: Any) -> str:
                entries = [
                    content.store_file(self._file(piece), b"piece-%d" % piece, 0o644, again=again)
                    for piece in sorted(pieces)
                ]
                return content.store_tree(trees.encode(entries), again=again)

            def write(tree: str) -> None:
                repository.write_checkpoint(checkpoint(1, experiment=experiment_id, tree=tree))

            Guard(storage, clock).commit(store, lambda tree: [tree], write)

        self._actors[number] = Actor(self, work)

    def _file(self, piece: int) -> str:
        path = f"{self._directory.name}/{piece}"
        if not os.path.exists(path):
            Path(path).write_bytes(hashlib.sha256(b"%d" % piece).digest() * 8)
        return path

    def begin_collector(self, number: int) -> None:
        self._actors[number] = Actor(self, lambda storage: self._collector(storage).advance())

    def _collector(self, storage: Storage) -> Collector:
        return Collector(storage, clock=TestClock(self, 0), pace=self._pace)

    def step(self, number: int) -> str | None:
        return self._actors[number].step()

    def crash(self, number: int, *, seen: bool) -> None:
        self._actors.pop(number).crash()
        if seen:
            self._mark_locks_dead()

    def _mark_locks_dead(self) -> None:
        """As if the processes that hold locks had been on this machine, and were gone; those at work make theirs anew.

        All actors are threads of this one process, so that none of their locks says that its holder is gone.
        """
        alive = {actor for actor in self._actors.values() if actor._at is not None}
        if any(actor for actor in alive if actor._at != "begin"):
            return
        gone = processes.Identity(2**22 + 1, 1, processes.boot_id())
        told = {"at": "long ago", "host": os.uname().nodename, "process": gone}
        for stored in list(self.storage._storage.list(layout.GC + layout.LOCK)):
            self.storage._storage.write(stored.name, json.dumps(told).encode())

    def committed(self) -> set[int]:
        found = {
            number
            for number in self._begun
            if self.storage._storage.size(layout.checkpoint(_ID.format(number), 1)) is not None
        }
        return found - self._removed

    def remove(self, number: int) -> None:
        self._removed.add(number)
        # The checkpoint, not the experiment: a writer that is still at work may write its record again.
        self._repository.add_note(
            note(NoteKind.DELETE, id=new_note_id(self.now + number), experiment=_ID.format(number), checkpoint=1)
        )

    def damaged(self) -> set[int]:
        return {number for number in self.committed() if not self._restores(number)}

    def _restores(self, number: int) -> bool:
        record = json.loads(self.storage._storage.read(layout.checkpoint(_ID.format(number), 1)))
        try:
            for entry, stream in Content(self.storage._storage).entries_in_pack_order(
                Content(self.storage._storage).tree(record["tree"])
            ):
                piece = int(entry.path.rpartition(b"-")[2])
                if stream.read() != Path(self._file(piece)).read_bytes():
                    return False
        except KwrapError:
            return False
        return True

    def close(self) -> None:
        for actor in self._actors.values():
            actor.crash()
        self._directory.cleanup()
