"""The listing that comes from the cache: it follows the log when it is made, and answers from then on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar, cast

from kwrap.errors import Damaged, NotFound
from kwrap.records import Experiment, State
from kwrap.repository import layout, record_objects, rows, status, told
from kwrap.repository.cache import IN_MEMORY, Cache, Unusable, discard_if_damaged, guarded, retried
from kwrap.repository.following import follow
from kwrap.repository.listing import Row
from kwrap.storage.base import Storage

Ask = TypeVar("Ask", bound=Callable[..., Any])

_NEVER_NS = 1 << 62  # a time at which nothing that runs now runs any more
_AT_ONCE = 500


def cached(storage: Storage, path: str) -> Cached | None:
    """From the cache there; where nothing can be kept, from one in memory, which takes fewer readings than records do.

    None when not even that can be had.
    """
    try:
        return Cached(retried(lambda: _followed(storage, path), path), storage)
    except Unusable:
        try:
            return Cached(_followed(storage, IN_MEMORY), storage)
        except Unusable:
            return None


def _followed(storage: Storage, path: str) -> Cache:
    cache = Cache(path)
    follow(storage, cache)
    return cache


def _surely(ask: Ask) -> Ask:
    """A question that is asked once more, of a cache in memory, when the file fails in the middle of it."""

    @wraps(ask)
    def asked(self: Cached, *arguments: Any, **options: Any) -> Any:
        try:
            return ask(self, *arguments, **options)
        except Unusable as error:
            self.go_on_in_memory(error)
            return ask(self, *arguments, **options)

    return cast(Ask, asked)


class Cached:
    """From a cache that has just followed the log. Rows are made when they are first asked for, and kept."""

    def __init__(self, cache: Cache, storage: Storage) -> None:
        self._cache = cache
        self._storage = storage
        self._url = storage.url
        self.total = int(cache.fact("total") or 0)

    def go_on_in_memory(self, error: Unusable) -> None:
        """Without the file, which cannot be read or written any more; a damaged one is removed."""
        if self._cache.path == IN_MEMORY:
            raise error
        discard_if_damaged(self._cache.path, error)
        self._cache = _followed(self._storage, IN_MEMORY)

    @_surely
    def newest(self, amount: int | None) -> list[str]:
        limit = -1 if amount is None else max(amount, 0)
        query = "SELECT id FROM experiments WHERE listed ORDER BY created DESC, id DESC LIMIT ?"
        return [key for (key,) in reversed(self._cache.query(query, (limit,)))]

    @_surely
    def running(self, now_ns: int) -> list[str]:
        unknown = self._cache.query("SELECT id FROM experiments WHERE open AND listed AND row IS NULL")
        self._make_rows([key for (key,) in unknown])
        query = "SELECT id FROM experiments WHERE open AND listed AND alive_until_ns >= ? ORDER BY created, id"
        return [key for (key,) in self._cache.query(query, (now_ns,))]

    @_surely
    def rows(self, wanted: Sequence[str], now_ns: int) -> list[Row]:
        found: dict[str, Row] = {}
        for at in range(0, len(wanted), _AT_ONCE):
            part = wanted[at : at + _AT_ONCE]
            read = list(self._read_rows(part))
            lacking = [key for key, text, _, _ in read if text is None]
            if lacking:
                self._make_rows(lacking)
                read = list(self._read_rows(part))
            with guarded():
                for key, text, alive_until_ns, began_ns in read:
                    if text:
                        found[key] = _at(json.loads(text), alive_until_ns, began_ns, now_ns)
        return [found[key] for key in wanted if key in found]

    def _read_rows(self, keys: Sequence[str]) -> Iterator[tuple[str, str | None, int | None, int]]:
        return self._cache.among("SELECT id, row, alive_until_ns, began_ns FROM experiments WHERE id", keys)

    def _make_rows(self, keys: Sequence[str]) -> None:
        for at in range(0, len(keys), _AT_ONCE):
            self._make_some_rows(keys[at : at + _AT_ONCE])

    def _make_some_rows(self, keys: Sequence[str]) -> None:
        every, beats = self._cache.told(keys), self._cache.heartbeats(keys)
        made: list[tuple[object, ...]] = []
        problems: list[tuple[str, str, str]] = []
        for key, one in every.items():
            state, found = told.state(one, beats.get(key, {}), self._url)
            problems += [(f"row {key} {number}", key, text) for number, text in enumerate(found)]
            if state is None:
                made.append(("", None, None, key))
                continue
            text = json.dumps(rows.row(state, _NEVER_NS), separators=(",", ":"))
            made.append((text, status.alive_until_ns(state), status.began_ns(state), key))
        with self._cache.writing() as connection:
            connection.executemany(
                "UPDATE experiments SET row = ?, alive_until_ns = ?, began_ns = ? WHERE id = ?", made
            )
            connection.executemany(
                "UPDATE experiments SET listed = 0 WHERE row = '' AND id = ?", [one[3:] for one in made]
            )
            connection.executemany("DELETE FROM problems WHERE id = ? AND key LIKE 'row %'", [(key,) for key in keys])
            connection.executemany("INSERT OR REPLACE INTO problems VALUES (?, ?, ?)", problems)

    def state(self, experiment_id: str) -> State | None:
        found = self.brief_state(experiment_id)
        if found is None:
            return None
        name = layout.experiment(experiment_id)
        try:
            record = record_objects.decode(Experiment, self._storage.read(name), f"{self._url}/{name}")
        except (NotFound, Damaged) as error:
            self._tell(name, error.message, experiment_id)
            return found
        return replace(found, experiment=record)

    @_surely
    def _tell(self, name: str, problem: str, experiment_id: str) -> None:
        self._cache.set_problem(name, problem, experiment_id)

    @_surely
    def brief_state(self, experiment_id: str) -> State | None:
        one = self._cache.told([experiment_id]).get(experiment_id)
        if one is None or one.is_gone:
            return None
        beats = self._cache.heartbeats([experiment_id]).get(experiment_id, {})
        return told.state(one, beats, self._url)[0]

    @_surely
    def problems(self, experiment_id: str | None = None) -> list[str]:
        return self._cache.problems(experiment_id)

    @_surely
    def beginning(self, prefix: str, amount: int) -> tuple[int, list[str]]:
        text = prefix.lower()
        if not text.isascii() or not text:
            return 0, []
        end = f"{text}\x7f"  # behind whatever begins with it, as ids are ASCII
        # Two searches, each in its own index: with OR all ids would be gone through.
        found = "SELECT id FROM experiments WHERE there AND id >= ?1 AND id < ?2"
        found = f"{found} UNION SELECT id FROM experiments WHERE there AND short >= ?1 AND short < ?2"
        newest = self._cache.query(f"{found} ORDER BY id DESC LIMIT ?3", (text, end, amount))
        known = [key for (key,) in reversed(newest)]
        if len(known) < amount:
            return len(known), known
        return self._cache.query(f"SELECT count(*) FROM ({found})", (text, end))[0][0], known

    @_surely
    def called(self, word: str) -> list[str]:
        return [key for (key,) in self._cache.query("SELECT id FROM words WHERE word = ? ORDER BY id", (word,))]

    @_surely
    def words(self, amount: int) -> Iterable[str]:
        newest = "SELECT id FROM experiments WHERE listed ORDER BY created DESC LIMIT ?"
        known = {word for (word,) in self._cache.query(f"SELECT word FROM words WHERE id IN ({newest})", (amount,))}
        query = "SELECT short FROM experiments WHERE there ORDER BY id DESC LIMIT ?"
        return known.union(short for (short,) in self._cache.query(query, (amount,)))


def _at(row: dict[str, Any], alive_until_ns: int | None, began_ns: int, now_ns: int) -> Row:
    """A kept row, as of now: only what runs changes with the time."""
    if alive_until_ns is not None and alive_until_ns >= now_ns:
        row.update(status.while_running(began_ns, now_ns))
    return row
