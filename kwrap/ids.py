"""Identifiers: lower case, sortable by time, readable by people.

An experiment's id is `20261121-203036-k3f9qx7a`: the UTC second of its start and a random part that begins
with a letter, so that a prefix of the one is never a prefix of the other. People are shown the random part.
"""

from __future__ import annotations

import os
import time

# Crockford's alphabet: no i, l, o, u, which are misread or spell words.
_LETTERS = "abcdefghjkmnpqrstvwxyz"
_ALPHABET = "0123456789" + _LETTERS
_RANDOM_LENGTH = 8


def new_experiment_id(wall_ns: int) -> str:
    """A new id; 39 random bits within one second, and the record is written create-only besides."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(wall_ns // 1_000_000_000))
    return f"{stamp}-{_random(_RANDOM_LENGTH)}"


def imported_experiment_id(wall_ns: int, foreign_id: str) -> str:
    """The id that an experiment of another tool gets here, always the same: `k8720ddd` for Keepsake's `8720ddd…`."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(wall_ns // 1_000_000_000))
    part = foreign_id[: _RANDOM_LENGTH - 1]
    if len(part) < _RANDOM_LENGTH - 1 or part.strip("0123456789abcdef"):
        import hashlib

        part = hashlib.sha256(foreign_id.encode("utf-8", "surrogatepass")).hexdigest()[: _RANDOM_LENGTH - 1]
    return f"{stamp}-k{part}"


def new_note_id(wall_ns: int) -> str:
    """An id for an appended note, or for an event: sorts by millisecond."""
    return f"{moment(wall_ns)}-{_random(_RANDOM_LENGTH)}"


def moment(wall_ns: int) -> str:
    """What such an id begins with: `20261121-203100-412`, UTC."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(wall_ns // 1_000_000_000))
    return f"{stamp}-{wall_ns // 1_000_000 % 1000:03d}"


def moment_ns(note_id: str) -> int:
    """When such an id was made, to the millisecond; 0 for what is none."""
    from calendar import timegm

    try:
        return (timegm(time.strptime(note_id[:15], "%Y%m%d-%H%M%S")) * 1000 + int(note_id[16:19])) * 1_000_000
    except ValueError:
        return 0


def new_write_id() -> str:
    """A mark that tells our own create-only object from another's when a response was lost."""
    return _random(16)


def run_id(rank: int, attempt: int) -> str:
    """`r0-a1`: rank 0, first attempt. The usual run of an experiment that is neither distributed nor restarted."""
    return f"r{rank}-a{attempt}"


def short(experiment_id: str) -> str:
    """The part of an id that people are shown: the random part; of a foreign id, its first 8 characters."""
    stamp, _, random = experiment_id.rpartition("-")
    return random if stamp else experiment_id[:_RANDOM_LENGTH]


def matches(experiment_id: str, prefix: str) -> bool:
    """Whether a prefix, in any case, is one of the id or of its short part."""
    wanted = prefix.lower()
    return experiment_id.startswith(wanted) or short(experiment_id).startswith(wanted)


def _random(length: int) -> str:
    first, *rest = os.urandom(length)
    return _LETTERS[first % len(_LETTERS)] + "".join(_ALPHABET[byte % 32] for byte in rest)
