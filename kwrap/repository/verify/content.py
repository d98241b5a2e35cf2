"""Trees, packs and blobs: whether all that is named is there, and whether it is what its name says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from kwrap.errors import Damaged, KwrapError, NotFound
from kwrap.repository import compression, layout
from kwrap.repository.collector.collect import content_prefixes
from kwrap.repository.content import Content
from kwrap.repository.trees import TreeEntry
from kwrap.repository.verify.problems import Kind, Problem
from kwrap.repository.verify.records import Root
from kwrap.repository.workers import in_order
from kwrap.storage.base import Storage, Stored

Report = Callable[[Problem], object]
_STEP = 1 << 20


class Named(NamedTuple):
    """Content that a tree names: `length` of its plain bytes, where the tree says it."""

    sha256: str
    is_pack: bool
    length: int | None

    def forms(self) -> tuple[str, ...]:
        """The names under which it may lie."""
        if self.is_pack:
            return (layout.pack(self.sha256),)
        return (layout.blob(self.sha256, compressed=False), layout.blob(self.sha256, compressed=True))


def present(storage: Storage) -> tuple[dict[str, Stored], list[Stored]]:
    """Every object of content, by name, and what lies among it; by one listing for each of 513 prefixes."""
    found: dict[str, Stored] = {}
    strange: list[Stored] = []
    listings = in_order(
        lambda prefix: list(storage.list(prefix)),
        content_prefixes(),
        threads=storage.parallel,
        most=2 * storage.parallel,
    )
    for listed in listings:
        found.update((one.name, one) for one in listed if layout.content_hash(one.name) is not None)
        strange += (one for one in listed if layout.content_hash(one.name) is None)
    return found, strange


def named_by(entries: Iterable[TreeEntry]) -> Iterator[Named]:
    for entry in entries:
        if entry.pack is not None:
            yield Named(entry.pack, True, None)
        for sha256, length in entry.pieces:
            yield Named(sha256, False, length)


class Trees:
    """The trees of some roots, read when they are asked for, each once for all that name it."""

    def __init__(self, storage: Storage, roots: Iterable[Root]) -> None:
        self._storage = storage
        self._content = Content(storage)
        self.experiments: dict[str, set[str]] = {}
        for root in roots:
            self.experiments.setdefault(root.tree, set()).add(root.experiment)

    def __iter__(self) -> Iterator[tuple[str, tuple[TreeEntry, ...] | KwrapError]]:
        """Each by its hash; or why it cannot be read."""
        parallel = self._storage.parallel
        yield from in_order(self._read, sorted(self.experiments), threads=parallel, most=2 * parallel)

    def _read(self, tree: str) -> tuple[str, tuple[TreeEntry, ...] | KwrapError]:
        try:
            return tree, self._content.tree(tree)
        except (Damaged, ValueError) as error:
            return tree, error if isinstance(error, KwrapError) else Damaged(f"'{tree}' is no hash of a tree")

    def needing(self, wanted: Collection[str]) -> dict[str, set[str]]:
        """The experiments that need some hashes."""
        found: dict[str, set[str]] = {}
        for tree, entries in self:
            if tree in wanted:
                found.setdefault(tree, set()).update(self.experiments[tree])
            for one in named_by(entries) if isinstance(entries, tuple) else ():
                if one.sha256 in wanted:
                    found.setdefault(one.sha256, set()).update(self.experiments[tree])
        return found


class ContentCheck:
    """One check of content. `names`: all that trees name, and that is there."""

    def __init__(self, storage: Storage, trees: Trees, objects: dict[str, Stored]) -> None:
        self._storage = storage
        self._trees = trees
        self._objects = objects
        self._problems: dict[str, Problem] = {}
        self.names: set[str] = set()

    def look(self, progress: Callable[[str], object]) -> None:
        """Whether all that is named is there, with the right size."""
        for tree, entries in self._trees:
            name = layout.tree(tree)
            self.names.add(name)
            progress("trees")
            if isinstance(entries, KwrapError):
                self._note(name, Kind.WRONG if name in self._objects else Kind.MISSING, entries.message)
                continue
            for entry in entries:
                if entry.pieces and sum(length for _, length in entry.pieces) != entry.size_bytes:
                    self._note(name, Kind.WRONG, f"{self._where(name)} does not name all the bytes of a file")
            for one in named_by(entries):
                self._look_for(one)

    def _look_for(self, one: Named) -> None:
        forms = one.forms()
        there = [name for name in forms if name in self._objects]
        self.names.update(there)
        if not there:
            self._note(forms[0], Kind.MISSING, f"{self._where(forms[0])} is missing")
        for name in there:
            size_bytes = self._objects[name].size_bytes
            if one.length is None or name.endswith(".zst"):
                # What was compressed has become shorter, or it would not have been kept so.
                fits = size_bytes > 0 and (one.length is None or size_bytes < one.length)
            else:
                fits = size_bytes == one.length
            if not fits:
                self._note(name, Kind.WRONG, f"{self._where(name)} is damaged: it has {size_bytes} bytes")

    def read(self, names: Iterable[str], progress: Callable[[int], object]) -> None:
        """Whether objects are what their names say."""

        def wrong(name: str) -> tuple[str, str | None]:
            try:
                return name, self._wrong(name)
            except NotFound:
                return name, None  # collected since it was listed
            finally:
                progress(self._objects[name].size_bytes)

        parallel = self._storage.parallel
        for name, message in in_order(wrong, names, threads=parallel, most=2 * parallel):
            if message is not None:
                self._note(name, Kind.WRONG, message)

    def _wrong(self, name: str) -> str | None:
        where = self._where(name)
        if name.startswith(layout.PACKS):
            plain = self._hash_of_pack(name)
        elif name.endswith(".zst"):
            try:
                plain = hashlib.sha256(compression.decompress(self._storage.read(name), where)).hexdigest()
            except Damaged as error:
                return error.message
        else:
            plain = hashlib.sha256(self._storage.read(name)).hexdigest()
        return (
            None if plain == layout.content_hash(name) else f"{where} is damaged: its bytes are not what its name says"
        )

    def _hash_of_pack(self, name: str) -> str | None:
        """Of its plain bytes, in bounded memory; None when they cannot be read."""
        import zstandard

        digest = hashlib.sha256()
        with self._storage.open(name) as packed:
            plain = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
            try:
                while data := plain.read(_STEP):
                    digest.update(data)
            except zstandard.ZstdError:
                return None
        return digest.hexdigest()

    def problems(self) -> Iterator[Problem]:
        """What was found, with the experiments concerned."""
        hashes = {layout.content_hash(name) or "" for name in self._problems}
        needing = self._trees.needing(hashes) if hashes else {}
        for name, problem in sorted(self._problems.items()):
            experiments = tuple(sorted(needing.get(layout.content_hash(name) or "", ())))
            yield Problem(
                kind=problem.kind,
                object=name,
                message=problem.message,
                experiments=experiments,
                size_bytes=self._objects[name].size_bytes if name in self._objects else None,
            )

    def _note(self, name: str, kind: Kind, message: str) -> None:
        self._problems.setdefault(name, Problem(kind=kind, object=name, message=message))

    def _where(self, name: str) -> str:
        return f"{self._storage.url}/{name}"
