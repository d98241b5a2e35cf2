"""Sorting: in which order experiments are listed.

`KEY`, `KEY-asc` or `KEY-desc` as in Keepsake, `-KEY`, and several of them with commas in between. In either direction
numbers come before text, and what is missing or not-a-number comes last; equal rows keep their order.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from kwrap.analysis import fields
from kwrap.analysis import filter_lexer as lexer
from kwrap.analysis.fields import Field, Kind, Row
from kwrap.analysis.times import recorded_ns
from kwrap.analysis.values import is_nan, is_number
from kwrap.encoding import canonical

DEFAULT = "created"
_HINT = "a sort key reads: loss, loss-desc, -loss, or several as in optimizer,loss-desc"

R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class SortKey:
    """A name to sort by, and whether the largest comes first."""

    name: str
    descending: bool = False

    def __str__(self) -> str:
        name = fields.quoted(self.name) if self.name.startswith("-") else fields.spelled(self.name)
        return f"{name}-{'desc' if self.descending else 'asc'}"


def parse(text: str = DEFAULT, known_names: Collection[str] | None = None) -> tuple[SortKey, ...]:
    """The keys, the most important first. Raises FilterError for what is no key, and for a name that is not known."""
    keys: list[SortKey] = []
    at = 0
    while not keys or at < len(text):
        key, at = _key(text, at, known_names)
        keys.append(key)
    return tuple(keys)


def apply(rows: Sequence[R], keys: str | Sequence[SortKey] = DEFAULT) -> list[R]:
    """The rows in order. Raises FilterError as `parse` does, when the keys are text."""
    if isinstance(keys, str):
        text, keys = keys, parse(keys)
        # Collecting names takes as long as sorting, and the usual key needs none.
        if any(key.name not in fields.BUILT_IN for key in keys):
            keys = parse(text, fields.known_names(rows))
    ordered = list(rows)
    for key in reversed(keys):
        ordered = _by(ordered, fields.resolve(key.name), key.descending)
    return ordered


def _key(text: str, at: int, known: Collection[str] | None) -> tuple[SortKey, int]:
    """The key that begins at a position, and the position of the next."""
    start = at = lexer.skip_blanks(text, at)
    minus = text[at : at + 1] == "-"
    at += minus
    in_quotes = text[at : at + 1] in lexer.QUOTES and at < len(text)
    name, suffix = "", ""
    if in_quotes:
        name, at = lexer.quoted(text, at)
    word = lexer.word(text, at)
    at = lexer.skip_blanks(text, at + len(word))
    if at < len(text) and text[at] != ",":
        raise lexer.problem(text, at, "expected ',' between sort keys", _HINT)
    if in_quotes:
        suffix = word
    else:
        name, suffix = _split(word, known)
    if suffix not in ("", "-asc", "-desc") or (minus and suffix) or not (name or in_quotes):
        raise lexer.problem(text, start, "this is no sort key", _HINT)
    if known is not None and not fields.is_known(name, known):
        raise fields.unknown(name, known)
    return SortKey(name, minus or suffix == "-desc"), at + 1


def _split(word: str, known: Collection[str] | None) -> tuple[str, str]:
    """A name and its direction; a name that itself ends in one is kept whole where only the whole is known."""
    for suffix in ("-asc", "-desc"):
        name = word.removesuffix(suffix)
        if name != word:
            whole = known is not None and fields.is_known(word, known) and not fields.is_known(name, known)
            return (word, "") if whole else (name, suffix)
    return word, ""


def _by(rows: list[R], field: Field, descending: bool) -> list[R]:
    """Sorted by one field. The kinds of values keep their places in either direction, so each is sorted on its own."""
    kinds: dict[int, list[tuple[Any, R]]] = {}
    for row in rows:
        rank, comparable = _comparable(field, field.value(row))
        kinds.setdefault(rank, []).append((comparable, row))
    ordered: list[R] = []
    for rank in sorted(kinds):
        # Python's sort is stable in reverse, too: equal rows keep their order.
        pairs = sorted(kinds[rank], key=lambda pair: pair[0], reverse=descending)
        ordered.extend(row for _, row in pairs)
    return ordered


def _comparable(field: Field, value: object) -> tuple[int, Any]:
    """The place of a value's kind, and what orders it among its like."""
    if field.kind is Kind.TIME:
        at_ns = recorded_ns(value)
        value = value if at_ns is None else at_ns
    if value is None:
        return 5, 0
    if is_nan(value):
        return 4, 0
    if is_number(value):
        return 0, value
    if isinstance(value, bool):
        return 1, value
    if isinstance(value, str):
        return 2, value
    return 3, canonical(value)
