"""From what a person types to an experiment: an id, a prefix of it or of its short part, a name or a tag. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from kwrap import ids
from kwrap.errors import AmbiguousId, UnknownId
from kwrap.records import State
from kwrap.repository import status

# Nothing that this matches can be the beginning of an id.
WHOLE_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-z]{8}", re.ASCII)
_SHOWN = 8


def find(
    wanted: str,
    known: Sequence[str],
    states: Callable[[], Iterable[State]],
    where: str,
    called: Callable[[str], Iterable[State]] | None = None,
) -> str:
    """The one id that is meant. Raises UnknownId or AmbiguousId.

    A whole id or short id comes first, then a name or tag, and only then the beginning of an id: whoever called an
    experiment `r2` means that one, and not another whose id happens to begin so. `states` gives all there are, which
    costs reading all of them; `called` those that have, or had, a name or tag.
    """
    text = wanted.strip()
    matching = [one for one in known if text and ids.matches(one, text)]
    whole = [one for one in matching if text.lower() in (one, ids.short(one))]
    if len(whole) == 1:
        return whole[0]
    named = _named(text, called(text) if called else states())
    if len(named or matching) == 1:
        return (named or matching)[0]
    all_states = list(states())
    if named or matching:
        raise _ambiguous(wanted, named or matching, all_states, named=bool(named))
    raise _unknown(wanted, known, all_states, where)


def _named(text: str, states: Iterable[State]) -> list[str]:
    return sorted(state.experiment.id for state in states if text and text in _words(state))


def _words(state: State) -> set[str]:
    """Name and tags; those of an experiment that was removed mean it no longer."""
    if status.deleted(state):
        return set()
    words = set(status.tags(state))
    if state.experiment.name:
        words.add(state.experiment.name)
    return words


def _ambiguous(wanted: str, candidates: Sequence[str], states: Iterable[State], *, named: bool) -> AmbiguousId:
    names = {state.experiment.id: state.experiment.name for state in states}
    shown = [f"{ids.short(one)}" + (f" ({names[one]})" if names.get(one) else "") for one in candidates[-_SHOWN:]]
    more = f" and {len(candidates) - _SHOWN} older" if len(candidates) > _SHOWN else ""
    return AmbiguousId(
        f"'{wanted}' means {len(candidates)} experiments: {', '.join(shown)}{more}",
        hint="name one of them by its id" if named else "give more characters of the id",
    )


def _unknown(wanted: str, known: Sequence[str], states: Iterable[State], where: str) -> UnknownId:
    from difflib import get_close_matches

    words = {word for state in states for word in _words(state)} | {ids.short(one) for one in known}
    near = get_close_matches(wanted, sorted(words), n=3)
    hint = "'kwrap ls --last 20' lists recent ids" if known else "no experiment has been recorded there yet"
    if near:
        hint = f"did you mean {' or '.join(near)}? {hint}"
    return UnknownId(f"no experiment matches '{wanted}' in {where}", hint=hint)
