"""Whether a run could be recorded in a repository, asked before a child starts: the cheapest look there is."""

from __future__ import annotations

import os

from kwrap.errors import AlreadyExists, NotFound, RepositoryError
from kwrap.repository import header, layout
from kwrap.storage.base import Storage
from kwrap.storage.bucket_url import is_bucket
from kwrap.storage.open import open_storage

_OFFLINE = "choose another with --repository; --offline records on this machine"


def check(url: str, *, make: bool = False) -> None:
    """Raise RepositoryError or StorageError when not; what a bucket does not answer is told within seconds.

    What does not exist yet will be made by the run. It is not made here, except with `make` in a bucket: there only
    writing tells whether one may.
    """
    storage = open_storage(url, base=".", hurried=True)
    if not is_bucket(url) and os.path.isfile(storage.url):
        raise RepositoryError(f"{storage.url} is a file, and no repository", hint="--repository names a directory")
    found = header.open_header(storage, create=True) if make and is_bucket(url) else header.find_header(storage)
    newer = header.refusal(storage.url, found) if found else None
    if newer is not None:
        raise newer
    if not is_bucket(url):
        _check_access(storage.url)
    elif make:
        _check_conditions(storage)


def _check_conditions(storage: Storage) -> None:
    """Create what is there: one who may write is told so, one who may not is denied, and nothing changes either way."""
    try:
        storage.create(layout.REPOSITORY, storage.read(layout.REPOSITORY))
    except (AlreadyExists, NotFound):
        return
    raise RepositoryError(
        f"{storage.url}: that server writes over what it is asked to create; records would not be safe there",
        hint="kwrap needs If-None-Match on writes, as AWS, MinIO, R2, Ceph and SeaweedFS have it",
    )


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
