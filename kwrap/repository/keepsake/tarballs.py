"""A tarball of Keepsake's: what is in it, and its files' bytes, always read from the beginning to the end.

Nothing tells beforehand what a gzipped tar holds, nor whether all of it is there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from typing import BinaryIO, NamedTuple

from kwrap.errors import Damaged, NotFound
from kwrap.repository.changes import parents
from kwrap.repository.keepsake.gunzip import Gunzip
from kwrap.repository.keepsake.tar import Member, Tar
from kwrap.repository.trees import TreeEntry
from kwrap.storage.base import Storage

_STEP = 1 << 20
_SHOWN = 3


class Contents(NamedTuple):
    """The regular files, in the order of their paths, and a sentence for each member that may not be restored."""

    entries: tuple[TreeEntry, ...]
    refused: tuple[str, ...]


def walk(storage: Storage, name: str) -> Iterator[tuple[Member, BinaryIO]]:
    """Every member with its bytes, which are valid until the next is taken.

    Raises Damaged when the tarball is missing, broken or cut short; only at the end is it known that it is not.
    """
    where = f"{storage.url}/{name}"
    try:
        packed = storage.open(name)
    except NotFound as error:
        raise Damaged(f"{where} is missing", hint="it was removed, or its upload never ended") from error
    with packed:
        tar = Tar(Gunzip(packed, where), where)
        for member in tar:
            yield member, tar.data()


def contents(storage: Storage, name: str) -> Contents:
    """What a tarball holds. Of two files with one path the later counts. Raises Damaged."""
    found: dict[bytes, TreeEntry] = {}
    refused: list[str] = []
    for member, data in walk(storage, name):
        if member.refused:
            refused.append(refusal(storage, name, member))
            continue
        digest = hashlib.sha256()
        while chunk := data.read(_STEP):
            digest.update(chunk)
        found[member.path] = TreeEntry(
            path=member.path,
            mode=member.mode,
            size_bytes=member.size_bytes,
            sha256=digest.hexdigest(),
            pack=name,
            offset=member.offset,
        )
    refused += [f"{storage.url}/{name}: '{os.fsdecode(path)}' is below what is a file" for path in below_files(found)]
    return Contents(tuple(sorted(found.values())), tuple(refused))


def below_files(paths: Collection[bytes]) -> list[bytes]:
    """The paths that no directory can hold together with the others."""
    return [path for path in paths if any(parent in paths for parent in parents(path))]


def refusal(storage: Storage, name: str, member: Member) -> str:
    """A sentence on a member that may not be restored."""
    return f"{storage.url}/{name}: '{os.fsdecode(member.path)}' is {member.refused}"


def files(storage: Storage, name: str, entries: Collection[TreeEntry]) -> Iterator[tuple[TreeEntry, BinaryIO]]:
    """Some of a tarball's files with their bytes, in the order they lie there."""
    wanted = {entry.offset: entry for entry in entries}
    for member, data in walk(storage, name):
        entry = wanted.pop(member.offset, None)
        if entry is not None:
            yield entry, data
        if not wanted:
            return
    if wanted:
        missing = ", ".join(os.fsdecode(entry.path) for entry in list(wanted.values())[:_SHOWN])
        raise Damaged(f"{storage.url}/{name} has changed: {missing} is not there any more")
