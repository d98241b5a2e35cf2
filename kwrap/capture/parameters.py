"""Hyperparameters from a command line: `--k v`, `--k=v`, `-k v`, Hydra's `a.b=c`. Values keep their type."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from kwrap.records import Param, ParamValue

_NAME = re.compile(r"[A-Za-z_][\w.\-/]*\Z")
_NEGATIVE_NUMBER = re.compile(r"-\.?\d")
_INTEGER = re.compile(r"[+-]?\d+\Z")
_TRUE, _FALSE = ("true", "True"), ("false", "False")
# What stands between these and their script is their own: `python -u -W error train.py`, `sh -c '…'`, `python -m pkg`.
_INTERPRETER = re.compile(r"(?:(?:python|pypy)[\d.]*|(?:ba|da|k|z)?sh|perl|ruby|julia|Rscript|node)\Z")
_INTERPRETERS_VALUES, _INTERPRETERS_LAST = ("-W", "-X", "-o"), ("-c", "-m", "-e")


def from_argv(argv: Sequence[str]) -> dict[str, Param]:
    """Parameters in a command's words; the program's own name, an interpreter's options and positional words are none.

    An option that is followed by another option, or by nothing, is a flag: true. Of one given twice the last counts.
    """
    found: dict[str, Param] = {}
    words = list(argv)
    while words:
        word = words.pop(0)
        if _INTERPRETER.match(os.path.basename(word)):
            _drop_own_options(words)
            continue
        if word == "--" or len(words) == len(argv) - 1:
            continue
        if word.startswith("-") and len(word) > 1 and not _NEGATIVE_NUMBER.match(word):
            name, equals, value = word.lstrip("-").partition("=")
            if not equals and words and _is_value(words[0]):
                value, equals = words.pop(0), "="
        else:
            name, equals, value = word.lstrip("+").partition("=")
            if not equals:
                continue
        if _NAME.match(name):
            found[name] = Param(value=typed(value) if equals else True)
    return found


def _drop_own_options(words: list[str]) -> None:
    while words and words[0].startswith("-") and words[0] != "--":
        option = words.pop(0)
        takes_code = option in _INTERPRETERS_LAST or (option[1:2] != "-" and option.endswith("c"))  # `sh -ec '…'`
        if takes_code or option in _INTERPRETERS_VALUES:
            del words[:1]
        if takes_code:
            return


def from_options(pairs: Mapping[str, object]) -> dict[str, Param]:
    """Parameters given to kwrap itself: texts are read as on a command line, what kwrap.yaml typed is kept."""
    return {
        name: Param(value=typed(value) if isinstance(value, str) else _plain(value), source="option")
        for name, value in pairs.items()
    }


def typed(text: str) -> ParamValue:
    """The text as the integer, float or truth value it spells; otherwise itself."""
    if _INTEGER.match(text):
        return int(text) if len(text) < 19 else text
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    try:
        return float(text) if "_" not in text and text.strip() == text else text
    except ValueError:
        return text


def _is_value(word: str) -> bool:
    """Whether the word after an option is its value: not an option itself, and not `name=value`."""
    return not word.startswith("-") or word == "-" or bool(_NEGATIVE_NUMBER.match(word))


def _plain(value: object) -> ParamValue:
    if value is None or isinstance(value, (str, int, float, bool, list, dict)):
        return value
    return str(value)
