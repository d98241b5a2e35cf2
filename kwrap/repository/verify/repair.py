"""Mending: content from what lies on this machine, records from the log, the log from the records. Deletes nothing.

What is written in place of something wrong has been checked before: content by its hash, a record by being just what
the log has told of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from kwrap.errors import AlreadyExists, Damaged, KwrapError, NotFound
from kwrap.repository import compression, events, index, layout, packs, pieces, record_objects
from kwrap.repository.trees import TreeEntry
from kwrap.repository.verify import records
from kwrap.repository.verify.check import Check
from kwrap.repository.verify.problems import Kind, Problem
from kwrap.repository.verify.sources import Sources
from kwrap.storage.base import Storage

_TREE_LEVEL, _PIECE_LEVEL = 3, 1


def mend(storage: Storage, check: Check) -> tuple[Problem, ...]:
    """What was found, and of each whether it is mended now; the message says what could not be."""
    with storage.writers_lock(shared=True):
        mending = _Mending(storage, check)
        return tuple(problem if problem.kind is Kind.SURPLUS else mending.mend(problem) for problem in check.problems)


def shows_more(problem: Problem) -> bool:
    """Whether what was mended names other things, which nobody has missed before."""
    return problem.repaired and problem.object.startswith((layout.TREES, layout.EXPERIMENTS, layout.CHECKPOINTS))


class _Mending:
    def __init__(self, storage: Storage, check: Check) -> None:
        self._storage = storage
        self._check = check
        broken = [problem for problem in check.problems if problem.kind is not Kind.SURPLUS]
        wanted = {layout.content_hash(problem.object) or "" for problem in broken} - {""}
        self._sources = Sources(self._entries() if wanted else (), wanted)
        self._told_of = check.log.find(
            frozenset(problem.object for problem in broken if problem.object.startswith("metadata/"))
        )

    def _entries(self) -> Iterator[tuple[str | None, TreeEntry]]:
        projects = self._check.records.projects
        for tree, entries in self._check.trees:
            for entry in entries if isinstance(entries, tuple) else ():
                for experiment_id in self._check.trees.experiments[tree]:
                    yield projects.get(experiment_id), entry

    def mend(self, problem: Problem) -> Problem:
        name = problem.object
        try:
            if layout.content_hash(name) is not None:
                done = self._mend_content(name)
            elif name.startswith("metadata/"):
                done = self._mend_record(problem)
            elif name.startswith(layout.LOG):
                done = self._mend_event(name)
            else:
                done = False
        except KwrapError as error:
            return dataclasses.replace(problem, message=f"{problem.message}, and cannot be mended: {error.message}")
        if done:
            short = name.startswith(layout.EXPERIMENTS) and name not in _untold(self._check)
            lost = f"; its {' and '.join(events.LEFT_OUT)} are lost, as the log leaves them out" if short else ""
            return dataclasses.replace(problem, message=problem.message + lost, repaired=True)
        return dataclasses.replace(problem, message=f"{problem.message}, and cannot be mended from this machine")

    # Content

    def _mend_content(self, name: str) -> bool:
        sha256 = layout.content_hash(name) or ""
        if name.startswith(layout.PACKS):
            return any(self._upload(path, sha256) for path in self._sources.packs(sha256))
        if name.startswith(layout.TREES):
            manifest = self._sources.tree(sha256)
            if manifest is not None:
                self._storage.write(name, compression.compress(manifest, _TREE_LEVEL))
            return manifest is not None
        piece = self._other_form(name, sha256) or self._sources.piece(sha256)
        if piece is None:
            return False
        if name.endswith(".zst"):
            self._storage.write(name, compression.compress(piece, _PIECE_LEVEL))
        elif self._storage.size(name) is None:
            pieces.write(self._storage, sha256, memoryview(piece))
        else:
            self._storage.write(name, piece)
        return True

    def _upload(self, path: str, sha256: str) -> bool:
        try:
            packs.upload(self._storage, path, sha256)
        except Damaged:
            return False
        return True

    def _other_form(self, name: str, sha256: str) -> bytes | None:
        """A piece may lie there twice, as it is and compressed."""
        other = layout.blob(sha256, compressed=not name.endswith(".zst"))
        try:
            data = self._storage.read(other)
            plain = compression.decompress(data, other) if other.endswith(".zst") else data
        except (NotFound, Damaged):
            return None
        return plain if hashlib.sha256(plain).hexdigest() == sha256 else None

    # Records and the log

    def _mend_record(self, problem: Problem) -> bool:
        name = problem.object
        if name in self._check.records.names and name in _untold(self._check):
            return self._tell(layout.of_experiment(name), {name: self._storage.read(name)})
        told = self._told_of.get(name, [])
        record_type = records.TYPES[records.folder_of(name)]
        if len(told) != 1 or not self._may_replace(name, record_type):
            return False  # nothing tells it, or nothing says which of two is right
        where = f"{self._storage.url}/{name}"
        record = record_objects.decode(record_type, json.dumps(told[0]).encode("utf-8"), where)
        data = record_objects.encode(record)
        if problem.kind is Kind.MISSING:
            try:
                self._storage.create(name, data)
            except AlreadyExists:
                return True
        else:
            self._storage.write(name, data)
        # The log leaves the largest fields out, and the checksum is another without them: it tells of that, too.
        return self._tell(layout.of_experiment(name), {name: data})

    def _may_replace(self, name: str, record_type: type[Any]) -> bool:
        """A record that is just as it was written, and another than was told of, may be the right one of the two."""
        data = index.read_or_none(self._storage, name)
        if data is None:
            return True
        try:
            record_objects.decode(record_type, data, name)
        except Damaged:
            return True
        return not record_objects.is_as_written(data)

    def _mend_event(self, name: str) -> bool:
        """Tell all of it again in its place. A segment of the log cannot be: `kwrap ls` reads the records then."""
        experiment_id = layout.event_experiment(name)
        if name.startswith(layout.INDEX) or not experiment_id:
            return False
        found = index.read_those(self._storage, index.record_names(self._storage, experiment_id))
        told = events.tell(self._storage, experiment_id, found)
        self._storage.write(name, self._storage.read(told))
        return True

    def _tell(self, experiment_id: str, found: dict[str, bytes]) -> bool:
        events.tell(self._storage, experiment_id, found)
        return True


def _untold(check: Check) -> set[str]:
    return {name for names in check.records.untold.values() for name in names}
