"""Records to JSON and back.

JSON has no NaN and no infinities, and Python writes them anyway: they travel as the strings of `_NON_FINITE`.
An unknown field of a newer version is kept in the record's `extra`, and written again.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, cast

from kwrap.errors import Damaged

R = TypeVar("R")

CHECKSUM = "checksum"  # of a record's bytes: it is of the object, and no field of the record

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
# What other readers' integers hold. JSON itself has no bound, and beyond 1e308 no float takes them either.
_GREATEST_INTEGER = (1 << 63) - 1


def canonical(value: object) -> bytes:
    """The one JSON text of a value: sorted keys, no blanks, ASCII. What is hashed and stored."""
    return json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode(
        "ascii"
    )


def to_json(value: object) -> Any:
    """A record, or any value made of records, as what `json` can write. Fields that are None are left out."""
    if value is None or isinstance(value, (bool, int)):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else _non_finite_name(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _record_to_json(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item) for item in value]
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def from_json(record_type: type[R], data: object) -> R:
    """Read a record. Raises Damaged when a field is missing or of another type."""
    if not isinstance(data, Mapping):
        raise Damaged(f"a {record_type.__name__} record is a JSON object, not {type(data).__name__}")
    readers = _readers(cast(Any, record_type))
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in data.items():
        if key == CHECKSUM:
            continue
        reader = readers.get(key)
        if reader is None or key == "extra":
            extra[key] = value
            continue
        try:
            known[key] = reader(value)
        except (TypeError, ValueError, AttributeError) as error:
            raise Damaged(f"field '{key}' of a {record_type.__name__} record: {error}") from error
    if "extra" in readers:
        known["extra"] = extra
    try:
        return record_type(**known)
    except TypeError as error:
        raise Damaged(f"a {record_type.__name__} record is incomplete: {error}") from error


def number(value: object) -> float:
    """A JSON number, or the name of a non-finite one. Raises ValueError for anything else."""
    if isinstance(value, str) and value in _NON_FINITE:
        return _NON_FINITE[value]
    if isinstance(value, float) or _is_integer(value):
        return cast(float, value)
    raise ValueError(f"{_shortened(value)} is no number")


def _non_finite_name(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _record_to_json(record: Any) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.name == "extra":
            written.update(value)
        elif value is not None:
            written[field.name] = to_json(value)
    return written


@lru_cache(maxsize=None)
def _readers(record_type: type) -> dict[str, Callable[[Any], Any]]:
    hints = typing.get_type_hints(record_type)
    fields = dataclasses.fields(cast(Any, record_type))
    return {field.name: _reader(hints[field.name]) for field in fields}


def _reader(hint: Any) -> Callable[[Any], Any]:
    """A function that turns parsed JSON into the annotated type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union_reader(arguments)
    if origin is tuple:
        item = _reader(arguments[0])
        return lambda value: tuple(item(one) for one in value)
    if origin is not None and issubclass(origin, Mapping):
        item = _reader(arguments[1])
        return lambda value: {key: item(one) for key, one in value.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return lambda value: from_json(hint, value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if hint is float:
        return number
    if hint in (str, int, bool):
        return lambda value: _exactly(hint, value)
    return lambda value: value


def _union_reader(arguments: tuple[Any, ...]) -> Callable[[Any], Any]:
    others = [argument for argument in arguments if argument is not types.NoneType]
    if len(others) == 1:
        read = _reader(others[0])
        return lambda value: None if value is None else read(value)
    return lambda value: _NON_FINITE.get(value, value) if isinstance(value, str) else value


def _exactly(wanted: type, value: object) -> object:
    if _is_integer(value) if wanted is int else isinstance(value, wanted):
        return value
    raise ValueError(f"{_shortened(value)} is no {wanted.__name__}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _GREATEST_INTEGER


def _shortened(value: object) -> str:
    text = hex(value) if isinstance(value, int) else repr(value)  # thousands of digits in decimal are refused by Python
    return text if len(text) <= 60 else f"{text[:57]}..."
