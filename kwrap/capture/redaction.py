"""Command lines without their secrets: what looks like a secret's value is replaced before anything is written.

On the path to the child's start, so: standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

REDACTED = "[redacted]"
_NAME = re.compile(
    r"(?:^|[-_.])(?:password|passwd|secret|token|api[-_]?key|access[-_]?key|credential)s?(?:$|[-_.=])", re.I
)
# Shapes that providers give their tokens, and passwords in URLs.
_SHAPE = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|AKIA[A-Z0-9]{16}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|glpat-[\w-]{20,}|AIza[\w-]{30,})"
)
_USERINFO = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")


def argv(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a command, with the values of secret-looking options and all token shapes replaced."""
    cleaned: list[str] = []
    secret_follows = False
    for word in words:
        name, equals, _ = word.partition("=")
        if secret_follows and not word.startswith("-"):
            cleaned.append(REDACTED)
        elif equals and _NAME.search(name):
            cleaned.append(f"{name}={REDACTED}")
        else:
            cleaned.append(text(word))
        secret_follows = not equals and word.startswith("-") and bool(_NAME.search(word))
    return tuple(cleaned)


def text(value: str) -> str:
    """A text with token shapes and URL passwords replaced."""
    return _USERINFO.sub(REDACTED, _SHAPE.sub(REDACTED, value))
