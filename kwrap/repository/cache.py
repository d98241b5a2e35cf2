"""The cache of a repository's log: SQLite, on this machine, for lists. Nothing in it that cannot be read again.

Knows tables and files, and not where what is put into it comes from. Whatever is wrong with the file (damaged, of
another kwrap, not writable, the disk full) ends as `Unusable`, or in a new and empty one.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from kwrap import ids
from kwrap.repository import layout, lookup, status, told
from kwrap.repository.told import Told

FORMAT = 1
IN_MEMORY = ":memory:"
_WAIT_S = 10.0  # for another process that is writing
_AT_ONCE = 500  # parameters of one query; older SQLite allows 999

_TABLES = """
CREATE TABLE experiments (id TEXT PRIMARY KEY, short TEXT, created TEXT, there INT, listed INT, open INT, row TEXT,
    alive_until_ns INT, began_ns INT);
CREATE TABLE told (id TEXT PRIMARY KEY, text TEXT);
CREATE INDEX by_time ON experiments (created, id) WHERE listed;
CREATE INDEX by_short ON experiments (short) WHERE there;
CREATE INDEX not_over ON experiments (id) WHERE open AND listed;
CREATE TABLE words (word TEXT, id TEXT, PRIMARY KEY (word, id)) WITHOUT ROWID;
CREATE INDEX words_of ON words (id);
CREATE TABLE heartbeats (name TEXT PRIMARY KEY, id TEXT, modified_ns INT, data TEXT);
CREATE INDEX heartbeats_of ON heartbeats (id);
CREATE TABLE seen (name TEXT PRIMARY KEY, replaced INT) WITHOUT ROWID;
CREATE TABLE problems (key TEXT PRIMARY KEY, id TEXT, text TEXT) WITHOUT ROWID;
CREATE TABLE facts (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""

T = TypeVar("T")


class Unusable(Exception):
    """The cache cannot be used; nothing is lost by doing without."""


@contextmanager
def guarded() -> Iterator[None]:
    """Whatever SQLite or the file system has against it, as Unusable."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError, KeyError) as error:
        raise Unusable(str(error)) from error


class Cache:
    """An open cache file. For one thread. Every call may raise Unusable."""

    def __init__(self, path: str) -> None:
        """Open it, made anew where there is none, or one of another format, or a damaged one."""
        self.path = path
        self._connection = _opened(path)
        self._made = self.fact("made")

    def close(self) -> None:
        self._connection.close()

    # Reading

    def query(self, text: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with guarded():
            return self._connection.execute(text, parameters).fetchall()

    def fact(self, key: str) -> Any:
        found = self.query("SELECT value FROM facts WHERE key = ?", (key,))
        return found[0][0] if found else None

    def among(self, text: str, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """The rows of a query with `IN (…)` as its end, for any number of keys."""
        every = list(keys)
        for at in range(0, len(every), _AT_ONCE):
            part = every[at : at + _AT_ONCE]
            yield from self.query(f"{text} IN ({','.join('?' * len(part))})", part)

    def told(self, keys: Iterable[str]) -> dict[str, Told]:
        rows = self.among("SELECT id, text FROM told WHERE id", keys)
        with guarded():
            return {key: told.from_fields(json.loads(text)) for key, text in rows}

    def heartbeats(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """By experiment, as JSON values under their objects' names."""
        found: dict[str, dict[str, Any]] = {}
        rows = self.among("SELECT id, name, data FROM heartbeats WHERE data NOTNULL AND id", keys)
        with guarded():
            for key, name, data in rows:
                found.setdefault(key, {})[name] = json.loads(data)
        return found

    def problems(self, key: str | None = None) -> list[str]:
        """Of all, or of one experiment."""
        which = ("", ()) if key is None else ("WHERE id = ? ", (key,))
        return [text for (text,) in self.query(f"SELECT text FROM problems {which[0]}ORDER BY key", which[1])]

    # Writing

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing, and nobody else's between."""
        with guarded():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if self.fact("made") != self._made:
                    raise Unusable(f"{self.path} was made anew by another process")
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def clear(self) -> None:
        """Forget everything. Whoever else is writing hears of it, and does not go on."""
        made = ids.new_write_id()
        with self.writing() as connection:
            for table in ("experiments", "told", "words", "heartbeats", "seen", "problems", "facts"):
                connection.execute(f"DELETE FROM {table}")
            connection.execute("INSERT INTO facts VALUES ('made', ?)", (made,))
        self._made = made

    def set_facts(self, facts: Mapping[str, object]) -> None:
        with self.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def set_problem(self, key: str, text: str | None, experiment_id: str = "") -> None:
        with self.writing() as connection:
            if text is None:
                connection.execute("DELETE FROM problems WHERE key = ?", (key,))
            else:
                connection.execute("INSERT OR REPLACE INTO problems VALUES (?, ?, ?)", (key, experiment_id, text))

    def join(self, every: Sequence[Told], *, instead: bool = False) -> tuple[list[Told], bool]:
        """Add what was told to what is known, or put it in its place. What is known of them then, and if it is more."""
        with self.writing() as connection:
            known = {} if instead else self.told(one.experiment for one in every)
            changed: dict[str, Told] = {}
            for one in every:
                before = known.get(one.experiment)
                joined = before.joined(one) if before is not None else one
                if joined != before:
                    known[one.experiment] = changed[one.experiment] = joined
            _put(connection, changed.values())
            told_now = (
                (key, changed[one]) for key, one in self.among("SELECT key, id FROM problems WHERE id", changed)
            )
            mended = [(key,) for key, one in told_now if key in one.records or one.is_gone]
            connection.executemany("DELETE FROM problems WHERE key = ?", mended)
        return list(known.values()), bool(changed)


def _put(connection: sqlite3.Connection, every: Iterable[Told]) -> None:
    rows: list[tuple[object, ...]] = []
    texts: list[tuple[str, str]] = []
    words: list[tuple[str, str]] = []
    for one in every:
        found = _columns(one)
        rows.append((one.experiment, ids.short(one.experiment), *found[:3], one.is_open))
        texts.append((one.experiment, one.text or json.dumps(one.to_fields())))
        words += [(word, one.experiment) for word in found[3]]
    connection.executemany("DELETE FROM words WHERE id = ?", [(row[0],) for row in rows])
    connection.executemany(
        "INSERT OR REPLACE INTO experiments (id, short, created, there, listed, open) VALUES (?, ?, ?, ?, ?, ?)", rows
    )
    connection.executemany("INSERT OR REPLACE INTO told VALUES (?, ?)", texts)
    connection.executemany("INSERT OR IGNORE INTO words VALUES (?, ?)", words)


def _columns(one: Told) -> tuple[str, bool, bool, Iterable[str]]:
    """When it was made, whether it is there, whether it is listed, and by which words it is called."""
    record = None if one.is_gone else one.record
    if record is None:
        return "", False, False, ()
    created = str(record.get("created_at", ""))
    if not any(name.startswith(layout.NOTES) for name in one.records):  # nearly all there are
        called = {record.get("name"), *_texts(record.get("tags"))}
        return created, True, True, [word for word in called if word and isinstance(word, str)]
    found, _ = told.state(one, {}, "")
    if found is None:
        return created, True, True, ()
    return created, True, not status.deleted(found), lookup.words(found)


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _opened(path: str) -> sqlite3.Connection:
    with guarded():
        if path == IN_MEMORY:
            return _prepared(path)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        try:
            return _prepared(path)
        except sqlite3.OperationalError:  # busy, read-only, full: another one would do no better
            raise
        except sqlite3.DatabaseError:
            os.unlink(path)
            return _prepared(path)


def _prepared(path: str) -> sqlite3.Connection:
    # Its own transactions: begun where one is meant.
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
    try:
        # Not WAL, which wants memory shared by all who look: homes lie on NFS, and may be read-only.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA page_size = 16384")  # rows are of some kilobytes: small pages are left half empty
        if _format(connection) != FORMAT:
            connection.execute("BEGIN IMMEDIATE")
            if _format(connection) != FORMAT:  # another process may have been first
                _make(connection)
            connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _format(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _make(connection: sqlite3.Connection) -> None:
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        connection.execute(f'DROP TABLE "{table}"')
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def retried(attempt: Callable[[], T], path: str) -> T:
    """Once more with a new file when a damaged page comes to light only in the middle."""
    try:
        return attempt()
    except Unusable as error:
        if not discard_if_damaged(path, error):
            raise
        return attempt()


def discard_if_damaged(path: str, error: Unusable) -> bool:
    """Remove the file when damage is what makes it unusable, and not that it is held, or the disk full."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.OperationalError) or not isinstance(
        cause, (sqlite3.DatabaseError, ValueError, KeyError)
    ):
        return False
    with guarded():
        os.unlink(path)
    return True
