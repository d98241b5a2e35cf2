"""What a verification finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    MISSING = "missing"  # something that is named, or was told of, is not there
    WRONG = "wrong"  # its bytes are not those that were stored
    SURPLUS = "surplus"  # nothing names it: it takes room, and does no harm


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One object with which something is the matter. `experiments` are those that need it, by their ids.

    `object`: its name; on disk, of what is no object, its path below the root.
    """

    kind: Kind
    object: str
    message: str
    experiments: tuple[str, ...] = ()
    size_bytes: int | None = None
    repaired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was looked at, and what was found. `full`: every byte was read, else only what is there was looked at."""

    full: bool
    experiments: int
    objects: int
    size_bytes: int
    problems: tuple[Problem, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing or wrong, or no more."""
        return all(one.repaired or one.kind is Kind.SURPLUS for one in self.problems)

    @property
    def surplus_bytes(self) -> int:
        return sum(one.size_bytes or 0 for one in self.problems if one.kind is Kind.SURPLUS)
