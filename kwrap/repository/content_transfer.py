"""Content from one repository into another: the stored bytes as they are, verified as they pass.

An object of content is called the same in every repository, so nothing is cut, compressed or packed again. Memory is
bounded by `_PIECES` pieces, stored and plain, and one step of a pack; and by what the target's batch holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import BinaryIO

from kwrap.errors import Damaged, NotFound
from kwrap.repository import compression, layout, pieces, trees
from kwrap.repository.content import Content
from kwrap.repository.trees import TreeEntry
from kwrap.repository.workers import in_order
from kwrap.storage.base import Batch, Storage

_PIECES = 8  # at once
_STEP = 1 << 20


class ContentTransfer:
    """`written_bytes` and `objects`: what was stored in the target. `progress` is told of files' bytes once they are
    there, whether they had to be brought or not.
    """

    def __init__(self, source: Storage, target: Storage, progress: Callable[[int], None]) -> None:
        self._source = source
        self._target = target
        self._there = Content(target)
        self._progress = progress
        self._threads = min(_PIECES, max(source.parallel, target.parallel))
        self.written_bytes = 0
        self.objects = 0

    def bring(self, names: Iterable[str], again: Collection[str]) -> None:
        """Bring trees with all that they name: what the target lacks, and what `again` names though it is there.

        Raises Damaged for what is missing or wrong in the source; a tree is not there before all that it names is.
        """
        done: set[str] = set()
        for tree in names:
            if tree not in done:
                self._bring_tree(tree, again, done)
                done.add(tree)

    def _bring_tree(self, tree: str, again: Collection[str], done: set[str]) -> None:
        stored, entries = self._read_tree(tree)
        for pack in sorted({entry.pack for entry in entries if entry.pack is not None} - done):
            if pack in again or not self._there.has_pack(pack):
                self._bring_pack(pack)
        self._progress(sum(entry.size_bytes for entry in entries if not entry.pieces))
        wanted = {sha256: length for entry in entries for sha256, length in entry.pieces}
        with self._target.batch() as batch:
            lengths = iter(wanted.values())
            for size in in_order(
                lambda sha256: 0 if sha256 in done else self._bring_piece(batch, sha256, again),
                wanted,
                threads=self._threads,
                most=2 * self._threads,
            ):
                self._count(size)
                self._progress(next(lengths))
        done.update(wanted, (entry.pack for entry in entries if entry.pack is not None))
        if tree in again or not self._there.has_tree(tree):
            self._target.write(layout.tree(tree), stored)
            self._count(len(stored))

    def _read_tree(self, tree: str) -> tuple[bytes, tuple[TreeEntry, ...]]:
        name = layout.tree(tree)
        where = f"{self._source.url}/{name}"
        stored = _read(self._source, name)
        plain = compression.decompress(stored, where)
        _check(plain, tree, where)
        return stored, trees.decode(plain)

    def _bring_piece(self, batch: Batch, sha256: str, again: Collection[str]) -> int:
        """On one of several threads. How many bytes were stored."""
        if sha256 not in again and pieces.has(self._target, sha256):
            return 0
        for compressed in (False, True):
            name = layout.blob(sha256, compressed=compressed)
            try:
                stored = self._source.read(name)
            except NotFound:
                continue
            where = f"{self._source.url}/{name}"
            _check(compression.decompress(stored, where) if compressed else stored, sha256, where)
            batch.write(name, stored, sha256=None if compressed else sha256)
            return len(stored)
        raise Damaged(f"{self._source.url}/{layout.blob(sha256, compressed=False)} is missing")

    def _bring_pack(self, sha256: str) -> None:
        name = layout.pack(sha256)
        where = f"{self._source.url}/{name}"
        try:
            stream = self._source.open(name)
        except NotFound as error:
            raise Damaged(f"the pack {where} is missing") from error
        with stream:
            taken = _Taken(stream)
            self._target.write_stream(name, _verified(taken, sha256, where))
        self._count(taken.bytes)

    def _count(self, stored_bytes: int) -> None:
        self.written_bytes += stored_bytes
        self.objects += stored_bytes > 0


class _Taken:
    """What a decompressor takes of a stream, kept until it is passed on."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._chunks: list[bytes] = []
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self._chunks.append(chunk)
        self.bytes += len(chunk)
        return chunk

    def pass_on(self) -> bytes:
        chunks, self._chunks = self._chunks, []
        return b"".join(chunks)


def _verified(taken: _Taken, sha256: str, where: str) -> Iterator[bytes]:
    """A pack's stored bytes. Raises Damaged at their end, so that nothing is stored, when they are not what its name
    says."""
    import zstandard

    digest = hashlib.sha256()
    plain = zstandard.ZstdDecompressor().stream_reader(taken, read_across_frames=True)  # type: ignore[arg-type]
    try:
        while block := plain.read(_STEP):
            digest.update(block)
            if chunk := taken.pass_on():
                yield chunk
    except zstandard.ZstdError as error:
        raise Damaged(f"{where} is damaged: {error}") from error
    if digest.hexdigest() != sha256:
        raise Damaged(f"{where} is damaged: its bytes are not those that its name says")
    yield taken.pass_on()


def _read(storage: Storage, name: str) -> bytes:
    try:
        return storage.read(name)
    except NotFound as error:
        raise Damaged(f"{storage.url}/{name} is missing") from error


def _check(plain: bytes, sha256: str, where: str) -> None:
    if hashlib.sha256(plain).hexdigest() != sha256:
        raise Damaged(f"{where} is damaged: its bytes are not those that its name says")
