"""Recorded values, and values as a person types them: when two are the same, and which comes first.

A value is what JSON can hold: null, a boolean, a number, text, a list or an object.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|infinity)|nan", re.IGNORECASE | re.ASCII
)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is an int or a float. True and False are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def same(left: object, right: object) -> bool:
    """Whether two values are the same, to any depth.

    1 is 1.0 but not true. Not-a-number is the same as itself: whoever compares two records, or looks for the runs
    that diverged, means that. An equivalence relation.
    """
    if is_number(left) and is_number(right):
        return left == right or (left != left and right != right)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def in_order(compare: Callable[[Any, Any], bool], left: object, right: object) -> bool:
    """`compare` on two numbers or on two texts; False for anything else, and for not-a-number."""
    if (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
        return compare(left, right)
    return False


def number(text: str) -> int | float | None:
    """The number that a text spells, whole ones exactly; None when it spells none."""
    if not _NUMBER.fullmatch(text):
        return None
    if not _WHOLE_NUMBER.fullmatch(text):
        return float(text)
    try:
        return int(text)
    except ValueError:  # thousands of digits, which Python refuses to convert
        return None


def typed(text: str) -> object:
    """What an unquoted value means: null, a boolean, a number, a JSON list or object; otherwise the text itself."""
    if text in ("null", "None"):
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    found = number(text)
    if found is None and text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text if found is None else found
