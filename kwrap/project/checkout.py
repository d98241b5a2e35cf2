"""Bringing files back into a directory: what would change, doing it, and undoing it.

What a checkout overwrites is kept in the state directory, one directory for each checkout that changed anything:

    <state>/checkouts/<number>/
        checkout.json    which target, what was brought back, when
        files/           what was there before, with the journal of it
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from kwrap.clock import SYSTEM, Clock, to_rfc3339
from kwrap.errors import KwrapError, UnknownId
from kwrap.repository import restore
from kwrap.repository.content import Content
from kwrap.repository.restore import Change
from kwrap.repository.trees import TreeEntry
from kwrap.rundir import state_directory

_DESCRIPTION, _FILES = "checkout.json", "files"
_DESTRUCTIVE = ("overwrite", "replace", "mode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """One that was done. `backup`: where what it changed is kept; None when there was nothing to change."""

    what: str
    target: str
    changes: tuple[Change, ...]
    backup: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a checkout would do to a directory; nothing has been done yet. `command`: how it was run."""

    what: str
    target: str
    command: str
    changes: tuple[Change, ...]
    content: Content
    entries: tuple[TreeEntry, ...]

    @property
    def created(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.action == "create")

    @property
    def overwritten(self) -> tuple[Change, ...]:
        """What is there now and would not be as it is."""
        return tuple(change for change in self.changes if change.action in _DESTRUCTIVE)

    @property
    def unchanged(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.action == "unchanged")

    @property
    def size_bytes(self) -> int:
        """What would be written."""
        return sum(change.size_bytes for change in self.changes if change.action not in ("unchanged", "mode"))

    def apply(
        self, *, force: bool = False, progress: Callable[[int], None] | None = None, clock: Clock = SYSTEM
    ) -> Checkout:
        """Do it. `progress` is told of bytes as they are written. Refuses to change what is there unless `force`."""
        if self.overwritten and not force:
            paths = ", ".join(os.fsdecode(change.path) for change in self.overwritten[:3])
            more = f" and {len(self.overwritten) - 3} more" if len(self.overwritten) > 3 else ""
            raise KwrapError(
                f"{self.target} holds files that would be changed: {paths}{more}",
                hint="with --force they are changed, and kept for 'kwrap checkout --undo'; -o names another directory",
            )
        if len(self.unchanged) == len(self.changes):
            return Checkout(what=self.what, target=self.target, changes=self.changes, backup=None)
        backup = _begin_backup(self, clock)
        source = self.content if progress is None else _Counted(self.content, progress)
        done = restore.apply(source, self.entries, self.target, backup=os.path.join(backup, _FILES))
        return Checkout(what=self.what, target=self.target, changes=tuple(done), backup=backup)


class _Counted:
    """Content that says how many bytes of it were read: one file may be most of what is brought back."""

    def __init__(self, content: Content, progress: Callable[[int], None]) -> None:
        self._content = content
        self._progress = progress

    def entries_in_pack_order(self, entries: Sequence[TreeEntry]) -> Iterator[tuple[TreeEntry, BinaryIO]]:
        for entry, stream in self._content.entries_in_pack_order(entries):
            yield entry, cast(BinaryIO, _CountedStream(stream, self._progress))


class _CountedStream(io.RawIOBase):
    def __init__(self, stream: BinaryIO, progress: Callable[[int], None]) -> None:
        self._stream = stream
        self._progress = progress

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._progress(len(data))
        return data


def plan(
    content: Content, entries: Sequence[TreeEntry], directory: str, what: str, command: str, paths: Sequence[str]
) -> Plan:
    """What bringing these entries back, or those that the paths name, would change. Raises UnknownId, UnsafePath."""
    target = os.path.abspath(os.path.expanduser(directory))
    if not entries:
        raise UnknownId(
            f"there is nothing to bring back of {what}: it has neither code nor checkpoints",
            hint="it was recorded with --no-snapshot, and no weight files were found",
        )
    chosen = tuple(restore.select_paths(entries, paths) if paths else entries)
    changes = tuple(restore.plan(chosen, target))
    return Plan(what=what, target=target, command=command, changes=changes, content=content, entries=chosen)


def undo(directory: str) -> tuple[str, int]:
    """Take back the last checkout into a directory: what it brought, and how many paths are as they were before.

    Raises UnknownId when none is left to take back.
    """
    target = os.path.realpath(os.path.abspath(os.path.expanduser(directory)))
    for name in sorted(_backups(), key=int, reverse=True):
        path = os.path.join(_root(), name)
        description = _describe(path)
        if description.get("target") == target:
            restored = restore.undo(os.path.join(path, _FILES), target)
            shutil.rmtree(path, ignore_errors=True)
            return str(description.get("what", "")), restored
    raise UnknownId(
        f"there is no checkout into {target} to take back", hint="-o names the directory that was checked out into"
    )


def _begin_backup(of: Plan, clock: Clock) -> str:
    now_ns = clock.wall_ns()
    description = {"target": os.path.realpath(of.target), "what": of.what, "at": to_rfc3339(now_ns)}
    try:
        path = _new_directory()
        with open(os.path.join(path, _DESCRIPTION), "w", encoding="utf-8") as file:
            json.dump(description, file)
    except OSError as error:
        raise KwrapError(
            f"nothing was changed, because what is there cannot be kept: {error.filename}: {error.strerror}",
            hint="KWRAP_STATE_DIRECTORY names another place",
        ) from error
    return path


def _new_directory() -> str:
    """The next in number: a clock may be set back, and then the last would not be the last."""
    os.makedirs(_root(), mode=0o700, exist_ok=True)
    number = max((int(name) for name in _backups()), default=0)
    while True:
        number += 1
        path = os.path.join(_root(), f"{number:06d}")
        try:
            os.mkdir(path, mode=0o700)
        except FileExistsError:
            continue
        return path


def _root() -> str:
    return os.path.join(state_directory(), "checkouts")


def _backups() -> list[str]:
    try:
        return [name for name in os.listdir(_root()) if name.isdecimal()]
    except OSError:
        return []


def _describe(path: str) -> dict[str, str]:
    try:
        with open(os.path.join(path, _DESCRIPTION), encoding="utf-8") as file:
            description = json.load(file)
    except (OSError, ValueError):
        return {}
    return description if isinstance(description, dict) else {}
