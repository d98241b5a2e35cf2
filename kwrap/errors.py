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
    """Storage failed: unreachable, denied, full, or not what it should be. `transient`: trying again may help."""

    code = "storage"
    exit_status = 1

    def __init__(self, message: str, *, hint: str | None = None, transient: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient


class MissingExtra(StorageError):
    """A package that this kind of storage needs is not installed."""

    code = "missing_extra"


class CredentialsError(StorageError):
    """There are no credentials, or none that the storage knows or still accepts."""

    code = "credentials"


class Denied(StorageError):
    """The storage knows who asks, and does not allow it."""

    code = "denied"


class Unreachable(StorageError):
    """No answer: nobody listens there, the name is unknown, or the network is down."""

    code = "unreachable"

    def __init__(self, message: str, *, hint: str | None = None, transient: bool = True) -> None:
        super().__init__(message, hint=hint, transient=transient)


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
