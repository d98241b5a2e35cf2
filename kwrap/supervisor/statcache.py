"""The stat cache of code snapshots: what the last one read, so that the next reads only what changed.

Owns the cache file and when an entry may be believed; knows nothing of packs and manifests beyond their names. It is a
cache: a missing, torn, foreign or older file is no cache, and nothing is lost with it.

The file is a line with a magic, the interpreter and the SHA-256 of the rest; a line of JSON about the whole snapshot;
and the entries in `marshal`'s form, which loads ten times faster than JSON and, behind the checksum, is our own.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import struct
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kwrap.capture.source import SourceFile

_MAGIC = b"kwrap-snapshot-cache 1 " + (sys.implementation.cache_tag or "python").encode() + b" "

# A file changed within this before it was read may change again without its times telling: coarse clocks tick in
# milliseconds (ext4) to 2 s (FAT). git's rule: https://git-scm.com/docs/racy-git
RACY_NS = 2_000_000_000


class Known(NamedTuple):
    """A file as it was last read and where its bytes are. `mtime_ns` is -1 when it must be read again."""

    path: bytes
    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    sha256: str
    pack: str | None
    offset: int
    pieces: tuple[tuple[str, int], ...]

    def is_unchanged(self, file: SourceFile) -> bool:
        return (
            self.mtime_ns == file.mtime_ns
            and self.size_bytes == file.size_bytes
            and self.ctime_ns == file.ctime_ns
            and self.inode == file.inode
        )


class Summary(NamedTuple):
    """The whole of a snapshot: enough to repeat it when nothing changed. Sizes stand beside the names of objects.

    `fingerprint` is empty when the same stats need not mean the same content.
    """

    fingerprint: str
    tree: tuple[str, int]
    content_sha256: str
    files: int
    size_bytes: int
    packs: tuple[tuple[str, int], ...]
    blobs: tuple[tuple[str, int], ...]


class StatCache:
    """A cache as it was read."""

    def __init__(self, summary: Summary, entries: memoryview) -> None:
        self.summary = summary
        self._entries = entries

    def entries(self) -> dict[bytes, Known]:
        """The files by path."""
        return {item[0]: Known(*item) for item in marshal.loads(self._entries)}


def read(path: str, project: tuple[int, int]) -> StatCache | None:
    """The cache of a project (its device and inode); None when there is none that can be used."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    first, _, rest = data.partition(b"\n")
    if first != _MAGIC + hashlib.sha256(rest).hexdigest().encode():
        return None
    end = rest.index(b"\n")
    header = json.loads(rest[:end])
    if header.pop("project") != list(project):
        return None
    for name in ("packs", "blobs"):
        header[name] = tuple((sha256, size) for sha256, size in header[name])
    header["tree"] = tuple(header["tree"])
    return StatCache(Summary(**header), memoryview(rest)[end + 1 :])


def write(path: str, project: tuple[int, int], summary: Summary, entries: Iterable[Known]) -> None:
    """Replace the cache. Failing to is no error: the next snapshot reads more."""
    header: dict[str, Any] = {**summary._asdict(), "project": project}
    rest = json.dumps(header).encode() + b"\n" + marshal.dumps([tuple(entry) for entry in entries])
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        try:
            with open(temporary, "xb") as file:
                file.write(_MAGIC + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
    except OSError:
        pass


def fingerprint(files: Sequence[SourceFile]) -> str:
    """A digest of the list of files and all their stats."""
    digest = hashlib.sha256(b"%d" % len(files))
    if files:
        paths, kinds, *numbers = zip(*files, strict=True)
        digest.update(b"\0".join(paths) + b"\0")
        digest.update(",".join(kinds).encode())
        for column in numbers:
            digest.update(_packed(column))
    return digest.hexdigest()


def is_racy(times_ns: Iterable[int], read_ns: int) -> bool:
    """Whether a file of these times that began to be read at `read_ns` may have changed since, unseen by its times."""
    return max(times_ns) > read_ns - RACY_NS


def _packed(numbers: Sequence[int]) -> bytes:
    try:
        return struct.pack(f"<{len(numbers)}q", *numbers)
    except struct.error:  # an inode beyond 63 bits
        return repr(numbers).encode()
