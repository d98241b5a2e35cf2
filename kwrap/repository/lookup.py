"""From what a person types to an experiment: an id, a prefix of it or of its short part, a name or a tag. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kwrap import ids
from kwrap.errors import AmbiguousId, UnknownId
from kwrap.records import State
from kwrap.repository import status

if TYPE_CHECKING:
    from kwrap.repository.listing import Listing

# Nothing that this matches can be the beginning of an id.
WHOLE_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-z]{8}", re.ASCII)
_SHOWN = 8
_NEAR_AMONG = 1000  # the newest ids, among which those like a misspelt one are looked for: comparing all is slow


def find(wanted: str, listing: Listing, where: str) -> str:
    """The one id that is meant. Raises UnknownId or AmbiguousId.

    A whole id or short id comes first, then a name or tag, and only then the beginning of an id: whoever called an
    experiment `r2` means that one, and not another whose id happens to begin so.
    """
    text = wanted.strip()
    amount, matching = listing.beginning(text, _SHOWN) if text else (0, [])
    whole = [one for one in matching if text.lower() in (one, ids.short(one))]
    if len(whole) == 1:
        return whole[0]
    named = listing.called(text) if text else []
    if len(named) == 1 or (not named and amount == 1):
        return (named or matching)[0]
    if named or amount:
        raise _ambiguous(wanted, named or matching, len(named) or amount, listing, named=bool(named))
    raise _unknown(wanted, listing, where)


def words(state: State) -> set[str]:
    """Name and tags; those of an experiment that was removed mean it no longer."""
    if status.deleted(state):
        return set()
    found = set(status.tags(state))
    if state.experiment.name:
        found.add(state.experiment.name)
    return found


def _ambiguous(wanted: str, candidates: Sequence[str], amount: int, listing: Listing, *, named: bool) -> AmbiguousId:
    last = candidates[-_SHOWN:]
    more = f" and {amount - _SHOWN} older" if amount > _SHOWN else ""
    return AmbiguousId(
        f"'{wanted}' means {amount} experiments: {', '.join(_introduced(one, listing) for one in last)}{more}",
        hint="name one of them by its id" if named else "give more characters of the id",
    )


def _introduced(experiment_id: str, listing: Listing) -> str:
    state = listing.brief_state(experiment_id)
    name = state.experiment.name if state else None
    return ids.short(experiment_id) + (f" ({name})" if name else "")


def _unknown(wanted: str, listing: Listing, where: str) -> UnknownId:
    from difflib import get_close_matches

    known = sorted(listing.words(_NEAR_AMONG))
    near = get_close_matches(wanted, known, n=3)
    hint = "'kwrap ls --last 20' lists recent ids" if known else "no experiment has been recorded there yet"
    if near:
        hint = f"did you mean {' or '.join(near)}? {hint}"
    return UnknownId(f"no experiment matches '{wanted}' in {where}", hint=hint)
