"""Manifests: what a snapshot holds, as JSON that `jq` can read.

A manifest lists paths in byte order. A file's bytes lie in a pack (a tar, whose member is named by the file's SHA-256)
or in pieces. Packs, pieces and manifests are all named by the SHA-256 of their plain bytes. On the path to the child's
start, so: standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kwrap.errors import Damaged, UnsafePath

FORMAT = 2


class TreeEntry(NamedTuple):
    """One path of a snapshot: a regular file, a symlink (`target`) or an empty directory (`directory`).

    `path` is relative, `/`-separated, in the bytes the file system gave. `mode` is the permission bits.
    A file's bytes are in `pack`, beginning at byte `offset` of the plain tar, or in `pieces` of (SHA-256, length
    in bytes); an empty file has neither. `sha256`, of the whole file, is None where several pieces say what it holds:
    hashing weights twice would cost as much as storing them.
    """

    path: bytes
    mode: int = 0o644
    size_bytes: int = 0
    sha256: str | None = None
    target: bytes | None = None
    directory: bool = False
    pack: str | None = None
    offset: int = 0
    pieces: tuple[tuple[str, int], ...] = ()


def encode(entries: Iterable[TreeEntry]) -> bytes:
    """The manifest's plain bytes; their SHA-256 is its name."""
    files = [_to_json(entry) for entry in sorted(entries)]
    return json.dumps({"files": files, "format": FORMAT}, sort_keys=True, separators=(",", ":")).encode("ascii")


def decode(data: bytes) -> tuple[TreeEntry, ...]:
    """The entries of a manifest. Raises Damaged when it is none, UnsafePath when a path would leave its directory."""
    try:
        return tuple(_from_json(item) for item in json.loads(data)["files"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise Damaged(f"a snapshot's manifest cannot be read: {error}") from error


def content_sha256(entries: Iterable[TreeEntry]) -> str:
    """A digest over paths, modes and contents alone: equal for equal files, however they are packed."""
    digest = hashlib.sha256()
    for entry in sorted(entries):
        if entry.target is not None:
            digest.update(b"L%d:%s" % (len(entry.target), entry.target))
        elif entry.directory:
            digest.update(b"D")
        else:
            digest.update(b"F%o:%s" % (entry.mode, (entry.sha256 or pieces_sha256(entry.pieces) or "").encode()))
        digest.update(b"%d:%s" % (len(entry.path), entry.path))
    return digest.hexdigest()


def pieces_sha256(pieces: Sequence[tuple[str, int]]) -> str | None:
    """What stands for a file of several pieces: the digest of lines of a hash, a blank and a length. None without any.

    Equal only for equal content, but another where the same content was cut elsewhere.
    """
    if not pieces:
        return None
    return hashlib.sha256(b"".join(b"%s %d\n" % (sha256.encode(), length) for sha256, length in pieces)).hexdigest()


def same_content(left: TreeEntry, right: TreeEntry) -> bool | None:
    """Whether two regular files hold the same; None where only their bytes can tell, for they were cut differently."""
    if left.size_bytes != right.size_bytes:
        return False
    if not left.size_bytes or left.pieces == right.pieces != ():
        return True
    if left.sha256 is not None and right.sha256 is not None:
        return left.sha256 == right.sha256
    at = _places(right.pieces)
    if any(at.get(place, sha256) != sha256 for place, sha256 in _places(left.pieces).items()):
        return False
    return None


def _places(pieces: Sequence[tuple[str, int]]) -> dict[tuple[int, int], str]:
    """The hashes of a file's stretches, by where they begin and how long they are."""
    found: dict[tuple[int, int], str] = {}
    offset = 0
    for sha256, length in pieces:
        found[offset, length] = sha256
        offset += length
    return found


def check_path(path: bytes) -> None:
    """Raise UnsafePath unless a recorded path stays below the directory it is restored into."""
    parts = path.split(b"/")
    if not path or b"\0" in path or any(part in (b"", b".", b"..") for part in parts):
        raise UnsafePath(f"the recorded path {path!r} would leave the directory it is restored into")


def _to_json(entry: TreeEntry) -> dict[str, Any]:
    item: dict[str, Any] = {**_name("path", entry.path)}
    if entry.target is not None:
        return {**item, **_name("target", entry.target)}
    item["mode"] = f"{entry.mode:o}"
    if entry.directory:
        return {**item, "directory": True}
    item["size"] = entry.size_bytes
    if entry.sha256 is not None:
        item["sha256"] = entry.sha256
    if entry.pack is not None:
        item["pack"] = [entry.pack, entry.offset]
    elif entry.pieces:
        item["pieces"] = [[sha256, length] for sha256, length in entry.pieces]
    return item


def _from_json(item: dict[str, Any]) -> TreeEntry:
    path = _bytes(item, "path")
    check_path(path)
    if "target" in item or "target64" in item:
        return TreeEntry(path=path, target=_bytes(item, "target"), mode=0o777)
    mode = int(item["mode"], 8)
    if item.get("directory"):
        return TreeEntry(path=path, mode=mode, directory=True)
    pack, offset = item.get("pack") or (None, 0)
    pieces: Sequence[tuple[str, int]] = item.get("pieces") or ()
    return TreeEntry(
        path=path,
        mode=mode,
        size_bytes=item["size"],
        sha256=item.get("sha256"),
        pack=pack,
        offset=offset,
        pieces=tuple((sha256, length) for sha256, length in pieces),
    )


def _name(key: str, value: bytes) -> dict[str, str]:
    """JSON holds text only: a name that is not UTF-8 is written in base64 under `<key>64`."""
    try:
        return {key: value.decode("utf-8")}
    except UnicodeDecodeError:
        return {f"{key}64": base64.b64encode(value).decode("ascii")}


def _bytes(item: dict[str, Any], key: str) -> bytes:
    if f"{key}64" in item:
        return base64.b64decode(item[f"{key}64"], validate=True)
    text: str = item[key]
    return text.encode("utf-8")
