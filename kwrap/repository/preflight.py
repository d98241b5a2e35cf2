"""Whether a repository can be written, asked before a child starts: the cheapest look there is, and light to import."""

from __future__ import annotations

import json
import os

from kwrap.errors import RepositoryError
from kwrap.repository import layout


def check(url: str) -> None:
    """Raise RepositoryError when a run could not be recorded there. What does not exist yet will be made."""
    if "://" in url:
        kind = url.partition("://")[0]
        raise RepositoryError(f"{kind}:// repositories are not in this version", hint="give a directory: -R PATH")
    marker = os.path.join(url, layout.REPOSITORY)
    try:
        with open(marker, "rb") as file:
            _check_version(url, file.read())
    except (FileNotFoundError, NotADirectoryError):
        _check_new(url)
        return
    except OSError as error:
        raise RepositoryError(f"{marker} cannot be read: {error.strerror}") from error
    if not os.access(url, os.W_OK | os.X_OK):
        raise RepositoryError(f"the repository {url} is read-only for you", hint="--offline records on this machine")


def _check_version(url: str, data: bytes) -> None:
    try:
        header = json.loads(data)
        version, least = header["version"], header.get("min_reader", header["version"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RepositoryError(f"{url}/{layout.REPOSITORY} is damaged", hint="restore it from a copy") from None
    if version == 1:
        raise RepositoryError(
            f"{url} is a Keepsake repository; kwrap does not write to it", hint="choose another with -R"
        )
    if least > layout.FORMAT:
        raise RepositoryError(
            f"{url} has format {version}; this kwrap knows up to {layout.FORMAT}", hint="pip install --upgrade kwrap"
        )


def _check_new(url: str) -> None:
    try:
        names = os.listdir(url)
    except FileNotFoundError:
        _check_parent(url)
        return
    except NotADirectoryError:
        raise RepositoryError(f"{url} is a file, not a repository", hint="-R names a directory") from None
    except OSError as error:
        raise RepositoryError(f"{url} cannot be read: {error.strerror}") from error
    if any(name != "tmp" for name in names):
        raise RepositoryError(
            f"{url} is a directory, but no repository: it has no {layout.REPOSITORY}",
            hint="-R names a repository, or a directory that is empty or does not exist yet",
        )
    if not os.access(url, os.W_OK | os.X_OK):
        raise RepositoryError(f"{url} is read-only for you", hint="--offline records on this machine")


def _check_parent(url: str) -> None:
    parent = os.path.dirname(url)
    while not os.path.exists(parent) and os.path.dirname(parent) != parent:
        parent = os.path.dirname(parent)
    if not os.path.isdir(parent):
        raise RepositoryError(f"{url} cannot be made: {parent} is no directory")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise RepositoryError(
            f"{url} cannot be made: {parent} is read-only for you", hint="--offline records on this machine"
        )
