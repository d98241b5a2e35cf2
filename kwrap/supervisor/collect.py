"""One pass over the selected files of a project: which bytes are read, and where they go.

Owns the reading. Files below SMALL_FILE_BYTES go into one new pack, larger ones into pieces, and what the stat cache
knows and the store still has is not read at all. A file is read once, and what was read is what is hashed and stored:
when it changes or vanishes meanwhile, the snapshot is still whole, and the file is read again next time.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Sequence
from functools import partial

from kwrap.capture.source import NOT_REGULAR, UNREADABLE, LeftOutFile, SourceFile
from kwrap.repository import cuts
from kwrap.repository.local_store import LocalStore, Pack, has
from kwrap.repository.trees import TreeEntry, content_sha256, encode
from kwrap.supervisor.statcache import Known, Summary, is_racy

SMALL_FILE_BYTES = 1 << 20
VANISHED = "vanished"

# Stands in entries for the pack in the making.
_NEW_PACK = ""

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Collection:
    """One pass over the files. `packs` are those already in the store, by name, with their sizes."""

    def __init__(self, directory: bytes, local: LocalStore, known: dict[bytes, Known], packs: dict[str, int]) -> None:
        self.known: list[Known] = []
        self.left_out: list[LeftOutFile] = []
        self._entries: list[TreeEntry] = []
        self._settled = True
        self._directory = directory
        self._local = local
        self._before = known
        self._packs = packs
        self._pack: Pack | None = None
        self._places = {
            one.sha256: (one.pack, one.offset) for one in known.values() if one.pack is not None and one.pack in packs
        }

    def add_all(self, files: Sequence[SourceFile]) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for file in files:
                if file.kind == "directory":
                    self._entries.append(TreeEntry(file.path, file.mode, directory=True))
                elif file.kind == "symlink":
                    self._add_symlink(file, descriptor)
                else:
                    self._add_file(file, descriptor)
        except BaseException:
            self.discard()
            raise
        finally:
            os.close(descriptor)

    def pack_count(self) -> int:
        """How many packs the files lie in, the new one included."""
        return len({entry.pack for entry in self._entries if entry.pack is not None})

    def discard(self) -> None:
        if self._pack is not None:
            self._pack.discard()

    def finish(self, fingerprint: str) -> Summary:
        """Close the pack and write the manifest."""
        if self._pack is not None:
            self._place_new(*self._pack.close())
        manifest = encode(self._entries)
        packs = sorted({entry.pack for entry in self._entries if entry.pack is not None})
        blobs = sorted({piece for entry in self._entries for piece in entry.pieces})
        settled = self._settled and not self.left_out and all(one.mtime_ns >= 0 for one in self.known)
        return Summary(
            fingerprint=fingerprint if settled else "",
            tree=(self._local.write_tree(manifest), len(manifest)),
            content_sha256=content_sha256(self._entries),
            files=sum(not entry.directory for entry in self._entries),
            size_bytes=sum(entry.size_bytes for entry in self._entries),
            packs=tuple((sha256, self._packs[sha256]) for sha256 in packs),
            blobs=tuple(blobs),
        )

    def _add_symlink(self, file: SourceFile, descriptor: int) -> None:
        if is_racy((file.mtime_ns, file.ctime_ns), time.time_ns()):
            self._settled = False
        try:
            target = os.readlink(file.path, dir_fd=descriptor)
        except OSError as error:
            self._leave_out(file, error)
        else:
            self._entries.append(TreeEntry(file.path, 0o777, target=target))

    def _add_file(self, file: SourceFile, descriptor: int) -> None:
        before = self._before.get(file.path)
        if before is not None and before.is_unchanged(file) and self._is_there(before):
            self._add(before, file.mode)
            return
        try:
            opened = os.open(file.path, _FLAGS, dir_fd=descriptor)
        except OSError as error:
            self._leave_out(file, error)
            return
        try:
            self._read(file, opened)
        finally:
            os.close(opened)

    def _read(self, file: SourceFile, opened: int) -> None:
        """Up to the size that the file has now: what is appended meanwhile belongs to the next snapshot."""
        read_ns = time.time_ns()
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode):
            self.left_out.append(LeftOutFile(file.path, None, NOT_REGULAR))
            return
        pack: str | None = None
        offset, pieces = 0, tuple[tuple[str, int], ...]()
        try:
            if found.st_size < SMALL_FILE_BYTES:
                data = _read_exactly(opened, found.st_size)
                size_bytes, sha256 = len(data), hashlib.sha256(data).hexdigest()
                pack, offset = self._place(sha256, data) if data else (None, 0)
            else:
                sha256, pieces = self._store_pieces(opened, found.st_size)
                size_bytes = sum(length for _, length in pieces)
        except _Unreadable:
            self.left_out.append(LeftOutFile(file.path, found.st_size, UNREADABLE))
            return
        after = os.fstat(opened)
        changed = (after.st_size, after.st_mtime_ns, after.st_ctime_ns) != (size_bytes, *_times(found))
        mtime_ns = -1 if changed or is_racy(_times(found), read_ns) else found.st_mtime_ns
        self._add(
            Known(file.path, size_bytes, mtime_ns, found.st_ctime_ns, found.st_ino, sha256, pack, offset, pieces),
            found.st_mode & 0o777,
        )

    def _place(self, sha256: str, data: bytes) -> tuple[str, int]:
        """Where small content is, or will be: in the new pack, whose name is not known yet."""
        place = self._places.get(sha256)
        if place is not None:
            return place
        if self._pack is None:
            self._pack = self._local.new_pack()
        self._pack.add(sha256, data)
        self._places[sha256] = (_NEW_PACK, 0)
        return _NEW_PACK, 0

    def _store_pieces(self, opened: int, size_bytes: int) -> tuple[str, tuple[tuple[str, int], ...]]:
        """Cut as checkpoints are, so that weights among the code are stored once.

        Also hashed whole, which they are not: equal code has to be known as such however it was cut.
        """
        digest = hashlib.sha256()
        pieces: list[tuple[str, int]] = []
        for length in cuts.plan(size_bytes, partial(_read_at, opened)):
            piece = _read_exactly(opened, length)
            if piece:
                digest.update(piece)
                pieces.append((self._local.write_blob(piece), len(piece)))
            if len(piece) < length:  # it became shorter
                break
        return digest.hexdigest(), tuple(pieces)

    def _is_there(self, before: Known) -> bool:
        if before.pack is not None:
            return before.pack in self._packs
        return all(has(self._local.blob_path(sha256), length) for sha256, length in before.pieces)

    def _add(self, known: Known, mode: int) -> None:
        self.known.append(known)
        self._entries.append(
            TreeEntry(
                path=known.path,
                mode=mode,
                size_bytes=known.size_bytes,
                sha256=known.sha256,
                pack=known.pack,
                offset=known.offset,
                pieces=known.pieces,
            )
        )

    def _place_new(self, pack: str, size_bytes: int, offsets: dict[str, int]) -> None:
        self._packs = {**self._packs, pack: size_bytes}
        self.known = [
            one._replace(pack=pack, offset=offsets[one.sha256]) if one.pack == _NEW_PACK else one for one in self.known
        ]
        self._entries = [
            one._replace(pack=pack, offset=offsets[one.sha256 or ""]) if one.pack == _NEW_PACK else one
            for one in self._entries
        ]

    def _leave_out(self, file: SourceFile, error: OSError) -> None:
        """ELOOP, EINVAL: a file became a symlink or the other way round while we looked."""
        gone = error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.ENXIO)
        self.left_out.append(LeftOutFile(file.path, file.size_bytes, VANISHED if gone else UNREADABLE))


class _Unreadable(Exception):
    """A source file cannot be read (as opposed to: the store cannot be written)."""


def _read_exactly(opened: int, size_bytes: int) -> bytes:
    """That many bytes; fewer only where the file ends."""
    try:
        data = os.read(opened, size_bytes) if size_bytes else b""
        while 0 < len(data) < size_bytes:
            more = os.read(opened, size_bytes - len(data))
            if not more:
                break
            data += more
    except OSError as error:
        raise _Unreadable from error
    return data


def _read_at(opened: int, offset: int, length: int) -> bytes:
    try:
        return os.pread(opened, length, offset)
    except OSError as error:
        raise _Unreadable from error


def _times(found: os.stat_result) -> tuple[int, int]:
    return found.st_mtime_ns, found.st_ctime_ns
