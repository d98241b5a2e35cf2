"""Putting a snapshot's files into a directory.

Owns the order of steps and how a file arrives: whole (written beside, verified, then renamed) or not at all. Files that
the snapshot does not hold are left alone. `changes.py` says beforehand what will change and refuses what is unsafe,
`backup.py` keeps what is replaced and `undo.py` brings it back. Knows nothing of experiments.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import BinaryIO, Protocol, runtime_checkable

from kwrap.errors import Damaged, KwrapError
from kwrap.repository.backup import Backup, describe_file, describe_symlink
from kwrap.repository.changes import Change, compare, overlay, plan, refuse_to_lose_directories, through_symlink
from kwrap.repository.chosen_paths import select_paths
from kwrap.repository.trees import TreeEntry
from kwrap.repository.undo import Undone, undo
from kwrap.repository.workers import in_order

__all__ = ["Change", "Source", "Undone", "apply", "plan", "select_paths", "undo"]

# Files of no more are made by several threads at once, in so much memory together.
_SMALL_BYTES = 1 << 20
_SMALL_AT_ONCE_BYTES = 16 << 20
_GROUP = 64  # that one thread makes: handing over each by itself costs as much as making it
_THREADS = 2
_CHUNK_BYTES = 16 << 20
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Source(Protocol):
    """Where the bytes of entries come from: `repository.content.Content`."""

    def entries_in_pack_order(self, entries: Sequence[TreeEntry]) -> Iterator[tuple[TreeEntry, BinaryIO]]:
        """Regular files with their bytes; a stream is valid until the next is taken.

        Reading raises Damaged where the bytes are not those that were recorded: here nothing is hashed.
        """


@runtime_checkable
class PieceSource(Source, Protocol):
    """One that can also write by itself what it has in pieces."""

    def write_entries(
        self,
        entries: Sequence[TreeEntry],
        begin: Callable[[TreeEntry], int],
        progress: Callable[[int], None] | None = None,
    ) -> Generator[TreeEntry, None, None]:
        """Files in pieces, verified, into the empty files that `begin` gives; each once all of it is written.

        Nothing is written any more once the generator is closed.
        """


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
        self._mark = os.urandom(6).hex().encode("ascii")
        self._numbers = itertools.count()

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
                self._make_directory(path.rpartition(b"/")[0])
                (files if entry.target is None else symlinks).append(entry)
        self._put_files(content, files, progress)
        for entry in symlinks:
            self._put_symlink(entry)
        for entry in reversed(modes):
            self._set_mode(entry, journalled=actions[entry.path] == "mode")

    def _put_files(self, content: Source, files: Sequence[TreeEntry], progress: Callable[[int], None] | None) -> None:
        """Small ones in several threads, large ones by the caller's, as they come."""
        if isinstance(content, PieceSource):
            large = [entry for entry in files if entry.pieces and entry.size_bytes > _SMALL_BYTES]
            if large:
                self._put_large(content, large, progress)
                files = [entry for entry in files if not entry.pieces or entry.size_bytes <= _SMALL_BYTES]
        missing = {entry.path for entry in files}

        def small() -> Iterator[list[tuple[TreeEntry, bytes]]]:
            group: list[tuple[TreeEntry, bytes]] = []
            weight = 0
            for entry, stream in content.entries_in_pack_order(files):
                missing.discard(entry.path)
                if entry.size_bytes > _SMALL_BYTES:
                    self._put_file(entry, partial(_copy, stream, progress))
                    continue
                group.append((entry, stream.read()))
                weight += entry.size_bytes
                if len(group) == _GROUP or weight >= _SMALL_BYTES:
                    yield group
                    group, weight = [], 0
            yield group

        for size_bytes in in_order(
            self._put_small, small(), threads=_THREADS, most=_SMALL_AT_ONCE_BYTES, weight=_weight
        ):
            if progress is not None and size_bytes:
                progress(size_bytes)
        if missing:
            raise Damaged(f"{len(missing)} files are missing from their packs, such as {os.fsdecode(min(missing))}")

    def _put_large(
        self, content: PieceSource, files: Sequence[TreeEntry], progress: Callable[[int], None] | None
    ) -> None:
        """Each into a file beside its place, by the threads that fetch its pieces; then it is put there."""
        begun: dict[bytes, tuple[bytes, str, int]] = {}  # what is not in its place yet

        def begin(entry: TreeEntry) -> int:
            temporary, name = self._announced(entry)
            begun[entry.path] = temporary, name, -1
            descriptor = os.open(temporary, _NEW_FILE, 0o600)
            begun[entry.path] = temporary, name, descriptor
            return descriptor

        try:
            with closing(content.write_entries(files, begin, progress)) as written:
                for entry in written:
                    temporary, name, descriptor = begun[entry.path]
                    os.fchmod(descriptor, entry.mode)
                    begun[entry.path] = temporary, name, -1
                    os.close(descriptor)
                    self._put(entry.path, temporary, name)
                    del begun[entry.path]
        finally:
            for temporary, _, descriptor in begun.values():
                if descriptor >= 0:
                    os.close(descriptor)
                _unlink(temporary)

    def _put_small(self, group: list[tuple[TreeEntry, bytes]]) -> int:
        """Without what only a large file needs: of twenty thousand, a few microseconds each are felt."""
        for entry, data in group:
            if len(data) != entry.size_bytes:
                raise _other_bytes(entry)
            temporary, name = self._announced(entry)
            try:
                descriptor = os.open(temporary, _NEW_FILE, 0o600)
                try:
                    if os.write(descriptor, data) != len(data):
                        os.lseek(descriptor, 0, os.SEEK_SET)
                        _write(descriptor, data)
                    os.fchmod(descriptor, entry.mode)
                finally:
                    os.close(descriptor)
                self._put(entry.path, temporary, name)
            except BaseException:
                _unlink(temporary)
                raise
        return _weight(group)

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

    def _put_file(self, entry: TreeEntry, write: Callable[[int], int]) -> None:
        temporary, name = self._announced(entry)
        try:  # begun before there is anything to take away: ^C may come between any two steps
            descriptor = os.open(temporary, _NEW_FILE, 0o600)
            try:
                if write(descriptor) != entry.size_bytes:
                    raise _other_bytes(entry)
                os.fchmod(descriptor, entry.mode)
            finally:
                os.close(descriptor)
            self._put(entry.path, temporary, name)
        except BaseException:
            _unlink(temporary)
            raise

    def _put_symlink(self, entry: TreeEntry) -> None:
        target = entry.target or b""
        temporary = self._temporary(os.path.join(self._root, entry.path))
        name = self._announce(entry.path, temporary, describe_symlink(target))
        try:
            os.symlink(target, temporary)
            self._put(entry.path, temporary, name)
        except BaseException:
            _unlink(temporary)
            raise

    def _announced(self, entry: TreeEntry) -> tuple[bytes, str]:
        """Where a file is written before it is put into its place, and what `_put` wants to know."""
        temporary = self._temporary(self._root + b"/" + entry.path)
        if self._backup is None:
            return temporary, ""
        return temporary, self._announce(entry.path, temporary, describe_file(entry.sha256, entry.pieces))

    def _temporary(self, place: bytes) -> bytes:
        return b"%s/.kwrap-%s-%d" % (place.rpartition(b"/")[0], self._mark, next(self._numbers))

    def _announce(self, path: bytes, temporary: bytes, written: str) -> str:
        if self._backup is None:
            return ""
        return self._backup.announce(path, os.path.basename(temporary), written)

    def _put(self, path: bytes, temporary: bytes, name: str) -> None:
        place = self._root + b"/" + path
        if self._backup is not None:
            self._backup.save(path, name)
        try:
            os.replace(temporary, place)
        except IsADirectoryError:
            os.rmdir(place)
            os.replace(temporary, place)


def _copy(stream: BinaryIO, progress: Callable[[int], None] | None, descriptor: int) -> int:
    """Write what the stream gives, stretches of zeros as holes; how many bytes that is."""
    read = getattr(stream, "read1", stream.read)  # which need not put parts together
    size_bytes, is_hole = 0, False
    while chunk := read(_CHUNK_BYTES):
        size_bytes += len(chunk)
        is_hole = len(chunk) >= _SMALL_BYTES and chunk == bytes(len(chunk))
        if is_hole:
            os.lseek(descriptor, len(chunk), os.SEEK_CUR)
        else:
            _write(descriptor, chunk)
        if progress is not None:
            progress(len(chunk))
    if is_hole:
        os.ftruncate(descriptor, size_bytes)
    return size_bytes


def _other_bytes(entry: TreeEntry) -> Damaged:
    return Damaged(f"the stored bytes of {os.fsdecode(entry.path)} are not what the manifest says")


def _weight(group: list[tuple[TreeEntry, bytes]]) -> int:
    return sum(len(data) for _, data in group)


def _write(descriptor: int, data: bytes) -> int:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    return len(data)


def _unlink(path: bytes) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
