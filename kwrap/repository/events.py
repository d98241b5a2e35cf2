"""Events: what happened in a repository, in the order it happened, as small objects that lists follow.

An event repeats the records that were just written, so that whoever follows the log need not read them. It is no truth
of its own: it is written after its records, may be lost or written twice, and is mended by reading the records. Its
name says when it was written, by the storage's clock, and of which experiment it is.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from kwrap import ids
from kwrap.clock import to_rfc3339
from kwrap.errors import Damaged
from kwrap.repository import layout, record_objects
from kwrap.storage.base import Storage

Records = dict[str, Any]

# Of an experiment's record: the largest part, the same in most of them, and nothing that lists show.
LEFT_OUT = ("packages", "environment")


class Event(NamedTuple):
    """What an event says: records, but for what is left out, as JSON values under the names of their objects.

    `checkpoints`: the numbers of all that the experiment has, so that what an earlier, lost event told is missed.
    `removed`: the experiment's records are gone.
    """

    experiment: str
    records: Records
    checkpoints: tuple[int, ...] = ()
    removed: bool = False


def tell(
    storage: Storage,
    experiment_id: str,
    records: Mapping[str, bytes],
    *,
    checkpoints: Collection[int] = (),
    removed: bool = False,
) -> str:
    """Write an event, under a name of its own; what is no JSON in it is left out. The name."""
    now_ns = storage.now_ns()
    fields: dict[str, Any] = {"experiment": experiment_id, "at": to_rfc3339(now_ns), "records": tellable(records)}
    if checkpoints:
        fields["checkpoints"] = sorted(checkpoints)
    if removed:
        fields["removed"] = True
    name = layout.event(ids.new_note_id(now_ns), experiment_id)
    record_objects.create_unique(storage, name, json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n")
    return name


def decode(data: bytes, where: str) -> Event:
    """Raises Damaged, naming the object."""
    try:
        fields = json.loads(data)
        return from_fields(fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Damaged(f"{where} is damaged: it is no event ({error!r})") from error


def from_fields(fields: Mapping[str, Any]) -> Event:
    """An event from its JSON object. Raises ValueError, TypeError or KeyError for one that makes no sense."""
    experiment, records = fields["experiment"], fields["records"]
    if not isinstance(experiment, str) or not isinstance(records, dict):
        raise ValueError("its fields are of another type")
    numbers = tuple(int(one) for one in fields.get("checkpoints", ()))
    return Event(experiment, records, numbers, fields.get("removed") is True)


def parsed(data: bytes, where: str) -> dict[str, Any]:
    """A record as its JSON object. Raises Damaged, naming the object."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{where} is damaged: it is no JSON ({error})") from error
    if not isinstance(found, dict):
        raise Damaged(f"{where} is damaged: a record is a JSON object, not {type(found).__name__}")
    return found


def tellable(records: Mapping[str, bytes]) -> Records:
    """What of some records can be told; whoever misses one reads it, and finds out what is wrong."""
    found = ((name, _or_none(data, name)) for name, data in records.items())
    return {name: shortened(record) for name, record in found if record is not None}


def shortened(record: dict[str, Any]) -> dict[str, Any]:
    """A record without what is left out."""
    return {key: value for key, value in record.items() if key not in LEFT_OUT}


def _or_none(data: bytes, name: str) -> dict[str, Any] | None:
    try:
        return parsed(data, name)
    except Damaged:
        return None
