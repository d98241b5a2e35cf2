"""The look at a bucket before a child starts: in a process of its own, beside the snapshot of the code.

What speaks to buckets takes longer to import than all else before the start. A look that went well is remembered for
ten minutes, so that of a sweep's many runs one looks.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Iterator, Mapping
from typing import NoReturn

from kwrap import errors
from kwrap.errors import KwrapError, Unreachable
from kwrap.repository import preflight
from kwrap.rundir import state_directory
from kwrap.storage import bucket_url

_REMEMBERED_S = 600.0
_LIMIT_S = 45.0  # the timeouts of storage end it sooner; this is for name servers that hang
_OF_CREDENTIALS = ("AWS_", "GOOGLE_", "GCE_", "CLOUDSDK_", "STORAGE_EMULATOR_HOST", "BOTO_", "HTTP", "http", "NO_PROXY")
_FILES = ("~/.aws/credentials", "~/.aws/config", "~/.config/gcloud/application_default_credentials.json")


class BucketCheck:
    """Begins to look; raises StorageError for a URL that cannot be one. `wait` tells what was found."""

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        bucket_url.parse(url)
        self._url = url
        self._mark = os.path.join(state_directory(), "reached", _key(url, environment))
        self._pid = 0
        self._verdict = -1
        if _age_s(self._mark) > _REMEMBERED_S:
            self._begin()

    def _begin(self) -> None:
        verdict, theirs = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            os.close(verdict)
            os.close(theirs)
            preflight.check(self._url, make=True)
            return
        if self._pid == 0:
            _look(self._url, theirs)
        os.close(theirs)
        self._verdict = verdict

    def wait(self) -> None:
        """Raises what is wrong with the repository, as `preflight.check` would have."""
        if not self._pid:
            return
        try:
            said = _read(self._verdict, time.monotonic() + _LIMIT_S)
        finally:
            self.give_up()
        if not said:
            raise Unreachable(
                f"{self._url} did not answer within {_LIMIT_S:g} s",
                hint="check the network; 'kwrap run --offline' records on this machine",
            )
        found = json.loads(said)
        if found is not None:
            raise _error(found)
        _remember(self._mark)

    def give_up(self) -> None:
        """End the look, whatever it has found."""
        if self._pid:
            os.close(self._verdict)
            try:
                os.kill(self._pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.waitpid(self._pid, 0)
            self._pid = 0


def _look(url: str, verdict: int) -> NoReturn:
    """In the process of its own: look, say what was found, and leave nothing else behind."""
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nowhere, descriptor)
        found = None
        try:
            preflight.check(url, make=True)
        except KwrapError as error:
            found = {"class": type(error).__name__, "message": error.message, "hint": error.hint}
        except Exception as error:
            found = {"class": "StorageError", "message": f"{url} cannot be looked at: {error!r}", "hint": None}
        os.write(verdict, json.dumps(found).encode())
    finally:
        os._exit(0)


def _read(descriptor: int, deadline: float) -> bytes:
    """All that is written until the other end is closed, or the deadline."""
    said = b""
    while (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([descriptor], [], [], left)
        data = os.read(descriptor, 1 << 16) if readable else b""
        if not data:
            break
        said += data
    return said


def _error(found: Mapping[str, str | None]) -> KwrapError:
    kind = getattr(errors, str(found["class"]), errors.StorageError)
    error: KwrapError = kind(str(found["message"]), hint=found["hint"])
    return error


def _key(url: str, environment: Mapping[str, str]) -> str:
    """A name for who asks for what. A hash, since it is of keys too."""
    import hashlib

    return hashlib.sha256("\0".join([url, *_credentials(environment)]).encode("utf-8", "surrogateescape")).hexdigest()


def _credentials(environment: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(environment):
        if name.startswith(_OF_CREDENTIALS):
            yield f"{name}={environment[name]}"
    named = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "GOOGLE_APPLICATION_CREDENTIALS")
    for path in map(os.path.expanduser, (*_FILES, *(environment[name] for name in named if name in environment))):
        if os.path.exists(path):
            yield f"{path} {os.path.getmtime(path)}"


def _age_s(path: str) -> float:
    try:
        age_s = time.time() - os.stat(path).st_mtime
    except OSError:
        return float("inf")
    return age_s if age_s >= 0 else float("inf")


def _remember(mark: str) -> None:
    try:
        os.makedirs(os.path.dirname(mark), mode=0o700, exist_ok=True)
        for name in os.listdir(os.path.dirname(mark)):
            other = os.path.join(os.path.dirname(mark), name)
            if _age_s(other) > _REMEMBERED_S:
                os.unlink(other)
        with open(mark, "wb"):
            pass
    except OSError:
        pass  # then the next run looks again
