"""What lies below `gc/`: lists of condemned content, and how far the collector is with each. Ages are by the storage's
own clock.

    gc/<id>.json    the list: what is to be deleted, each object with its time of modification
    gc/<id>.sweep   it is about to be acted on
    gc/<id>.done    it was acted on
    gc/LOCK-<id>    a collector is at work
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kwrap.errors import Damaged, NotFound
from kwrap.repository import layout
from kwrap.storage.base import Storage, Stored

MINUTE_NS = 60_000_000_000
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
# A lock that is older belongs to a collector that is gone: none holds its own for more than half of that.
LOCK_EXPIRES_NS = DAY_NS


class Condemned(NamedTuple):
    """A list: objects of content by name, with their times of modification; and removed experiments."""

    objects: Mapping[str, Stored]
    experiments: tuple[str, ...]


class Standing(NamedTuple):
    """How far a list is: when it was written, announced (`swept_ns`) and done; None: not yet."""

    id: str
    written_ns: int
    swept_ns: int | None
    done_ns: int | None


class Look(NamedTuple):
    """One look at `gc/`: every list there is, and the locks of collectors."""

    lists: tuple[Standing, ...]
    locks: tuple[Stored, ...]

    def live(self) -> tuple[Standing, ...]:
        """Lists that are not done."""
        return tuple(one for one in self.lists if one.done_ns is None)

    def done(self) -> frozenset[str]:
        return frozenset(one.id for one in self.lists if one.done_ns is not None)


def look(storage: Storage) -> Look:
    """One listing of `gc/`. Of a list that is gone already, what is left of it is passed over."""
    found: dict[str, dict[str, int]] = {}
    locks = []
    for stored in storage.list(layout.GC):
        rest = stored.name[len(layout.GC) :]
        if rest.startswith(layout.LOCK):
            locks.append(stored)
        else:
            list_id, _, kind = rest.rpartition(".")
            found.setdefault(list_id, {})[kind] = stored.modified_ns
    lists = (
        Standing(list_id, parts["json"], parts.get("sweep"), parts.get("done"))
        for list_id, parts in sorted(found.items())
        if "json" in parts
    )
    return Look(tuple(lists), tuple(locks))


def encode(objects: Iterable[Stored], experiments: Iterable[str]) -> bytes:
    written = {"experiments": list(experiments), "objects": [list(one) for one in objects]}
    return json.dumps(written, separators=(",", ":")).encode("ascii") + b"\n"


def read(storage: Storage, list_id: str) -> Condemned:
    """A list. One that is gone is empty: it was done long ago. Raises Damaged."""
    name = layout.condemned(list_id)
    try:
        found: dict[str, Any] = json.loads(storage.read(name))
        objects = (Stored(str(one), int(size), int(modified)) for one, size, modified in found["objects"])
        return Condemned({one.name: one for one in objects}, tuple(map(str, found["experiments"])))
    except NotFound:
        return Condemned({}, ())
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"{storage.url}/{name} is damaged: {error}",
            hint="no collection is lost with it: delete it, and the .sweep and .done beside it",
        ) from error
