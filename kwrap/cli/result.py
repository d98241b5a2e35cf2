"""`--json`, which scripts can trust: one envelope for results and failures. Fields are added, never renamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from kwrap.encoding import to_json
from kwrap.errors import KwrapError

VERSION = 1


def envelope(command: str, data: object, errors: Sequence[KwrapError] = ()) -> str:
    """The JSON text of a result. `data` is made of records and plain values; null when the command failed."""
    told = [{"code": one.code, "message": one.message, "hint": one.hint} for one in errors]
    return _text({"kwrap": VERSION, "command": command, "data": to_json(data), "errors": told}, indent=2) + "\n"


def lines(records: Iterable[object]) -> Iterable[str]:
    """`--jsonl`: one record a line, and no envelope."""
    return (_text(to_json(record), indent=None) + "\n" for record in records)


def _text(value: object, indent: int | None) -> str:
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a name that is not UTF-8 came in as surrogates; as escapes it survives
        return json.dumps(value, indent=indent, allow_nan=False)
    return text
