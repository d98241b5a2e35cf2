"""Putting a snapshot's files into a directory.

Owns the order of steps and how a file arrives: whole (written beside, verified, then renamed) or not at all. Files that
the snapshot does not hold are left alone. `changes.py` says beforehand what will change and refuses what is unsafe,
`backup.py` keeps what is replaced and `undo.py` brings it back. Knows nothing of experiments.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Protocol

from kwrap.errors import Damaged, KwrapError
from kwrap.repository.backup import Backup, describe_file, describe_symlink
from kwrap.repository.changes import Change, compare, overlay, plan, refuse_to_lose_directories, through_symlink
from kwrap.repository.chosen_paths import select_paths
from kwrap.repository.trees import TreeEntry
from kwrap.repository.undo import Undone, undo

__all__ = ["Change", "Source", "Undone", "apply", "plan", "select_paths", "undo"]

_CHUNK_BYTES = 1 << 20


class Source(Protocol):
    """Where the bytes of entries come from: `repository.content.Content`."""

    def entries_in_pack_order(self, entries: Sequence[TreeEntry]) -> Iterator[tuple[TreeEntry, BinaryIO]]:
        """Regular files with their bytes; a stream is valid until the next is taken."""


def apply(
    content: Source,
    entries: Sequence[TreeEntry],
    target: str,
    *,
    backup: str | None,
    progress: Callable[[int], None] | None = None,
) -> list[Change]:
    """Restore entries into `target` (made when missing) and return what was done, as `plan` gives it.

    `backup` is a new directory from which `undo` brings everything back, also after a failure half way; without one,
    what is overwritten is gone. `progress` is told of bytes as they are written. Raises Damaged when stored
    bytes are not what the manifest says, UnsafePath, or KwrapError when the target cannot be written.
    """
    root = os.fsencode(target)
    wanted = overlay(entries)
    changes = compare(wanted, root)
    if backup is None:
        refuse_to_lose_directories(changes, root)
    if all(change.action == "unchanged" for change in changes):
        return changes
    actions = {change.path: change.action for change in changes}
    kept = Backup(backup, root) if backup is not None else None
    try:
        _Restore(root, kept).run(content, wanted, actions, progress)
    except OSError as error:
        raise KwrapError(f"{os.fsdecode(error.filename or root)} cannot be restored: {error.strerror}") from error
    finally:
        if kept is not None:
            kept.close()
    return changes


class _Restore:
    """The steps, each journalled before it is taken."""

    def __init__(self, root: bytes, backup: Backup | None) -> None:
        self._root = root
        self._backup = backup
        self._made: set[bytes] = set()

    def run(
        self,
        content: Source,
        entries: dict[bytes, TreeEntry],
        actions: dict[bytes, str],
        progress: Callable[[int], None] | None,
    ) -> None:
        """Directories first, files as the packs hold them, then symlinks: no file can be written through one.

        Permissions come last, for a directory may become read-only.
        """
        if not os.path.isdir(self._root):
            if self._backup is not None:
                self._backup.make_directory(b"")
            os.makedirs(self._root, exist_ok=True)
        files: list[TreeEntry] = []
        symlinks: list[TreeEntry] = []
        modes: list[TreeEntry] = []
        for path, entry in entries.items():
            action = actions[path]
            if action == "mode":
                modes.append(entry)
            elif action == "unchanged":
                continue
            elif entry.directory:
                self._make_directory(path, is_entry=True)
                modes.append(entry)
            else:
                self._make_directory(os.path.dirname(path))
                (files if entry.target is None else symlinks).append(entry)
        missing = {entry.path for entry in files}
        for entry, stream in content.entries_in_pack_order(files):
            self._put_file(entry, stream, progress)
            missing.discard(entry.path)
        if missing:
            raise Damaged(f"{len(missing)} files are missing from their packs, such as {os.fsdecode(min(missing))}")
        for entry in symlinks:
            self._put_symlink(entry)
        for entry in reversed(modes):
            self._set_mode(entry, journalled=actions[entry.path] == "mode")

    def _make_directory(self, path: bytes, *, is_entry: bool = False) -> None:
        """A directory and those above it; what is in its place and is none makes room."""
        if not path or path in self._made:
            return
        self._made.add(path)
        self._make_directory(os.path.dirname(path))
        place = os.path.join(self._root, path)
        try:
            found = os.lstat(place).st_mode
        except FileNotFoundError:
            found = 0
        if stat.S_ISLNK(found) and not is_entry:
            raise through_symlink(path)
        if not stat.S_ISDIR(found):
            self._clear(path, found)
            if self._backup is not None:
                self._backup.make_directory(path)
            os.mkdir(place)

    def _clear(self, path: bytes, found: int) -> None:
        if not found:
            return
        if self._backup is not None:
            self._backup.move_away(path)
        elif stat.S_ISDIR(found):
            os.rmdir(os.path.join(self._root, path))
        else:
            os.unlink(os.path.join(self._root, path))

    def _set_mode(self, entry: TreeEntry, *, journalled: bool) -> None:
        place = os.path.join(self._root, entry.path)
        if journalled and self._backup is not None:
            self._backup.change_mode(entry.path, stat.S_IMODE(os.lstat(place).st_mode), entry.mode)
        os.chmod(place, entry.mode)

    def _put_file(self, entry: TreeEntry, stream: BinaryIO, progress: Callable[[int], None] | None) -> None:
        place = os.path.join(self._root, entry.path)
        temporary = _temporary(place)
        self._announce(entry.path, temporary, describe_file(entry.sha256 or ""))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:  # begun before there is anything to take away: ^C may come between any two steps
            descriptor = os.open(temporary, flags, 0o600)
            try:
                _copy_verified(stream, descriptor, entry, progress)
                os.fchmod(descriptor, entry.mode)
            finally:
                os.close(descriptor)
            self._put(entry.path, temporary)
        except BaseException:
            _unlink(temporary)
            raise

    def _put_symlink(self, entry: TreeEntry) -> None:
        target = entry.target or b""
        temporary = _temporary(os.path.join(self._root, entry.path))
        self._announce(entry.path, temporary, describe_symlink(target))
        try:
            os.symlink(target, temporary)
            self._put(entry.path, temporary)
        except BaseException:
            _unlink(temporary)
            raise

    def _announce(self, path: bytes, temporary: bytes, written: str) -> None:
        if self._backup is not None:
            self._backup.announce(path, os.path.basename(temporary), written)

    def _put(self, path: bytes, temporary: bytes) -> None:
        place = os.path.join(self._root, path)
        if self._backup is not None:
            self._backup.save(path)
        elif os.path.isdir(place) and not os.path.islink(place):
            os.rmdir(place)
        os.replace(temporary, place)


def _copy_verified(stream: BinaryIO, descriptor: int, entry: TreeEntry, progress: Callable[[int], None] | None) -> None:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if progress is not None:
            progress(len(chunk))
    if digest.hexdigest() != entry.sha256:
        raise Damaged(f"the stored bytes of {os.fsdecode(entry.path)} are not what the snapshot's manifest says")


def _temporary(place: bytes) -> bytes:
    return os.path.join(os.path.dirname(place), b".kwrap-" + os.urandom(6).hex().encode())


def _unlink(path: bytes) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
