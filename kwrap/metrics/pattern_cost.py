"""What a regular expression costs, told from its parsed form. Knows nothing of metrics.

It can take exponential time when what it repeats without bound can itself match one text in several ways. Told on the
safe side: a repetition of something of variable length, or of alternatives, is taken for one, unless a character that
cannot be in it ends it, as in `(\\w+,)*`. And it is worth trying only on a text that holds what it needs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

if sys.version_info >= (3, 11):
    from re import _parser as parser  # type: ignore[attr-defined]
else:
    import sre_parse as parser

# `(a{1,3}){0,8}` is bounded by 3^8 ways; from here on the number of ways counts as without bound.
_MANY = 16


def repeated_repetition(text: str) -> str | None:
    """What the expression repeats that may not be repeated, in words; None when it is harmless or cannot be told."""
    try:
        parsed = parser.parse(text)
    except (re.error, OverflowError, RecursionError):
        return None
    return _offence(parsed)


def needed(expression: re.Pattern[str]) -> str:
    """The longest text that is in whatever the expression matches; empty when none can be told."""
    if expression.flags & re.IGNORECASE:
        return ""
    runs = [""]
    _collect(parser.parse(expression.pattern), runs)
    return max(runs, key=len)


def _collect(sequence: Any, runs: list[str]) -> None:
    for operator, argument in sequence:
        if str(operator) == "LITERAL":
            runs[-1] += chr(argument)
        elif str(operator) == "SUBPATTERN" and not argument[1]:
            _collect(argument[-1], runs)
        else:
            runs.append("")


def _offence(sequence: Any) -> str | None:
    for operator, argument in sequence:
        body = _repeated(operator, argument)
        if body is not None:
            kind = _ambiguous(body)
            if kind:
                return kind
        for inner in _inside(operator, argument):
            offence = _offence(inner)
            if offence:
                return offence
    return None


def _repeated(operator: Any, argument: Any) -> Any:
    """The body of an unbounded repetition."""
    if str(operator) in ("MAX_REPEAT", "MIN_REPEAT") and argument[1] >= _MANY:
        return argument[2]
    return None


def _ambiguous(body: Any) -> str | None:
    items = list(_flat(body))
    if any(str(operator) == "BRANCH" and not _told_apart(argument[1]) for operator, argument in items):
        return "alternatives"
    variable = [argument for operator, argument in items if _is_variable(operator, argument)]
    if not variable or (len(variable) == 1 and _ends_it(variable[0][2], items[-1])):
        return None
    return "a repetition"


def _is_variable(operator: Any, argument: Any) -> bool:
    return str(operator) in ("MAX_REPEAT", "MIN_REPEAT") and argument[0] != argument[1]


def _told_apart(alternatives: Any) -> bool:
    """Whether the first character says which alternative it is, and each has one length."""
    first = {
        alternative[0][1] if len(alternative) and str(alternative[0][0]) == "LITERAL" else None
        for alternative in alternatives
    }
    return (
        None not in first
        and len(first) == len(alternatives)
        and all(str(operator) in ("LITERAL", "IN") for alternative in alternatives for operator, _ in alternative)
    )


def _flat(sequence: Any) -> Iterator[tuple[Any, Any]]:
    """The items of a sequence, with groups taken off."""
    for operator, argument in sequence:
        if str(operator) == "SUBPATTERN":
            yield from _flat(argument[-1])
        else:
            yield operator, argument


def _ends_it(repeated: Any, last: tuple[Any, Any]) -> bool:
    """Whether a body's last item is a character that the repetition cannot contain."""
    operator, argument = last
    if str(operator) != "LITERAL":
        return False
    items = list(_flat(repeated))
    return len(items) == 1 and not _may_be(items[0], chr(argument))


def _may_be(item: tuple[Any, Any], character: str) -> bool:
    operator, argument = str(item[0]), item[1]
    if operator == "LITERAL":
        return chr(argument) == character
    if operator == "NOT_LITERAL":
        return chr(argument) != character
    if operator == "IN":
        negated = bool(argument) and str(argument[0][0]) == "NEGATE"
        return negated != any(_member(one, character) for one in argument)
    return True


def _member(item: tuple[Any, Any], character: str) -> bool:
    operator, argument = str(item[0]), item[1]
    if operator == "LITERAL":
        return chr(argument) == character
    if operator == "RANGE":
        return bool(argument[0] <= ord(character) <= argument[1])
    if operator == "CATEGORY":
        escape = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}[str(argument).rpartition("_")[2]]
        return bool(re.match(escape, character)) != ("_NOT_" in str(argument))
    return False


def _inside(operator: Any, argument: Any) -> Iterator[Any]:
    """The sequences that an item is made of."""
    name = str(operator)
    if name == "SUBPATTERN":
        yield argument[-1]
    elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        yield argument[2]
    elif name == "BRANCH":
        yield from argument[1]
    elif name in ("ASSERT", "ASSERT_NOT"):
        yield argument[1]
    elif name == "ATOMIC_GROUP":
        yield argument
    elif name == "GROUPREF_EXISTS":
        yield from (part for part in argument[1:] if part is not None)
