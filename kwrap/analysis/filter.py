"""Filters: which experiments to list.

`loss < 0.5`, `status = running`, `name != null` as in Keepsake, with `and or not ( )`, `in`, `contains` and `=~`
besides. A filter is compiled against the names that the rows have, so that a misspelt one is told and not just empty.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

from kwrap.analysis import fields
from kwrap.analysis.comparison import Predicate, Unusable, predicate
from kwrap.analysis.fields import Row
from kwrap.analysis.filter_lexer import problem
from kwrap.analysis.filter_parser import parse
from kwrap.analysis.filter_syntax import And, Comparison, Expression, Not
from kwrap.analysis.text import pointed
from kwrap.clock import SYSTEM

__all__ = ["Row", "apply", "compile", "parse"]

R = TypeVar("R", bound=Row)


def compile(  # noqa: A001 - a filter is compiled, as a regular expression is
    texts: str | Iterable[str], known_names: Collection[str] | None = None, *, now_ns: int | None = None
) -> Callable[[Row], bool]:
    """One predicate for all the texts, joined by `and`.

    `known_names` are those of `fields.known_names`; None takes any name. `now_ns` is what `yesterday` is counted from.
    Raises FilterError for what cannot be read, for a value that cannot be used, and for a name that is not known.
    """
    now_ns = SYSTEM.wall_ns() if now_ns is None else now_ns
    compiled = [
        _Compiler(text, known_names, now_ns).predicate(parse(text))
        for text in ([texts] if isinstance(texts, str) else texts)
    ]
    return compiled[0] if len(compiled) == 1 else _every(compiled)


def apply(rows: Sequence[R], texts: str | Iterable[str], *, now_ns: int | None = None) -> list[R]:
    """The rows that fulfil all the texts, in their order. Raises FilterError as `compile` does."""
    return list(filter(compile(texts, fields.known_names(rows), now_ns=now_ns), rows))


class _Compiler:
    """Turns the tree of one text into a predicate."""

    def __init__(self, text: str, known_names: Collection[str] | None, now_ns: int) -> None:
        self.text = text
        self.known_names = known_names
        self.now_ns = now_ns

    def predicate(self, expression: Expression) -> Predicate:
        if isinstance(expression, Comparison):
            return self.comparison(expression)
        if isinstance(expression, Not):
            negated = self.predicate(expression.operand)
            return lambda row: not negated(row)
        operands = list(map(self.predicate, expression.operands))
        return _every(operands) if isinstance(expression, And) else _any(operands)

    def comparison(self, comparison: Comparison) -> Predicate:
        if self.known_names is not None and not fields.is_known(comparison.name, self.known_names):
            raise fields.unknown(comparison.name, self.known_names, pointed(self.text, comparison.position))
        try:
            return predicate(comparison, fields.resolve(comparison.name), self.now_ns)
        except Unusable as error:
            raise problem(self.text, error.position, error.message, error.hint) from None


def _every(predicates: list[Predicate]) -> Predicate:
    return lambda row: all(one(row) for one in predicates)


def _any(predicates: list[Predicate]) -> Predicate:
    return lambda row: any(one(row) for one in predicates)
