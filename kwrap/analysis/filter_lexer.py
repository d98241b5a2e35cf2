"""The pieces that a filter is made of: blanks, words, symbols, quoted text, unquoted values.

Every function takes the text and a position and reads onwards from there, each character a bounded number of times.
What a piece means depends on where it stands, which is the parser's business.
"""

from __future__ import annotations

import re

from kwrap.analysis.fields import NAME
from kwrap.analysis.text import pointed
from kwrap.errors import FilterError

MAX_DEPTH = 50  # what recursion can carry, and more than anybody types
CLOSERS = {"(": ")", "[": "]", "{": "}"}
QUOTES = ("'", '"')
JOIN = "join comparisons with 'and' or 'or', or put the whole value in quotes"
QUOTE_VALUE = "put a value that holds special characters in quotes: note = 'this (and that)'"

_BLANKS = re.compile(r"\s*")
_SYMBOL = re.compile(r"==|=~|!=|!~|<=|>=|=|<|>")
_SYMBOL_IN_WORD = re.compile(r"[^\s()\[\]{}<>=]*[<>=]|[^\s()\[\]{}!]*!~")
_ESCAPABLE = ("(", ")", "[", "]", "{", "}", '"')
_COMPARES = re.compile(r"(?:&&|\|\||contains)(?!\S)", re.IGNORECASE)


def problem(text: str, position: int, message: str, hint: str | None = None) -> FilterError:
    """An error that points into what was typed."""
    return FilterError(f"{message}\n{pointed(text, position)}", hint=hint)


def skip_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def word(text: str, at: int) -> str:
    """The name or word that begins here; empty when none does."""
    found = NAME.match(text, at)
    return found[0] if found else ""


def symbol(text: str, at: int) -> str:
    """The operator that begins here; empty when none does."""
    found = _SYMBOL.match(text, at)
    return found[0] if found else ""


def quoted(text: str, at: int) -> tuple[str, int]:
    """The text in the quotes that open here, and the position after them.

    A backslash is for the quote and for itself; before anything else it stands for itself, as regular expressions need.
    """
    quote, start = text[at], at
    read: list[str] = []
    at += 1
    while at < len(text) and text[at] != quote:
        if text[at] == "\\" and text[at + 1 : at + 2] in ("\\", quote):
            at += 1
        read.append(text[at])
        at += 1
    if at >= len(text):
        raise problem(text, start, "this quote is not closed", "a quote within a value is written \\' or \\\"")
    return "".join(read), at + 1


def unquoted(text: str, at: int, *, in_list: bool) -> tuple[str, int]:
    """The unquoted value that begins here, without blanks behind it, and the position after them.

    It ends before `and`, `or` or a `)` that it did not open; in a list, before `,` or a closing bracket.
    """
    start = end = at
    while at < len(text) and text[at] not in (",)]" if in_list else ")"):
        if text[at] in CLOSERS:
            at = end = _bracketed(text, at)
        elif text[at] == "\\" and text[at + 1 : at + 2] in _ESCAPABLE:
            at = end = at + 2
        elif text[at].isspace():
            at = skip_blanks(text, at)
            if not in_list and _ends_value(text, at):
                break
        else:
            at = end = at + 1
    return text[start:end], at


def _bracketed(text: str, at: int) -> int:
    """The position behind the bracket that closes the one that opens here. In between, nothing else is special."""
    opened: list[int] = []
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == '"':
            at = _behind_string(text, at) - 1
        elif opened and text[at] == CLOSERS[text[opened[-1]]]:
            opened.pop()
        elif text[at] in CLOSERS:
            opened.append(at)
            if len(opened) > MAX_DEPTH:
                raise problem(text, at, f"nested more than {MAX_DEPTH} deep", QUOTE_VALUE)
        at += 1
        if not opened:
            return at
    raise problem(text, opened[-1], f"this '{text[opened[-1]]}' is not closed", QUOTE_VALUE)


def _behind_string(text: str, at: int) -> int:
    """The position behind a JSON string; the end of the text when it is not closed."""
    at += 1
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return min(at + 1, len(text))


def _ends_value(text: str, at: int) -> bool:
    """Whether the word that begins here ends an unquoted value. Raises for one that begins another comparison.

    Without this, a forgotten `and` would quietly compare with all the rest of the text. Options may hold a `=`.
    """
    if word(text, at).lower() in ("and", "or"):
        return True
    if _COMPARES.match(text, at) or (_SYMBOL_IN_WORD.match(text, at) and text[at] != "-"):
        raise problem(text, at, "this looks like another comparison", JOIN)
    return False
