"""Records as objects: JSON that a person can read, one field a line, and that is created once.

Knows how a record becomes bytes, and what to do when its object exists already; not where objects lie.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from kwrap import encoding
from kwrap.errors import AlreadyExists, Damaged
from kwrap.storage.base import Storage

R = TypeVar("R")


def encode(record: object) -> bytes:
    """The JSON of a record: a field a line, in the record's own order.

    json's own indentation has no C encoder, and costs ten times as much.
    """
    fields: dict[str, Any] = encoding.to_json(record)
    lines = [f" {json.dumps(key)}: {_compact(value)}" for key, value in fields.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # an argument or a path that is not UTF-8
        return json.dumps(fields, allow_nan=False).encode("ascii") + b"\n"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def decode(record_type: type[R], data: bytes, where: str) -> R:
    """Raises Damaged, naming the object."""
    try:
        return encoding.from_json(record_type, json.loads(data.decode("utf-8")))
    except Damaged as error:
        raise Damaged(f"{where} is damaged: {error.message}") from error
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{where} is damaged: it is no JSON ({error})") from error


def create(storage: Storage, name: str, record: object) -> None:
    """Write a record that must not exist yet.

    An answer may be lost after the object was stored, and a recorder may be killed after writing it: when the object
    there has our own write_id, or the same bytes, it is ours. Otherwise raises AlreadyExists.
    """
    data = encode(record)
    try:
        storage.create(name, data)
    except AlreadyExists:
        there = storage.read(name)
        if there != data and not _same_write(there, getattr(record, "write_id", None)):
            raise


def _same_write(there: bytes, write_id: str | None) -> bool:
    if write_id is None:
        return False
    try:
        found = json.loads(there)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("write_id") == write_id
