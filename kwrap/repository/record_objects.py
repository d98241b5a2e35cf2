"""Records as objects: JSON that a person can read, one field a line, and that is created once.

Knows how a record becomes bytes, and what to do when its object exists already; not where objects lie.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar

from kwrap import encoding
from kwrap.errors import AlreadyExists, Damaged
from kwrap.storage.base import Storage

R = TypeVar("R")

_CHECKSUM = f' "{encoding.CHECKSUM}": "'.encode("ascii")


def encode(record: object) -> bytes:
    """The JSON of a record: a field a line, in the record's own order, and a checksum of these lines.

    json's own indentation has no C encoder, and costs ten times as much.
    """
    fields: dict[str, Any] = encoding.to_json(record)
    try:
        return _lines(fields, ensure_ascii=False)
    except UnicodeEncodeError:  # an argument or a path that is not UTF-8
        return _lines(fields, ensure_ascii=True)


def _lines(fields: dict[str, Any], *, ensure_ascii: bool) -> bytes:
    lines = (
        f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=ensure_ascii, allow_nan=False)},\n"
        for key, value in fields.items()
    )
    data = ("{\n" + "".join(lines)).encode("utf-8")
    return data + _CHECKSUM + hashlib.sha256(data).hexdigest().encode("ascii") + b'"\n}\n'


def is_as_written(data: bytes) -> bool:
    """Whether a record has the checksum it was written with. One that never had any is taken as it is."""
    lines, checksum, rest = data.rpartition(_CHECKSUM)
    return not checksum or rest == hashlib.sha256(lines).hexdigest().encode("ascii") + b'"\n}\n'


def decode(record_type: type[R], data: bytes, where: str) -> R:
    """Raises Damaged, naming the object."""
    try:
        return encoding.from_json(record_type, json.loads(data.decode("utf-8")))
    except Damaged as error:
        raise Damaged(f"{where} is damaged: {error.message}") from error
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{where} is damaged: it is no JSON ({error})") from error


def create(storage: Storage, name: str, record: object) -> bytes:
    """Write a record that must not exist yet. The object's bytes.

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
        return there
    return data


def create_unique(storage: Storage, name: str, data: bytes) -> None:
    """Write an object under a name that nobody else makes: what has it already is ours, and its answer was lost."""
    try:
        storage.create(name, data)
    except AlreadyExists:
        pass


def _same_write(there: bytes, write_id: str | None) -> bool:
    if write_id is None:
        return False
    try:
        found = json.loads(there)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("write_id") == write_id
