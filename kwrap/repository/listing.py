"""What lists and names are looked up in: everything recorded, gathered from the records or followed in the cache.

Both give the same. Gathering reads every record, is always right, and is quick while there are few; the cache follows
the log, and costs the same however many there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from kwrap import ids
from kwrap.records import State
from kwrap.repository import cache_path, layout, lookup, rows, status

if TYPE_CHECKING:
    from kwrap.repository.repository import Repository

Row = Mapping[str, Any]

# So many experiments in a directory are read at once as soon as a cache is, and damage that was done by hand is seen.
_FEW = 100


class Listing(Protocol):
    """Everything that a repository holds, as it was when this was made. Ids are oldest first."""

    total: int  # experiments that are not removed

    def newest(self, amount: int | None) -> list[str]:
        """The ids of the newest so many, or of all, without those that were removed."""

    def running(self, now_ns: int) -> list[str]:
        """The ids of those that run."""

    def rows(self, wanted: Sequence[str], now_ns: int) -> list[Row]:
        """Their rows, in the order asked for; without those that turn out to be damaged."""

    def state(self, experiment_id: str) -> State | None:
        """Everything known of one. None when it is not there, or its own record makes no sense."""

    def brief_state(self, experiment_id: str) -> State | None:
        """The same, perhaps without the packages and variables of the experiment's record."""

    def problems(self, experiment_id: str | None = None) -> list[str]:
        """A sentence for each damaged object, of all or of one experiment."""

    def beginning(self, prefix: str, amount: int) -> tuple[int, list[str]]:
        """How many ids or short ids begin so, and the newest so many of them, oldest first; removed ones too."""

    def called(self, word: str) -> list[str]:
        """Those that have it as name or tag and are not removed, oldest first."""

    def words(self, amount: int) -> Iterable[str]:
        """Names, tags and short ids, at least of the newest so many."""


def listing(repository: Repository, *, strict: bool) -> Listing:
    """The cache, brought up to date; where there is little to read, or no cache can be had, the records themselves."""
    if strict or are_few(repository):
        return Gathered(*repository.states())
    from kwrap.repository import cached

    path = cache_path.path_of(repository.id, repository.url)
    return cached.cached(repository.storage, path) or Gathered(*repository.states())


def are_few(repository: Repository) -> bool:
    """Whether their records are read as soon as a cache is: in a directory, where no cache was ever needed."""
    if not repository.id or repository.url.startswith("memory:"):
        return True  # Keepsake's has no log
    if "://" in repository.url or os.path.exists(cache_path.path_of(repository.id, repository.url)):
        return False
    if next(iter(repository.storage.list(layout.INDEX)), None) is not None:
        return False  # joined only where there were a thousand
    return len(list(islice(repository.storage.list(layout.EXPERIMENTS), _FEW + 1))) <= _FEW


class Gathered:
    """From states that were gathered."""

    def __init__(self, states: Sequence[State], problems: Sequence[str]) -> None:
        self._states = {state.experiment.id: state for state in states}
        self._listed = [key for key, state in self._states.items() if not status.deleted(state)]
        self._problems = list(problems)
        self.total = len(self._listed)

    def newest(self, amount: int | None) -> list[str]:
        return list(self._listed) if amount is None else self._listed[-amount:] if amount > 0 else []

    def running(self, now_ns: int) -> list[str]:
        return [key for key in self._listed if status.is_running(self._states[key], now_ns)]

    def rows(self, wanted: Sequence[str], now_ns: int) -> list[Row]:
        return [rows.row(self._states[key], now_ns) for key in wanted]

    def state(self, experiment_id: str) -> State | None:
        return self._states.get(experiment_id)

    def brief_state(self, experiment_id: str) -> State | None:
        return self.state(experiment_id)

    def problems(self, experiment_id: str | None = None) -> list[str]:
        return [one for one in self._problems if experiment_id is None or experiment_id in one]

    def beginning(self, prefix: str, amount: int) -> tuple[int, list[str]]:
        found = sorted(key for key in self._states if ids.matches(key, prefix))
        return len(found), found[-amount:]

    def called(self, word: str) -> list[str]:
        return sorted(key for key, state in self._states.items() if word in lookup.words(state))

    def words(self, amount: int) -> Iterable[str]:
        known = {word for state in self._states.values() for word in lookup.words(state)}
        return known.union(ids.short(key) for key in list(self._states)[-amount:])
