"""How programs write a number. Knows nothing of lines or names."""

from __future__ import annotations

import math
import re

# Every digit can be read in one way only, so that a search for numbers never goes back over what it has read.
FINITE = rb"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
NON_FINITE = rb"[-+]?(?:[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)"
NUMBER = rb"(?:" + FINITE + rb"|" + NON_FINITE + rb")"

# A count that is longer is an identifier, or a time in nanoseconds.
COUNT_DIGITS = 18

_TEXT = re.compile(NUMBER.decode("ascii"))
_AROUND = " \t\r\n,;:|()[]{}<>'\"%"


def number(text: str) -> float | None:
    """The number a text is, but for blanks, punctuation or a percent sign around it; a percentage as printed."""
    bare = text.strip(_AROUND).rstrip(".")
    return to_float(bare) if _TEXT.fullmatch(bare) else None


def to_float(number: str | bytes | float) -> float:
    """As `float`, but there is only one not-a-number, so that records of equal values are equal."""
    value = float(number)
    return value if value == value else math.nan


def count(text: str | bytes) -> int | None:
    """A step: digits alone."""
    return int(text) if len(text) <= COUNT_DIGITS and text.isdigit() else None
