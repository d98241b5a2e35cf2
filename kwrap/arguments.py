"""The words after `kwrap run`: options until `--` or the first word that is none, then the command.

A misspelt option must not become the command, so an unknown one is an error that names the nearest. On the path to the
child's start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kwrap.errors import UsageError
from kwrap.options import OPTIONS, Option


def parse_arguments(arguments: Sequence[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What was given as options, and the command: all after `--`, or from the first word that is no option."""
    given: dict[str, Any] = {}
    by_flag = _flags()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            rest.insert(0, word)
            break
        flag, attached = _split(word, by_flag)
        if flag not in by_flag:
            raise UsageError(f"no such option: {flag}", hint=_nearest_option(flag, by_flag))
        option, meaning = by_flag[flag]
        if option.kind in ("flag", "switch"):
            if attached is not None:
                raise UsageError(f"{flag} takes no value")
            given[option.name] = meaning
            continue
        if attached is None:
            if not rest or rest[0] == "--":
                raise UsageError(f"{flag} needs a value: {flag} {option.metavar}")
            attached = rest.pop(0)
        add(given, option, flag, attached)
    return given, tuple(rest)


def add(given: dict[str, Any], option: Option, flag: str, text: str) -> None:
    """Take a value as text, from `flag`, as the option's kind. Raises UsageError."""
    if option.kind == "list":
        given[option.name] = (*given.get(option.name, ()), text)
    elif option.kind == "pairs":
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{flag} needs NAME=VALUE, not '{text}'")
        given[option.name] = {**given.get(option.name, {}), name: value}
    elif option.kind == "number":
        try:
            given[option.name] = float(text)
        except ValueError:
            raise UsageError(f"{flag} needs a number, not '{text}'") from None
    else:
        if option.choices and text not in option.choices:
            near = nearest(text, option.choices)
            hint = f"did you mean '{near}'?" if near else None
            raise UsageError(f"{flag} is one of {', '.join(option.choices)}, not '{text}'", hint=hint)
        given[option.name] = text


def nearest(word: str, words: Sequence[str]) -> str | None:
    """The word that was perhaps meant."""
    import difflib

    return next(iter(difflib.get_close_matches(word, words, 1, 0.5)), None)


def _flags() -> dict[str, tuple[Option, Any]]:
    found: dict[str, tuple[Option, Any]] = {}
    for option in OPTIONS:
        for flag in option.flags:
            found[flag] = (option, True)
            if option.kind == "switch":
                found["--no-" + flag[2:]] = (option, False)
    return found


def _split(word: str, by_flag: Mapping[str, Any]) -> tuple[str, str | None]:
    if word.startswith("--"):
        flag, equals, value = word.partition("=")
        return flag, value if equals else None
    if len(word) > 2 and word[:2] in by_flag:
        return word[:2], word[2:].removeprefix("=")
    return word, None


def _nearest_option(flag: str, by_flag: Mapping[str, Any]) -> str:
    near = nearest(flag, list(by_flag))
    return f"did you mean '{near}'?" if near else "'kwrap run --help' lists them; the command comes after '--'"
