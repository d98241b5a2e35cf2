"""Text as a terminal shows it: how wide it is, how to cut it, how to point into it.

Knows nothing of what the text says. What was recorded may hold anything, so control characters come out as escapes:
a parameter must not move the cursor of whoever lists it.
"""

from __future__ import annotations

import unicodedata

_SHOWN_BEFORE = 60
_SHOWN_AFTER = 40
_ELLIPSIS = "…"


def cell_width(text: str) -> int:
    """Columns that the text takes on a terminal: two for a wide character, none for a combining one."""
    return len(text) if text.isascii() else sum(map(_character_width, text))


def printable(text: str) -> str:
    """The text on one line, with what cannot be printed written as an escape (`\\n`, `\\x1b`, `\\udce9`)."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def cut(text: str, width: int) -> str:
    """The text in at most `width` columns; what was cut off shows as an ellipsis."""
    if cell_width(text) <= width:
        return text
    kept: list[str] = []
    left = width - 1
    for one in text:
        left -= _character_width(one)
        if left < 0:
            break
        kept.append(one)
    return "".join(kept) + _ELLIPSIS if width > 0 else ""


def pointed(text: str, position: int) -> str:
    """Two indented lines: the text, or of a long one the part around the position, and a caret under the position."""
    first = max(0, position - _SHOWN_BEFORE)
    before, after = text[first:position], text[position : position + _SHOWN_AFTER]
    before = (_ELLIPSIS if first else "") + _one_for_one(before)
    after = _one_for_one(after) + (_ELLIPSIS if position + _SHOWN_AFTER < len(text) else "")
    return f"  {before}{after}".rstrip() + "\n" + " " * (2 + cell_width(before)) + "^"


def _one_for_one(text: str) -> str:
    return "".join(one if one.isprintable() else " " if one.isspace() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _character_width(one: str) -> int:
    if unicodedata.combining(one) or unicodedata.category(one) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(one) in "WF" else 1
