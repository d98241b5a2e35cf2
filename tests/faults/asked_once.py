"""What a recorder asks of this machine takes longer than all the rest: it is asked for one recording only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kwrap.capture import git, interpreter


def ask_once(set_attribute: Callable[[Any, str, Any], object]) -> None:
    for module, name in ((git, "capture"), (interpreter, "packages")):
        set_attribute(module, name, _once(getattr(module, name)))


def _once(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    answers: list[Any] = []

    def answer(argument: Any) -> Any:
        if not answers:
            answers.append(function(argument))
        return answers[0]

    return answer
