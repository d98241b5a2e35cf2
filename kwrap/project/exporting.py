"""Experiments written for another tool: a repository that Keepsake 0.4.2 lists, shows, compares and checks out.

Tarballs come before the metadata that names them, each whole or not at all. Written again into the same place, only
what is new is written: a tarball that is there stays.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from kwrap import config
from kwrap.errors import AlreadyExists, Damaged, NotFound, RepositoryError, UnsafePath
from kwrap.project import files
from kwrap.project.experiment import Experiment
from kwrap.repository import header
from kwrap.repository import layout as format_2
from kwrap.repository.keepsake import layout, writing
from kwrap.repository.trees import TreeEntry
from kwrap.storage.base import Storage
from kwrap.storage.open import open_storage

_LINKS_SHOWN = 3

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written. `ids`: of each experiment, its id here and the one that Keepsake knows it by.

    `problems`: a sentence for each thing that is not there as it is here.
    """

    url: str
    ids: Mapping[str, str]
    tarballs: int
    size_bytes: int
    problems: tuple[str, ...]


def to_keepsake(experiments: Sequence[Experiment], to: str, progress: Progress | None = None) -> Exported:
    """Write experiments into a repository of Keepsake's, which is made where nothing is. `to`: a directory or URL.

    `progress` is told of bytes as they are read. Raises RepositoryError where something else lies, StorageError.
    """
    storage = open_storage(to, base=config.working_directory())
    _prepare(storage)
    exporting = _Exporting(storage, progress or (lambda _: None))
    for one in experiments:
        exporting.add(one)
    return Exported(
        url=storage.url,
        ids=exporting.ids,
        tarballs=exporting.tarballs,
        size_bytes=exporting.size_bytes,
        problems=tuple(exporting.problems),
    )


def _prepare(storage: Storage) -> None:
    found = header.find_header(storage)
    if found is not None and found.version != header.KEEPSAKE:
        raise RepositoryError(
            f"{storage.url} is a repository of kwrap's own, and not of Keepsake's",
            hint="name a new directory; 'kwrap copy' copies between repositories of kwrap's",
        )
    try:
        storage.create(format_2.REPOSITORY, writing.HEADER)
    except AlreadyExists:
        pass


class _Exporting:
    def __init__(self, storage: Storage, progress: Progress) -> None:
        self._storage = storage
        self._progress = progress
        self.ids: dict[str, str] = {}
        self.tarballs = 0
        self.size_bytes = 0
        self.problems: list[str] = []

    def add(self, one: Experiment) -> None:
        record = one.record
        own_id = writing.experiment_id(record)
        paths: dict[str, str] = {}
        if record.source is not None:
            found = self._write_files(one, own_id, layout.code(own_id), one.code)
            paths[own_id] = (writing.own_path(record.extra) or ".") if found else ""
        for each in one.checkpoints:
            checkpoint_id = writing.checkpoint_id(each.record)
            found = self._write_files(one, checkpoint_id, layout.checkpoint(checkpoint_id), each.tree)
            paths[checkpoint_id] = (writing.own_path(each.record.extra) or _top(found)) if found else ""
        written = writing.metadata(
            record,
            [each.record for each in one.checkpoints],
            one.primary_metric,
            command=one.command,
            repository=_url(self._storage.url),
            paths=paths,
        )
        self.problems += written.changed
        self._write_metadata(layout.experiment(own_id), written.data)
        self.ids[one.id] = own_id

    def _write_files(
        self, one: Experiment, top: str, name: str, tree: Callable[[], tuple[TreeEntry, ...]]
    ) -> Sequence[TreeEntry]:
        """Write a tarball unless it is there; what it holds. Without what is damaged here, there is none."""
        content = one.project.repository.content
        try:
            entries, left_out = files.without_links(tree())
            if entries and self._storage.size(name) is None:
                streams = self._counted(content.entries_in_pack_order(entries))
                self._storage.write_stream(name, writing.tarball(top, one.created_at, streams))
                self.tarballs += 1
        except (Damaged, UnsafePath) as error:
            self.problems.append(f"{one.short_id}: {error.message}; it comes without these files")
            return ()
        if left_out:
            shown = ", ".join(os.fsdecode(entry.path) for entry in left_out[:_LINKS_SHOWN])
            more = f" and {len(left_out) - _LINKS_SHOWN} more" if len(left_out) > _LINKS_SHOWN else ""
            self.problems.append(f"{one.short_id}: symlinks that lead to no file are left out: {shown}{more}")
        return entries

    def _counted(self, streams: Iterable[tuple[TreeEntry, BinaryIO]]) -> Iterator[tuple[TreeEntry, BinaryIO]]:
        for entry, stream in streams:
            yield entry, stream
            self.size_bytes += entry.size_bytes
            self._progress(entry.size_bytes)

    def _write_metadata(self, name: str, data: bytes) -> None:
        try:
            if self._storage.read(name) == data:
                return
        except NotFound:
            pass
        self._storage.write(name, data)


def _top(entries: Sequence[TreeEntry]) -> str:
    """The file, or the directory of all the files, as a person would have named it to Keepsake."""
    paths = [entry.path.decode("utf-8", "replace") for entry in entries]
    if len(paths) == 1:
        return paths[0]
    common = posixpath.commonpath([f"/{posixpath.dirname(path)}" for path in paths])
    return f"{common[1:]}/" if common != "/" else "."


def _url(url: str) -> str:
    """As Keepsake spells it, which knows of no options."""
    return url.partition("?")[0] if "://" in url else f"file://{url}"
