"""What google-cloud-storage raises, as errors that a person can act on."""

from __future__ import annotations

from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError, TransportError
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import ConnectTimeout, RequestException, SSLError
from urllib3.exceptions import HTTPError, NewConnectionError

from kwrap.errors import AlreadyExists, CredentialsError, Denied, NotFound, StorageError, Unreachable
from kwrap.storage.bucket_url import BucketURL

RAISED = (GoogleAPICallError, GoogleAuthError, RequestException, HTTPError)  # the last while a body is read

_CREDENTIALS_HINT = "'gcloud auth application-default login', or GOOGLE_APPLICATION_CREDENTIALS=FILE, gives some"
_UNREACHABLE_HINT = "check the network; 'kwrap run --offline' records on this machine"


def explained(error: Exception, action: str, where: BucketURL, name: str = "", endpoint: str = "") -> StorageError:
    """The error that says what could not be done, where, why, and what to do about it."""
    place = f"{where.place}/{name}" if name else where.place
    if isinstance(error, GoogleAPICallError):
        return _answered(error, action, where, place, name)
    if isinstance(error, TransportError):  # while asking for a token
        return Unreachable(f"cannot {action} {place}: {_plain(error)}", hint=_UNREACHABLE_HINT)
    if isinstance(error, GoogleAuthError):
        return CredentialsError(f"no credentials for {where.place}: {_plain(error)}", hint=_CREDENTIALS_HINT)
    if isinstance(error, SSLError):
        return StorageError(f"cannot {action} {place}: {_plain(error)}", hint="REQUESTS_CA_BUNDLE names certificates")
    if isinstance(error, ConnectTimeout) or (isinstance(error, NoConnection) and _is_nobody_there(error)):
        return Unreachable(
            f"cannot {action} {place}: nobody answers at {endpoint or 'storage.googleapis.com'}", hint=_UNREACHABLE_HINT
        )
    return StorageError(
        f"cannot {action} {place}: {_plain(error)}", transient=isinstance(error, (RequestException, HTTPError))
    )


def _answered(error: GoogleAPICallError, action: str, where: BucketURL, place: str, name: str) -> StorageError:
    status, said = int(error.code or 0), _said(error)
    if status == 404 and (not name or action == "write" or "bucket does not exist" in said):
        return StorageError(f"there is no bucket '{where.bucket}'", hint=f"make it, or check its name: {where.url}")
    if status == 404:
        return NotFound(f"there is no {place}")
    if status == 412:
        return AlreadyExists(f"{place} exists already")
    if status == 401:
        return CredentialsError(f"{where.place} does not accept these credentials: {said}", hint=_CREDENTIALS_HINT)
    if status == 403:
        return Denied(
            f"not allowed to {action} {place}: {said}",
            hint="kwrap needs storage.objects.list, get, create and delete there: roles/storage.objectAdmin",
        )
    passing = status in (0, 408, 409, 429) or status >= 500
    return StorageError(f"cannot {action} {place}: {said}", transient=passing)


def _is_nobody_there(error: BaseException) -> bool:
    reasons = [error, *error.args, *(getattr(one, "reason", None) for one in error.args)]
    return any(isinstance(one, NewConnectionError) for one in reasons)


def _said(error: GoogleAPICallError) -> str:
    """What the server said, without the URL that the library puts before it."""
    return _plain(error).rpartition("prettyPrint=false: ")[2]


def _plain(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
