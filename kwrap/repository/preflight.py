"""Whether a run could be recorded in a repository, asked before a child starts: the cheapest look there is."""

from __future__ import annotations

import os

from kwrap.errors import RepositoryError
from kwrap.repository import header
from kwrap.storage.open import open_storage

_OFFLINE = "choose another with --repository; --offline records on this machine"


def check(url: str) -> None:
    """Raise RepositoryError or StorageError when not. What does not exist yet will be made, and is not made here."""
    storage = open_storage(url, base=".")
    if os.path.isfile(storage.url):
        raise RepositoryError(f"{storage.url} is a file, and no repository", hint="--repository names a directory")
    found = header.find_header(storage)
    newer = header.refusal(storage.url, found) if found else None
    if newer is not None:
        raise newer
    _check_access(storage.url)


def _check_access(directory: str) -> None:
    """The directory, or the nearest above it that exists, can be written."""
    place = directory
    while not os.path.exists(place) and os.path.dirname(place) != place:
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise RepositoryError(f"{directory} cannot be made: {place} is no directory", hint=_OFFLINE)
    if not os.access(place, os.W_OK | os.X_OK):
        what = "is read-only for you" if place == directory else f"cannot be made: {place} is read-only for you"
        raise RepositoryError(f"{directory} {what}", hint=_OFFLINE)
