"""Comparisons as predicates on a row: everything that can be read beforehand is read once.

Two-valued: a comparison holds or it does not, and `!=`, `!~`, `not in` and `not contains` hold exactly when their
opposite does not. So null is different from every value, and neither before nor after any.
"""

from __future__ import annotations

import difflib
import operator
import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from kwrap import ids
from kwrap.analysis.fields import Field, Kind, Row
from kwrap.analysis.filter_lexer import JOIN
from kwrap.analysis.filter_syntax import Comparison, Literal, Operator
from kwrap.analysis.times import Moment, parse_duration, parse_moment, recorded_ns
from kwrap.analysis.values import in_order, is_number, same, typed
from kwrap.records import Status

Predicate = Callable[[Row], bool]
Test = Callable[[object], bool]

_OPPOSITES = {
    Operator.UNEQUAL: Operator.EQUAL,
    Operator.MATCHES_NOT: Operator.MATCHES,
    Operator.NOT_IN: Operator.IN,
    Operator.CONTAINS_NOT: Operator.CONTAINS,
}
_ORDERS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
}


class Unusable(Exception):
    """A value that its comparison cannot use: where it stands, what is wrong, what to do."""

    def __init__(self, literal: Literal, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.position, self.message, self.hint = literal.position, message, hint


class _Context(NamedTuple):
    kind: Kind
    now_ns: int


def predicate(comparison: Comparison, field: Field, now_ns: int) -> Predicate:
    """Whether a row fulfils the comparison. Raises Unusable."""
    wanted = _OPPOSITES.get(comparison.operator, comparison.operator)
    context = _Context(field.kind, now_ns)
    tests = [_test(wanted, literal, context) for literal in comparison.literals]
    value = field.value
    if len(tests) == 1:
        test = tests[0]
        if wanted is comparison.operator:
            return lambda row: test(value(row))
        return lambda row: not test(value(row))
    negated = wanted is not comparison.operator
    return lambda row: any(test(found) for found in (value(row),) for test in tests) is not negated


def _test(wanted: Operator, literal: Literal, context: _Context) -> Test:
    if wanted in (Operator.EQUAL, Operator.IN):
        return _EQUALS[context.kind](literal, context)
    if wanted is Operator.CONTAINS:
        return _contains(literal)
    if wanted is Operator.MATCHES:
        return _matches(literal)
    if _is_null(literal):
        return lambda value: False
    if context.kind is Kind.TIME:
        return _time_order(wanted, _moment(literal, context))
    meant = _seconds(literal) if context.kind is Kind.DURATION else _one_word(literal)
    compare = _ORDERS[wanted]
    return lambda value: in_order(compare, value, meant)


def _meant(literal: Literal) -> object:
    return literal.text if literal.in_quotes else typed(literal.text)


def _is_null(literal: Literal) -> bool:
    return _meant(literal) is None


def _is_absent(value: object) -> bool:
    return value is None


def _equals(literal: Literal, context: _Context) -> Test:
    """The same value; unquoted, also the same text: `1.10` finds a version that was recorded as text."""
    if _is_null(literal):
        return _is_absent
    meant, text = _meant(literal), literal.text
    if isinstance(meant, str):
        return lambda value: value == meant
    return lambda value: same(value, meant) or value == text


def _equals_id(literal: Literal, context: _Context) -> Test:
    """Any prefix of an id, or of the short part that people are shown, stands for it."""
    text = literal.text.lower()
    if _is_null(literal) or not text:
        return _equals(literal, context)
    return lambda value: isinstance(value, str) and (value == literal.text or ids.matches(value, text))


def _equals_status(literal: Literal, context: _Context) -> Test:
    if _is_null(literal):
        return _is_absent
    text = literal.text.lower()
    known = [status.value for status in Status]
    if text not in known:
        near = difflib.get_close_matches(text, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"a status is one of {', '.join(known)}"
        raise Unusable(literal, f"there is no status '{literal.text}'", hint)
    if text == Status.STOPPED.value:  # Keepsake's word for everything that is not running
        return lambda value: value is not None and value != Status.RUNNING.value
    return lambda value: value == text


def _equals_tags(literal: Literal, context: _Context) -> Test:
    """`tags = baseline` asks whether it is among them."""
    equals = _equals(literal, context)
    return lambda value: equals(value) or (isinstance(value, (list, tuple)) and any(map(equals, value)))


def _equals_time(literal: Literal, context: _Context) -> Test:
    """Within the day, minute or second that was written."""
    if _is_null(literal):
        return _is_absent
    moment = _moment(literal, context)

    def within(value: object) -> bool:
        at_ns = recorded_ns(value)
        return at_ns is not None and moment.start_ns <= at_ns < moment.end_ns

    return within


def _equals_duration(literal: Literal, context: _Context) -> Test:
    if _is_null(literal):
        return _is_absent
    seconds = _seconds(literal)
    return lambda value: same(value, seconds)


_EQUALS: dict[Kind, Callable[[Literal, _Context], Test]] = {
    Kind.PLAIN: _equals,
    Kind.ID: _equals_id,
    Kind.STATUS: _equals_status,
    Kind.TAGS: _equals_tags,
    Kind.TIME: _equals_time,
    Kind.DURATION: _equals_duration,
}


def _contains(literal: Literal) -> Test:
    """In text, whatever the case; in a list, an element; in an object, a key."""
    folded, equals = literal.text.casefold(), _equals(literal, _Context(Kind.PLAIN, 0))

    def contains(value: object) -> bool:
        if isinstance(value, str):
            return folded in value.casefold()
        return isinstance(value, (list, tuple, dict)) and any(map(equals, value))

    return contains


def _matches(literal: Literal) -> Test:
    """A regular expression found anywhere in text, or in any text of a list."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on what future versions may read otherwise
            search = re.compile(literal.text).search
    except (re.error, OverflowError, RecursionError) as error:
        at = getattr(error, "pos", None)
        where = f" at character {at + 1}" if at is not None else ""
        reason = getattr(error, "msg", None) or "too large or too deep"
        raise Unusable(literal, f"this regular expression is broken{where}: {reason}", _REGEX_HINT) from None

    def matches(value: object) -> bool:
        if isinstance(value, str):
            return search(value) is not None
        return isinstance(value, (list, tuple)) and any(isinstance(one, str) and search(one) for one in value)

    return matches


_REGEX_HINT = "'contains' looks for plain text; in an expression \\ in front of a character takes it literally"


def _time_order(wanted: Operator, moment: Moment) -> Test:
    """Before, or after the first instant; `<=` and `>=` include all that `=` does."""

    def in_time_order(value: object) -> bool:
        at_ns = recorded_ns(value)
        if at_ns is None:
            return False
        if wanted is Operator.LESS:
            return at_ns < moment.start_ns
        if wanted is Operator.AT_MOST:
            return at_ns < moment.end_ns
        return at_ns > moment.start_ns if wanted is Operator.GREATER else at_ns >= moment.start_ns

    return in_time_order


def _moment(literal: Literal, context: _Context) -> Moment:
    try:
        return parse_moment(literal.text, context.now_ns)
    except ValueError as error:
        raise _not_readable(literal, error) from None


def _seconds(literal: Literal) -> float:
    try:
        return parse_duration(literal.text)
    except ValueError as error:
        raise _not_readable(literal, error) from None


def _not_readable(literal: Literal, error: ValueError) -> Unusable:
    message, _, hint = str(error).partition("; ")
    return Unusable(literal, f"this is {message}", hint)


def _one_word(literal: Literal) -> object:
    """What an ordering compares with. Several unquoted words are a forgotten `and`."""
    meant = _meant(literal)
    if isinstance(meant, str) and not literal.in_quotes and len(meant.split()) > 1:
        raise Unusable(literal, "expected a number or one word to compare with", JOIN)
    return meant if is_number(meant) or isinstance(meant, str) else None
