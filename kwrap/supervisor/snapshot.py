"""The code snapshot: the selected files, content-addressed, in the local store, before the child starts.

Owns when nothing needs to be done at all, and how many packs a snapshot may refer to. Knows nothing of the repository,
which gets the objects from the local store later. Several snapshots of one project at once do not disturb each other:
objects are named by their content, and of two stat caches the later one stays.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from kwrap.capture.source import LeftOutFile, Selection, SourceFile
from kwrap.errors import StorageError
from kwrap.repository.local_store import LocalStore, has
from kwrap.supervisor import statcache
from kwrap.supervisor.collect import Collection
from kwrap.supervisor.statcache import StatCache, Summary

# With more, everything is packed afresh: a checkout opens every pack that a manifest names.
MAX_PACKS = 16


class Snapshot(NamedTuple):
    """A snapshot and the objects that hold it. `files` counts files and symlinks, `size_bytes` the files' content.

    `left_out` is the selection's and what could not be read after all.
    """

    tree: str
    content_sha256: str
    files: int
    size_bytes: int
    left_out: list[LeftOutFile]
    packs: tuple[str, ...]
    blobs: tuple[str, ...]


def take(selection: Selection, project_directory: bytes, store: str, index: str) -> Snapshot:
    """Store the selected files; `index` is the stat cache's file. When nothing changed, nothing is written.

    Raises StorageError when the local store cannot be written.
    """
    local = LocalStore(store)
    project = os.stat(project_directory)
    identity = (project.st_dev, project.st_ino)
    cache = statcache.read(index, identity)
    fingerprint = statcache.fingerprint(selection.files)
    if cache is not None and cache.summary.fingerprint == fingerprint and _is_stored(cache.summary, local):
        return _snapshot(local, cache.summary, selection.left_out)
    try:
        collection = _collect(selection.files, project_directory, local, cache)
        summary = collection.finish(fingerprint)
    except OSError as error:
        raise StorageError(
            f"the code snapshot cannot be written below {store}: {error.strerror}",
            hint="make room or name another state directory; --no-snapshot records without the code",
        ) from error
    statcache.write(index, identity, summary, collection.known)
    local.remove_abandoned()
    return _snapshot(local, summary, sorted([*selection.left_out, *collection.left_out], key=attrgetter("path")))


def _snapshot(local: LocalStore, summary: Summary, left_out: list[LeftOutFile]) -> Snapshot:
    packs = tuple(sha256 for sha256, _ in summary.packs)
    blobs = tuple(sha256 for sha256, _ in summary.blobs)
    local.mark_used(summary.tree[0], packs, blobs)
    return Snapshot(
        tree=summary.tree[0],
        content_sha256=summary.content_sha256,
        files=summary.files,
        size_bytes=summary.size_bytes,
        left_out=left_out,
        packs=packs,
        blobs=blobs,
    )


def _is_stored(summary: Summary, local: LocalStore) -> bool:
    """Whether every object of a snapshot is still there: the cache file alone proves nothing."""
    return (
        has(local.tree_path(summary.tree[0]), summary.tree[1])
        and all(has(local.pack_path(sha256), size) for sha256, size in summary.packs)
        and all(has(local.blob_path(sha256), size) for sha256, size in summary.blobs)
    )


def _collect(files: Sequence[SourceFile], directory: bytes, local: LocalStore, cache: StatCache | None) -> Collection:
    known = cache.entries() if cache is not None else {}
    packs = dict(cache.summary.packs) if cache is not None else {}
    packs = {sha256: size for sha256, size in packs.items() if has(local.pack_path(sha256), size)}
    collection = Collection(directory, local, known, packs)
    collection.add_all(files)
    if collection.pack_count() > MAX_PACKS:
        collection.discard()
        collection = Collection(directory, local, known, {})
        collection.add_all(files)
    return collection
