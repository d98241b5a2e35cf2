"""The local content store: where a snapshot's bytes wait until the recorder brings them to the repository.

Owns its files: `trees/ab/<sha256>.json`, `packs/<sha256>.tar`, `blobs/ab/<sha256>`, plain, each written beside and then
renamed, so that a reader sees whole objects only. Nothing is synced to the disk, for the child is waiting: after a
power cut an object may be short, which is why `has` asks for its size too. Knows nothing of files and manifests.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Iterable

# Left by a snapshot that was killed.
_ABANDONED_AFTER_S = 24 * 3600.0
_BLOCK = 512
_BUFFER_BYTES = 1 << 20


class LocalStore:
    """A content store in a directory."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._directories: set[str] = set()

    def tree_path(self, sha256: str) -> str:
        return f"{self.root}/trees/{sha256[:2]}/{sha256}.json"

    def pack_path(self, sha256: str) -> str:
        return f"{self.root}/packs/{sha256}.tar"

    def blob_path(self, sha256: str) -> str:
        return f"{self.root}/blobs/{sha256[:2]}/{sha256}"

    def write_tree(self, manifest: bytes) -> str:
        sha256 = hashlib.sha256(manifest).hexdigest()
        self._write(self.tree_path(sha256), manifest)
        return sha256

    def write_blob(self, piece: bytes) -> str:
        sha256 = hashlib.sha256(piece).hexdigest()
        self._write(self.blob_path(sha256), piece)
        return sha256

    def new_pack(self) -> Pack:
        return Pack(self)

    def temporary(self) -> str:
        """A new path in the store's own directory for files in the making."""
        directory = f"{self.root}/tmp"
        self.make_directory(directory)
        return f"{directory}/{os.getpid()}-{os.urandom(6).hex()}"

    def make_directory(self, path: str) -> None:
        if path not in self._directories:
            os.makedirs(path, exist_ok=True)
            self._directories.add(path)

    def mark_used(self, tree: str, packs: Iterable[str], blobs: Iterable[str]) -> None:
        """A snapshot refers to these now: they are not evicted for a while."""
        paths = [self.tree_path(tree), *map(self.pack_path, packs), *map(self.blob_path, blobs)]
        for path in paths:
            try:
                os.utime(path)
            except OSError:  # noqa: PERF203 - each is tried by itself
                pass

    def evict(self, before_s: float, kept: Collection[str] = ()) -> None:
        """Remove objects that no snapshot has used since a wall time; `kept` are hashes that stay all the same."""
        for directory in (f"{self.root}/{kind}" for kind in ("trees", "packs", "blobs")):
            for place, _, names in os.walk(directory):
                for name in names:
                    if name.partition(".")[0] not in kept:
                        _unlink_older(os.path.join(place, name), before_s)

    def remove_abandoned(self) -> None:
        """Remove what earlier snapshots left half written."""
        try:
            names = os.listdir(f"{self.root}/tmp")
        except OSError:
            return
        for name in names:
            _unlink_older(f"{self.root}/tmp/{name}", time.time() - _ABANDONED_AFTER_S)

    def _write(self, path: str, data: bytes) -> None:
        if has(path, len(data)):
            return
        self.make_directory(os.path.dirname(path))
        temporary = self.temporary()
        try:
            with open(temporary, "xb", buffering=0) as file:
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
            os.replace(temporary, path)
        except BaseException:
            _unlink(temporary)
            raise


class Pack:
    """A pack in the making: contents come in any order, and `close` writes the tar in the order of their hashes.

    Until then they are in a file without a name, so memory does not grow with the project.
    """

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0
        path = store.temporary()
        self._spool = open(path, "x+b", buffering=_BUFFER_BYTES)
        os.unlink(path)

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._places

    def add(self, sha256: str, data: bytes) -> None:
        self._places[sha256] = (self._end, len(data))
        self._spool.write(data)
        self._end += len(data)

    def discard(self) -> None:
        self._spool.close()

    def close(self) -> tuple[str, int, dict[str, int]]:
        """Put the pack in its place; its SHA-256, size and, by content hash, where each content begins in it."""
        temporary = self._store.temporary()
        try:
            sha256, size, offsets = self._write_tar(temporary)
            path = self._store.pack_path(sha256)
            self._store.make_directory(os.path.dirname(path))
            os.replace(temporary, path)
        except BaseException:
            _unlink(temporary)
            raise
        finally:
            self._spool.close()
        return sha256, size, offsets

    def _write_tar(self, path: str) -> tuple[str, int, dict[str, int]]:
        self._spool.flush()
        spool = self._spool.fileno()
        digest = hashlib.sha256()
        offsets: dict[str, int] = {}
        position = 0
        with open(path, "xb", buffering=_BUFFER_BYTES) as tar:
            for sha256 in sorted(self._places):
                start, length = self._places[sha256]
                data = os.pread(spool, length, start)
                member = b"".join((tar_header(sha256, length), data, b"\0" * (-length % _BLOCK)))
                offsets[sha256] = position + _BLOCK
                position += len(member)
                tar.write(member)
                digest.update(member)
            end = b"\0" * (2 * _BLOCK)
            tar.write(end)
            digest.update(end)
        return digest.hexdigest(), position + len(end), offsets


def has(path: str, size_bytes: int) -> bool:
    """Whether an object is there and not cut short."""
    try:
        return os.stat(path).st_size == size_bytes
    except OSError:
        return False


def tar_header(name: str, size_bytes: int) -> bytes:
    """A ustar header (POSIX.1-1988) that depends on the arguments only: mode 0644, owner 0, time 0.

    Written out because importing tarfile would cost the path to the child's start more than all of a snapshot.
    """
    fields = (
        name.encode("ascii").ljust(100, b"\0"),
        _octal(0o644, 8),
        _octal(0, 8),  # owner
        _octal(0, 8),  # group
        _octal(size_bytes, 12),
        _octal(0, 12),  # time
        b" " * 8,  # the checksum is taken with blanks in its own place
        b"0".ljust(101, b"\0"),  # a regular file, no link
        b"ustar\x0000",
        bytes(247),  # no names of owner and group, no device, no prefix
    )
    header = b"".join(fields)
    return header[:148] + _octal(sum(header), 7) + header[155:]


def _octal(number: int, width: int) -> bytes:
    return b"%0*o\x00" % (width - 1, number)


def _unlink_older(path: str, before_s: float) -> None:
    try:
        if os.stat(path).st_mtime < before_s:
            os.unlink(path)
    except OSError:
        pass


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
