"""What a restore replaces is kept here first.

Owns a backup directory: `journal.jsonl`, one line before every step, and `saved/`, what stood in the way. Knows nothing
of trees and content. `undo.py` reads it; as every line comes before its step, that must look whether the step was done.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import stat
from collections.abc import Sequence
from typing import Any

from kwrap.errors import KwrapError
from kwrap.repository.workers import in_order

FORMAT = 1
JOURNAL = b"journal.jsonl"
SAVED = b"saved"
# What `describe` says of everything but files and symlinks.
OTHER = "other"
_PIECES = "pieces "
_THREADS = 2  # that hash; each holds a piece


class Backup:
    """The journal of one restore into `target`. Every method is called before the step it names is taken, by any
    thread: a line is written at once.
    """

    def __init__(self, directory: str, target: bytes) -> None:
        """Raises KwrapError when the directory already holds a journal or cannot be made."""
        self._target = target
        self._directory = os.fsencode(directory)
        self._numbers = itertools.count(1)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            os.makedirs(os.path.join(self._directory, SAVED), exist_ok=True)
            self._journal = os.open(os.path.join(self._directory, JOURNAL), flags, 0o600)
        except OSError as error:
            raise KwrapError(
                f"what a checkout replaces cannot be saved in {directory}: {error.strerror}",
                hint="name another directory, or check its permissions and free space",
            ) from error
        self._write({"op": "begin", "format": FORMAT, "target": text(os.path.realpath(target))})

    def announce(self, path: bytes, temporary: bytes, written: str) -> str:
        """A file or symlink will be made as `temporary` beside `path`; `written` tells what it is (see `holds`).

        Gives the name that `save` wants.
        """
        occupied = os.path.lexists(os.path.join(self._target, path))
        name = self._next_name()
        step = {"op": "put", "path": text(path), "temporary": text(temporary), "is": written}
        self._write({**step, "occupied": occupied, "saved": name})
        return name

    def save(self, path: bytes, name: str) -> None:
        """What was announced is about to be renamed to `path`: keep what stands there.

        A file stays in place until it is replaced, so that there always is one.
        """
        place = os.path.join(self._target, path)
        if os.path.lexists(place):
            _save(place, self._saved_path(name))

    def move_away(self, path: bytes) -> None:
        """What stands at `path` has to make room for a directory."""
        name = self._next_name()
        self._write({"op": "move", "path": text(path), "occupied": True, "saved": name})
        move(os.path.join(self._target, path), self._saved_path(name))

    def make_directory(self, path: bytes) -> None:
        self._write({"op": "mkdir", "path": text(path)})

    def change_mode(self, path: bytes, old: int, new: int) -> None:
        self._write({"op": "mode", "path": text(path), "old": old, "new": new})

    def close(self) -> None:
        os.close(self._journal)

    def _next_name(self) -> str:
        return f"{next(self._numbers):06d}"

    def _saved_path(self, name: str) -> bytes:
        return os.path.join(self._directory, SAVED, name.encode("ascii"))

    def _write(self, step: dict[str, Any]) -> None:
        os.write(self._journal, json.dumps(step).encode("ascii") + b"\n")


def describe(path: bytes) -> str | None:
    """What lies at a path, in a word that is equal only for equal content; None when nothing is there."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            return describe_symlink(os.readlink(path))
        if not stat.S_ISREG(mode):
            return OTHER
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return describe_file(digest.hexdigest())


def describe_file(sha256: str | None, pieces: Sequence[tuple[str, int]] = ()) -> str:
    """Of a file whose hash is not known: the hashes and lengths of its pieces."""
    if sha256 is not None:
        return f"file {sha256}"
    return _PIECES + " ".join(f"{piece}:{length}" for piece, length in pieces)


def holds(path: bytes, written: str | None) -> bool:
    """Whether what lies at a path is what a word of `describe`, or of `describe_file`, says."""
    if written is None or not written.startswith(_PIECES):
        return written is not None and describe(path) == written
    parts = [part.split(":") for part in written[len(_PIECES) :].split()]
    return _holds_pieces(path, [(sha256, int(length)) for sha256, length in parts])


def _holds_pieces(path: bytes, pieces: Sequence[tuple[str, int]]) -> bool:
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size != sum(length for _, length in pieces):
            return False
        with open(path, "rb", buffering=0) as file:

            def is_there(piece: tuple[int, str, int]) -> bool:
                offset, sha256, length = piece
                return hashlib.sha256(os.pread(file.fileno(), length, offset)).hexdigest() == sha256

            starts = itertools.accumulate((length for _, length in pieces), initial=0)
            places = ((offset, *piece) for offset, piece in zip(starts, pieces, strict=False))
            return all(in_order(is_there, places, threads=_THREADS, most=_THREADS + 1))
    except (FileNotFoundError, NotADirectoryError):
        return False


def describe_symlink(target: bytes) -> str:
    return f"symlink {text(target)}"


def _save(place: bytes, saved: bytes) -> None:
    """Keep what is at a place: a file by a second name, where the file system gives one, else by copying."""
    if not stat.S_ISREG(os.lstat(place).st_mode):
        move(place, saved)
        return
    try:
        os.link(place, saved, follow_symlinks=False)
    except OSError:  # another file system, or one without hard links
        _copy_file(place, saved)


def move(source: bytes, destination: bytes) -> None:
    """Rename, or where that cannot be, copy whole and then remove."""
    try:
        os.rename(source, destination)
        return
    except OSError:
        if not os.path.lexists(source) or os.path.lexists(destination):
            raise
    mode = os.lstat(source).st_mode
    if stat.S_ISDIR(mode):
        partial = destination + b".part"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(os.fsdecode(source), os.fsdecode(partial), symlinks=True)
        os.rename(partial, destination)
        shutil.rmtree(source)
        return
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(source), destination)
    else:
        _copy_file(source, destination)
    os.unlink(source)


def _copy_file(source: bytes, destination: bytes) -> None:
    if not stat.S_ISREG(os.lstat(source).st_mode):
        raise OSError(0, "it is no file, and cannot be moved to another file system")
    partial = destination + b".part"
    shutil.copy2(source, partial)
    os.rename(partial, destination)


def text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def to_bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")
