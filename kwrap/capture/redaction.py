"""Command lines and settings without their secrets: what looks like one is replaced before anything is written.

On the path to the child's start, so: standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

REDACTED = "[redacted]"
_SECRET = r"(?:(?:password|passwd|secret|api[-_]?key|access[-_]?key|credential)s?|token)"  # `max_tokens` is none
_NAME = re.compile(rf"(?:^|[-_.]){_SECRET}(?:$|[-_.=])", re.I)
_HARMLESS = re.compile(r"[+-]?[\d.]{1,12}(?:e[+-]?\d+)?|true|false|none|", re.I)
# Within a longer text, as a command for a shell: `export HF_TOKEN=…; train`, `Authorization: Bearer …`.
_ASSIGNED = re.compile(rf"(?<![\w.-])((?:[\w.-]*[-_.])?{_SECRET}(?:[-_.][\w.-]*)?=|Bearer\s+)([^\s;&|'\"]+)", re.I)
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
        name, equals, value = word.partition("=")
        if secret_follows and not word.startswith("-") and not _HARMLESS.fullmatch(word):
            cleaned.append(REDACTED)
        elif equals and " " not in name and _is_secret(name, value):
            cleaned.append(f"{name}={REDACTED}")
        else:
            cleaned.append(text(word))
        secret_follows = not equals and word.startswith("-") and bool(_NAME.search(word))
    return tuple(cleaned)


def values(named: Mapping[str, object]) -> dict[str, object]:
    """Named settings: texts of secret names, and secrets within other texts, replaced."""
    return {name: _value(name, value) if isinstance(value, str) else value for name, value in named.items()}


def text(value: str) -> str:
    """A text with token shapes, URL passwords and assigned secrets replaced."""
    return _ASSIGNED.sub(_assigned, _USERINFO.sub(REDACTED, _SHAPE.sub(REDACTED, value)))


def _assigned(found: re.Match[str]) -> str:
    return found[0] if _HARMLESS.fullmatch(found[2]) else found[1] + REDACTED


def _value(name: str, value: str) -> str:
    return REDACTED if _is_secret(name, value) else text(value)


def _is_secret(name: str, value: str) -> bool:
    return bool(_NAME.search(name)) and not _HARMLESS.fullmatch(value)
