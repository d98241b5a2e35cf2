"""What checkouts overwrote, kept in the state directory: one directory for each, until it is taken back.

<state>/checkouts/<number>/
    checkout.json    which target, what was brought back, when; locked while somebody is at it
    files/           what was there before, with the journal of it
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from kwrap.clock import Clock, to_rfc3339
from kwrap.errors import KwrapError
from kwrap.rundir import state_directory

_DESCRIPTION, _FILES = "checkout.json", "files"
_UNDER_WAY = "another checkout into {} is under way"


class KeptCheckout(NamedTuple):
    """`path`: its directory; `what`: what was brought back."""

    path: str
    target: str
    what: str

    @property
    def files(self) -> str:
        """Where the journal is, and what was overwritten."""
        return os.path.join(self.path, _FILES)


@contextmanager
def keep(what: str, target: str, clock: Clock) -> Iterator[KeptCheckout]:
    """A new one; until the block is left, no other checkout changes that target.

    Raises KwrapError when it cannot be written, or another is under way.
    """
    made = KeptCheckout(_new_directory(), os.path.realpath(target), what)
    with _locked(made, os.O_CREAT | os.O_EXCL) as descriptor:
        described = {"target": made.target, "what": what, "at": to_rfc3339(clock.wall_ns())}
        try:
            os.write(descriptor, json.dumps(described).encode())
        except OSError as error:
            raise _cannot_keep(error, made.path) from error
        # Each first says what it is at, and then looks: of two at once, at least one sees the other.
        others = [one for one in all_into(made.target) if one.path != made.path]
        if any(map(_is_locked, others)):
            shutil.rmtree(made.path, ignore_errors=True)
            raise KwrapError(_UNDER_WAY.format(target), hint="try again when it has ended")
        yield made


@contextmanager
def take_back(kept: KeptCheckout) -> Iterator[None]:
    """Hold it while it is brought back, and then remove it. Raises KwrapError when it is still being written."""
    with _locked(kept):
        yield
        shutil.rmtree(kept.path, ignore_errors=True)


def all_into(target: str | None = None) -> list[KeptCheckout]:
    """Those into a directory, or all of them, the last first."""
    found = [_read(os.path.join(_root(), name)) for name in sorted(_names(), key=int, reverse=True)]
    return [one for one in found if one is not None and target in (None, one.target)]


def _read(path: str) -> KeptCheckout | None:
    try:
        with open(os.path.join(path, _DESCRIPTION), encoding="utf-8") as file:
            described = json.load(file)
        return KeptCheckout(path, str(described["target"]), str(described["what"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _locked(kept: KeptCheckout, flags: int = 0) -> Iterator[int]:
    """Its description, open and locked."""
    path = os.path.join(kept.path, _DESCRIPTION)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    except OSError as error:
        raise _cannot_keep(error, path) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KwrapError(_UNDER_WAY.format(kept.target), hint="try again when it has ended") from error
        yield descriptor
    finally:
        os.close(descriptor)


def _is_locked(kept: KeptCheckout) -> bool:
    try:
        with _locked(kept):
            return False
    except KwrapError:
        return os.path.isdir(kept.path)


def _new_directory() -> str:
    """The next in number: a clock may be set back, and then the last would not be the last."""
    try:
        os.makedirs(_root(), mode=0o700, exist_ok=True)
        number = max(map(int, _names()), default=0)
        while True:
            number += 1
            path = os.path.join(_root(), f"{number:06d}")
            try:
                os.mkdir(path, mode=0o700)
            except FileExistsError:
                continue
            return path
    except OSError as error:
        raise _cannot_keep(error, _root()) from error


def _cannot_keep(error: OSError, path: str) -> KwrapError:
    return KwrapError(
        f"nothing was changed, because what is there cannot be kept: {error.filename or path}: {error.strerror}",
        hint="KWRAP_STATE_DIRECTORY names another place",
    )


def _root() -> str:
    return os.path.join(state_directory(), "checkouts")


def _names() -> list[str]:
    try:
        return [name for name in os.listdir(_root()) if name.isdecimal()]
    except OSError:
        return []
