"""`repository.json`: what says that a place is a repository, and of which format."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from kwrap import ids
from kwrap.errors import AlreadyExists, Damaged, NotFound, RepositoryError
from kwrap.repository import layout
from kwrap.repository.keepsake import layout as keepsake
from kwrap.storage.base import Storage

KEEPSAKE = keepsake.FORMAT
_UPGRADE = "pip install --upgrade kwrap"
_KEEPSAKE_ID = re.compile(r"[0-9a-f]{64}")


class Header(NamedTuple):
    """`version` is the format that writers follow; a reader must know at least `min_reader`."""

    id: str
    version: int
    min_reader: int


def open_header(storage: Storage, *, create: bool) -> Header:
    """The header of the repository that lies there; with `create`, made if nothing at all lies there.

    Any number of processes may do this at once. Raises RepositoryError when there is no repository that this kwrap
    can read; a place that holds something else is never written into.
    """
    found = find_header(storage)
    if found is not None:
        return found
    if not create:
        raise RepositoryError(f"there is no repository at {storage.url}", hint="'kwrap init' makes one")
    return _create(storage)


def find_header(storage: Storage) -> Header | None:
    """The same; None where nothing at all lies."""
    header = _read(storage)
    if header is None and not storage.is_empty():
        # Nothing, and then something: another process may have made it between our two looks.
        header = _read(storage) or _early_keepsake(storage)
        if header is None:
            raise RepositoryError(
                f"{storage.url} is no repository: it is not empty, and has no {layout.REPOSITORY}",
                hint="choose another place with --repository; kwrap never writes into one that holds something else",
            )
    return header


def _early_keepsake(storage: Storage) -> Header | None:
    """Keepsake's first versions, called replicate, wrote no header; their experiments have ids like no others."""
    first = next(iter(storage.list(keepsake.EXPERIMENTS)), None)
    if first is None or not _KEEPSAKE_ID.fullmatch(keepsake.id_of(first.name, keepsake.EXPERIMENTS) or ""):
        return None
    return Header("", KEEPSAKE, KEEPSAKE)


def _create(storage: Storage) -> Header:
    made = Header(id=ids.new_write_id(), version=layout.FORMAT, min_reader=layout.FORMAT)
    try:
        storage.create(layout.REPOSITORY, encode(made))
    except AlreadyExists:
        return _read(storage) or made
    return made


def encode(header: Header) -> bytes:
    written = {**header._asdict(), "hash": "sha256", "features": []}
    return json.dumps(written).encode("ascii") + b"\n"


def _read(storage: Storage) -> Header | None:
    try:
        data = storage.read(layout.REPOSITORY)
    except NotFound:
        return None
    try:
        found: dict[str, Any] = json.loads(data)
        version = int(found["version"])
        header = Header(str(found.get("id", "")), version, int(found.get("min_reader", version)))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(
            f"{storage.url}/{layout.REPOSITORY} cannot be read: {error!r}",
            hint="it is a few words of JSON, the same in every repository but for its id: docs/repository-format.md",
        ) from error
    _check(storage.url, header, str(found.get("hash", "sha256")))
    return header


def _check(url: str, header: Header, hash_name: str) -> None:
    if header.version not in (KEEPSAKE, layout.FORMAT) and header.version < layout.FORMAT:
        raise RepositoryError(f"{url} is of format {header.version}, which no repository has")
    if header.min_reader > layout.FORMAT or hash_name != "sha256":
        raise RepositoryError(
            f"{url} is a repository of format {header.version}; this kwrap reads up to format {layout.FORMAT}",
            hint=f"a newer kwrap made it: {_UPGRADE}",
        )


def refusal(url: str, header: Header) -> RepositoryError | None:
    """What to tell whoever would write, where another format may be read but not written."""
    if header.version == KEEPSAKE:
        from kwrap.repository.keepsake.repository import refusal as of_keepsake

        return of_keepsake(url)
    if header.version <= layout.FORMAT:
        return None
    return RepositoryError(
        f"{url} is a repository of format {header.version}; this kwrap reads it, but writes {layout.FORMAT} only",
        hint=f"a newer kwrap made it: {_UPGRADE}",
    )
