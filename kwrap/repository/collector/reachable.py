"""Which content the records name: the roots, and everything below them.

Memory: 8 bytes for each tree, pack and blob that is named, twice that while it grows. 100 TB in pieces of 4 MiB are
25 million, and take at most 400 MB. What is to be deleted takes 300 bytes an object besides.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kwrap.errors import Damaged, KwrapError, NotFound
from kwrap.records import Checkpoint, Experiment
from kwrap.repository import layout, record_objects
from kwrap.repository.collector.removed import Removed
from kwrap.repository.content import Content
from kwrap.repository.workers import in_order
from kwrap.storage.base import Storage

_FEWEST = 1024  # of one part, before repeats are looked for


class Hashes:
    """A set of SHA-256s that may, once in some 10^12 questions, say that it holds one that it does not.

    Of each, nine bytes are kept: one says in which part it is. What is not named and taken for named is kept, which
    does no harm.
    """

    def __init__(self) -> None:
        self._parts = [array("Q") for _ in range(256)]
        self._sorted = [0] * 256  # so many of a part are in order, and different

    def add(self, sha256: str) -> None:
        number, value = int(sha256[:2], 16), int(sha256[2:18], 16)
        part = self._parts[number]
        part.append(value)
        if len(part) > max(_FEWEST, 2 * self._sorted[number]):
            self._tidy(number)

    def __contains__(self, sha256: str) -> bool:
        number, value = int(sha256[:2], 16), int(sha256[2:18], 16)
        if self._sorted[number] < len(self._parts[number]):
            self._tidy(number)
        part = self._parts[number]
        at = bisect_left(part, value)
        return at < len(part) and part[at] == value

    def _tidy(self, number: int) -> None:
        self._parts[number] = array("Q", sorted(set(self._parts[number])))
        self._sorted[number] = len(self._parts[number])


class Root(NamedTuple):
    """A tree, and the object whose record names it."""

    tree: str
    name: str


def mark(storage: Storage, removed: Removed, progress: Callable[[], object] = lambda: None) -> Hashes:
    """Everything that an experiment or checkpoint names which is not removed. `progress` is told of each tree.

    Raises Damaged when that cannot be known: then nothing may be taken for unnamed.
    """
    found, trees = Hashes(), Hashes()
    content = Content(storage)

    def below(root: Root) -> list[str]:
        try:
            entries = content.tree(root.tree)
        except KwrapError as error:
            raise _unknown(f"{error.message}, which {storage.url}/{root.name} names") from error
        return [
            one for entry in entries for one in (entry.pack, *(piece for piece, _ in entry.pieces)) if one is not None
        ]

    def fresh() -> Iterator[Root]:
        for root in roots(storage, removed):
            if root.tree not in trees:
                trees.add(root.tree)
                found.add(root.tree)
                yield root

    for hashes in in_order(below, fresh(), threads=storage.parallel, most=2 * storage.parallel):
        for sha256 in hashes:
            found.add(sha256)
        progress()
    return found


def roots(storage: Storage, removed: Removed) -> Iterator[Root]:
    """The trees that records name; removed experiments and checkpoints name none. Raises Damaged."""

    def tree_of(name: str) -> Root | None:
        try:
            data = storage.read(name)
        except NotFound:
            return None  # another collector has removed it since
        where = f"{storage.url}/{name}"
        try:
            if name.startswith(layout.CHECKPOINTS):
                tree = record_objects.decode(Checkpoint, data, where).tree
            else:
                source = record_objects.decode(Experiment, data, where).source
                tree = source.tree if source is not None else None
            return Root(_checked(tree, where), name) if tree is not None else None
        except Damaged as error:
            raise _unknown(error.message) from error

    def names() -> Iterator[str]:
        for folder in (layout.EXPERIMENTS, layout.CHECKPOINTS):
            for stored in storage.list(folder):
                if stored.name.endswith(".json") and not removed.holds(stored.name):
                    yield stored.name

    for root in in_order(tree_of, names(), threads=storage.parallel, most=4 * storage.parallel):
        if root is not None:
            yield root


def _checked(tree: str, where: str) -> str:
    if layout.content_hash(layout.tree(tree)) is None:
        raise Damaged(f"{where} is damaged: it names a tree by no hash")
    return tree


def _unknown(message: str) -> Damaged:
    return Damaged(
        f"nothing was freed, since not all that is needed is known: {message}",
        hint="'kwrap verify' names what is damaged, and mends it with --repair; 'kwrap rm' gives it up",
    )
