"""The collector's protocol as a small pure model: names with times, a clock that the test sets, and actors that take a
step at a time and may stop at any of them.

It says in a hundred lines what `guard.py` and `collect.py` do, so that what they rely on can be tried by leaving it
out.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable

MINUTE = 60_000_000_000
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
COMMIT_WITHIN, CONDEMNED, SWEEP = 10 * MINUTE, HOUR, 15 * MINUTE

# What a broken protocol leaves out. Each must be found out.
VARIANTS = (
    "no second mark",
    "no storing again",
    "no sweep wait",
    "no look at the time of modification",
    "no stepping back",
    "no memory of what was done meanwhile",
)

# What an actor says at each step: what it is about to do. At a commit it may be held up for an hour, not for longer.
Steps = Generator[str, None, None]


class CondemnedList:
    def __init__(self, objects: dict[str, int], written: int) -> None:
        self.objects, self.written = objects, written
        self.swept: int | None = None
        self.done: int | None = None


class Model:
    """A repository in which a checkpoint is a tree of pieces, and what writers and collectors do in it."""

    def __init__(self, without: Iterable[str] = ()) -> None:
        self.now = 1000 * DAY
        self.without = frozenset(without)
        self.objects: dict[str, int] = {}
        self.lists: dict[int, CondemnedList] = {}
        self.locks: dict[int, int] = {}
        self.dead: set[int] = set()
        self.committed: dict[int, tuple[str, ...]] = {}
        self.removed: set[int] = set()

    def damaged(self) -> set[int]:
        """Checkpoints that are committed and not removed, and cannot be restored."""
        kept = self.committed.keys() - self.removed
        return {one for one in kept if any(name not in self.objects for name in self.committed[one])}

    # A writer

    def write(self, number: int, pieces: frozenset[int]) -> Steps:  # noqa: C901 - one thought
        """Store pieces and their tree, and commit. Ends early, not committed, when it has to step back."""
        names = (*(f"blob {piece}" for piece in sorted(pieces)), f"tree {sorted(pieces)}")
        before = self._done()
        yield "look"
        yield from self._store(names, ())
        written = False
        while True:
            looked = self.now
            lists, locked = dict(self.lists), self._locked()
            swept = {key for key, one in lists.items() if one.swept is not None}
            done = self._done()
            yield "check"
            lacking = set()
            for key in lists.keys() - before:
                if key in done and "no memory of what was done meanwhile" in self.without:
                    continue
                hits = [name for name in names if name in lists[key].objects]
                if hits and key not in done and "no stepping back" not in self.without:
                    if locked:
                        return
                    if key in swept:
                        yield "revoke"
                        lists[key].swept = None
                        break
                for name in hits:
                    yield "stat"
                    there = self.objects.get(name)
                    if there is None or (key not in done and there == lists[key].objects[name]):
                        lacking.add(name)
            else:
                if lacking and "no storing again" not in self.without:
                    yield from self._store(names, lacking)
                    continue
                if not written and self.now - looked > COMMIT_WITHIN:
                    continue
                if not written:
                    yield "commit"
                    self.committed[number] = names
                    written = True
                if self.now - looked <= COMMIT_WITHIN or "no storing again" in self.without:
                    return

    def _store(self, names: Iterable[str], again: Iterable[str]) -> Steps:
        for name in names:
            is_there = name in self.objects
            yield "store"
            if name in again or not is_there:
                self.objects[name] = self.now
                yield "stored"

    def _done(self) -> frozenset[int]:
        return frozenset(key for key, one in self.lists.items() if one.done is not None)

    # A collector

    def collect(self, number: int) -> Steps:
        """Take the steps that are due."""
        self.locks[number] = self.now
        yield "locked"
        if self._locked(but=number):
            del self.locks[number]
            return
        live = {key: one for key, one in self.lists.items() if one.done is None}
        swept = {key: one.swept for key, one in live.items()}
        yield "looked"
        for key, one in live.items():
            at = swept[key]
            if at is None and self.now - one.written >= CONDEMNED:
                one.swept = at = self.now
                yield "announced"
            wait = 0 if "no sweep wait" in self.without else SWEEP
            if at is not None and self.now - at >= wait:
                yield from self._act_on(one)
        if all(one.done is not None for one in live.values()):
            yield from self._condemn()
        del self.locks[number]

    def _condemn(self) -> Steps:
        named = self._named()
        yield "marked"
        old = {name: at for name, at in self.objects.items() if name not in named and self.now - at >= DAY}
        yield "listed"
        if old:
            self.lists[len(self.lists)] = CondemnedList(old, self.now)

    def _act_on(self, one: CondemnedList) -> Steps:
        named = set() if "no second mark" in self.without else self._named()
        yield "marked again"
        for name, at in sorted(one.objects.items(), reverse=True):
            if name in named:
                continue
            there = self.objects.get(name)
            yield "delete"
            if there == at or "no look at the time of modification" in self.without:
                self.objects.pop(name, None)
        yield "deleted"
        one.done = self.now

    def _named(self) -> set[str]:
        return {name for key, names in self.committed.items() if key not in self.removed for name in names}

    def _locked(self, but: int | None = None) -> bool:
        return any(self.now - at < DAY for key, at in self.locks.items() if key != but and key not in self.dead)
