"""Which names are names of what. Whatever else lies in a repository is not kwrap's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kwrap.repository import layout
from kwrap.repository.collector.collect import content_prefixes
from kwrap.storage.base import Storage, Stored

_ID, _PART = r"[A-Za-z0-9_.=+@~,-]+", r"[A-Za-z0-9_.=+@~,-]+"
_KNOWN = re.compile(
    "|".join(
        [
            re.escape(layout.REPOSITORY),
            rf"{layout.EXPERIMENTS}{_ID}\.json",
            rf"(?:{layout.RUNS}|{layout.OUTCOMES}|{layout.HEARTBEATS}|{layout.NOTES}){_ID}/{_PART}\.json",
            rf"{layout.CHECKPOINTS}{_ID}/[0-9]{{6,}}\.json",
            rf"{layout.LOG}[0-9]{{8}}-[0-9]{{2}}/{_PART}\.json",
            rf"{layout.INDEX}{_PART}\.ndjson\.zst",
            rf"{layout.SERIES}{_ID}/{_PART}/[a-z]+-[0-9]{{12,}}\.ndjson\.zst",
            rf"{layout.OUTPUT}{_ID}/{_PART}/[0-9]{{16,}}\.zst",
            rf"{layout.GC}(?:{layout.LOCK}{_PART}|{_PART}\.(?:json|sweep|done))",
        ]
    )
)
_BEHIND = "\x7f"  # sorts behind everything that a name may hold


def is_known(name: str) -> bool:
    """Whether kwrap may have written an object of that name."""
    return bool(_KNOWN.fullmatch(name)) or layout.content_hash(name) is not None


def all_but_content(storage: Storage) -> Iterator[Stored]:
    """Every object that does not lie under one of content's prefixes, in order; those are stepped over."""
    prefixes = set(content_prefixes())
    after = ""
    while True:
        for stored in storage.list("", after):
            first, _, rest = stored.name.partition("/")
            prefix = next((one for one in (f"{first}/", f"{first}/{rest[:3]}") if one in prefixes), None)
            if prefix is not None:
                after = prefix + _BEHIND
                break
            yield stored
        else:
            return
