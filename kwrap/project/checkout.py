"""Bringing files back into a directory: what would change, doing it, and undoing it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kwrap.clock import SYSTEM, Clock
from kwrap.errors import KwrapError, UnknownId
from kwrap.project import kept_checkouts
from kwrap.repository import restore
from kwrap.repository.content import Content
from kwrap.repository.restore import Change, Undone
from kwrap.repository.trees import TreeEntry

_DESTRUCTIVE = ("overwrite", "replace", "mode")
_OTHERS_SHOWN = 3


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
        with kept_checkouts.keep(self.what, self.target, clock) as kept:
            try:
                done = restore.apply(self.content, self.entries, self.target, backup=kept.files, progress=progress)
            except KwrapError as error:
                error.hint = error.hint or f"what was done so far can be undone: {self.undo_command}"
                raise
        return Checkout(what=self.what, target=self.target, changes=tuple(done), backup=kept.path)

    @property
    def undo_command(self) -> str:
        """What takes it back, from wherever it is typed."""
        return f"kwrap checkout --undo -o {shlex.quote(self.target)}"


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


def undo(directory: str) -> tuple[str, Undone]:
    """Take back the last checkout into a directory: what it brought, and what became of its files.

    Raises UnknownId when none is left to take back.
    """
    target = os.path.realpath(os.path.abspath(os.path.expanduser(directory)))
    kept = next(iter(kept_checkouts.all_into(target)), None)
    if kept is None:
        raise UnknownId(f"there is no checkout into {target} to take back", hint=_others())
    with kept_checkouts.take_back(kept):
        return kept.what, restore.undo(kept.files, target)


def _others() -> str:
    others = list(dict.fromkeys(one.target for one in kept_checkouts.all_into() if os.path.isdir(one.target)))
    if not others:
        return "-o names the directory that was checked out into"
    return f"-o names the directory; there are checkouts into {', '.join(others[:_OTHERS_SHOWN])}"
