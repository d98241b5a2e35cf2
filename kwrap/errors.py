"""Errors that a person can act on: what happened, where, and what to do next.

An error is raised in the library and printed once, in `cli/main.py`, on stderr, without a traceback.
"""

from __future__ import annotations


class KwrapError(Exception):
    """The base of every error kwrap raises on purpose.

    `code` is stable, for programs; the message says what and where; `hint` says what to do.
    """

    code = "error"
    exit_status = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(KwrapError):
    """The command line cannot be understood: an unknown option, a missing or unusable value."""

    code = "usage"
    exit_status = 2


class ConfigError(KwrapError):
    """kwrap.yaml cannot be read, or says something that kwrap does not know."""

    code = "config"
    exit_status = 2


class RepositoryError(KwrapError):
    """The repository is not one, is of a newer format, or cannot be used."""

    code = "repository"
    exit_status = 1


class StorageError(KwrapError):
    """Storage failed: unreachable, denied, full, or not what it should be."""

    code = "storage"
    exit_status = 1


class NotFound(StorageError):
    """No object has that name."""

    code = "not_found"


class AlreadyExists(StorageError):
    """A create-only write found an object of that name."""

    code = "already_exists"


class UnknownId(KwrapError):
    """No experiment or checkpoint matches an id, a prefix or a tag."""

    code = "unknown_id"


class AmbiguousId(KwrapError):
    """Several experiments match a prefix."""

    code = "ambiguous_id"


class FilterError(KwrapError):
    """A filter or sort expression cannot be parsed, or names nothing that any experiment has."""

    code = "filter"
    exit_status = 2


class UnsafePath(KwrapError):
    """A recorded path would leave the directory that it is restored into."""

    code = "unsafe_path"


class Damaged(KwrapError):
    """Stored bytes are not what their name or their record says."""

    code = "damaged"
