"""Reading the local content store by its documented format alone, and trees of files to put into it.

The reader is written against the format, not with the code that writes it: it doubles as a check of the format.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hypothesis import strategies as st

from kwrap.capture.source import Selection, select
from kwrap.repository.trees import TreeEntry, decode
from kwrap.supervisor.snapshot import Snapshot, take


class LocalContent:
    """The content of a local store: `trees/ab/<sha256>.json`, `packs/<sha256>.tar`, `blobs/ab/<sha256>`, all plain."""

    def __init__(self, store: Path) -> None:
        self.store = store

    def tree(self, sha256: str) -> tuple[TreeEntry, ...]:
        return decode(self._object(self.store / "trees" / sha256[:2] / f"{sha256}.json", sha256))

    def read(self, entry: TreeEntry) -> bytes:
        if entry.pack is not None:
            pack = self._object(self.store / "packs" / f"{entry.pack}.tar", entry.pack)
            return pack[entry.offset : entry.offset + entry.size_bytes]
        pieces = [self._object(self.store / "blobs" / piece[:2] / piece, piece) for piece, _ in entry.pieces]
        assert [len(piece) for piece in pieces] == [length for _, length in entry.pieces]
        return b"".join(pieces)

    def entries_in_pack_order(self, entries: Sequence[TreeEntry]) -> Iterator[tuple[TreeEntry, BinaryIO]]:
        for entry in sorted(entries, key=lambda entry: (entry.pack or "", entry.offset)):
            yield entry, io.BytesIO(self.read(entry))

    def verify(self, sha256: str) -> tuple[TreeEntry, ...]:
        """The entries of a tree, every one of which has the bytes it says."""
        entries = self.tree(sha256)
        for entry in entries:
            if entry.target is None and not entry.directory:
                data = self.read(entry)
                assert len(data) == entry.size_bytes
                assert hashlib.sha256(data).hexdigest() == entry.sha256
        return entries

    def _object(self, path: Path, sha256: str) -> bytes:
        data = path.read_bytes()
        assert hashlib.sha256(data).hexdigest() == sha256
        return data


class Taken(NamedTuple):
    selection: Selection
    snapshot: Snapshot
    entries: tuple[TreeEntry, ...]

    def contents(self, content: LocalContent) -> dict[bytes, bytes]:
        return {entry.path: content.read(entry) for entry in self.entries if entry.sha256 is not None}


def snapshot_of(project: Path, state: Path) -> Taken:
    """Select and take, with the store and the stat cache in a state directory, and verify all that was written."""
    selection = select(os.fsencode(project))
    snapshot = take(selection, os.fsencode(project), str(state / "store"), str(state / "index"))
    return Taken(selection, snapshot, LocalContent(state / "store").verify(snapshot.tree))


class Node(NamedTuple):
    """What to make at a path: a file of this content and mode, a symlink, or an empty directory."""

    kind: str
    content: bytes = b""
    mode: int = 0o644


_CONTENTS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"a\r\nb\r\n", b"\0" * 600, b"x" * 511, b"x" * 512, b"\xef\xbb\xbfprint()\n"]),
    st.builds(lambda byte, size: bytes([byte]) * size, st.integers(0, 255), st.sampled_from([1 << 20, (1 << 20) - 1])),
)
_NODES = st.one_of(
    st.builds(Node, st.just("file"), _CONTENTS, st.sampled_from([0o644, 0o755, 0o600, 0o444, 0o400, 0o666])),
    st.builds(Node, st.just("symlink"), st.sampled_from([b"a", b"../x", b"/nowhere", b".", b"\xff", b"b/a"])),
    st.builds(Node, st.just("directory"), st.just(b""), st.sampled_from([0o755, 0o700, 0o555])),
)
_NAMES = st.sampled_from(
    [
        b"a",
        b"b",
        b"train.py",
        "größe".encode(),
        "模型".encode(),
        b"\xff\xfe",
        b"with\nnewline",
        b" ",
        b"a\\b",
        b'"',
        b"-x",
        b":(top)",
    ]
)
TREES = st.dictionaries(st.lists(_NAMES, min_size=1, max_size=3).map(b"/".join), _NODES, max_size=9)


def build(root: Path, nodes: dict[bytes, Node]) -> dict[bytes, Node]:
    """Make the nodes; those that need a file's place for a directory, or the other way round, are passed over."""
    top = os.fsencode(root)
    os.makedirs(top, exist_ok=True)
    for path, node in sorted(nodes.items()):
        place = os.path.join(top, path)
        try:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            if _through_symlink(top, path):
                continue
            if node.kind == "file":
                with open(place, "xb") as file:
                    file.write(node.content)
            elif node.kind == "symlink":
                os.symlink(node.content, place)
            else:
                os.mkdir(place)
        except OSError:
            continue
        if node.kind != "symlink":
            os.chmod(place, node.mode)
    return scan(root)


def scan(root: Path) -> dict[bytes, Node]:
    """Everything below a directory but directories that hold something."""
    found: dict[bytes, Node] = {}
    top = os.fsencode(root)
    for directory, directories, files in os.walk(top):
        for name in directories + files:
            place = os.path.join(directory, name)
            path = os.path.relpath(place, top)
            mode = os.lstat(place).st_mode
            if stat.S_ISLNK(mode):
                found[path] = Node("symlink", os.readlink(place), 0o777)
            elif stat.S_ISREG(mode):
                with open(place, "rb") as file:
                    found[path] = Node("file", file.read(), stat.S_IMODE(mode))
            elif stat.S_ISDIR(mode) and not os.listdir(place):
                found[path] = Node("directory", b"", stat.S_IMODE(mode))
    return found


def _through_symlink(top: bytes, path: bytes) -> bool:
    parent = os.path.dirname(path)
    while parent:
        if os.path.islink(os.path.join(top, parent)):
            return True
        parent = os.path.dirname(parent)
    return False
