"""What boto3 raises, as errors that a person can act on."""

from __future__ import annotations

from typing import Any

from botocore import exceptions as boto

from kwrap.errors import AlreadyExists, CredentialsError, Denied, NotFound, StorageError, Unreachable
from kwrap.storage.bucket_url import BucketURL

_CREDENTIALS = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "InvalidToken",
    "InvalidClientTokenId", "TokenRefreshRequired", "MissingAuthenticationToken", "InvalidSecurity", "Unauthorized",
}  # fmt: skip
_DENIED = {"AccessDenied", "AccessForbidden", "AllAccessDisabled", "AccountProblem", "NotSignedUp", "Forbidden"}
_REGION = {
    "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "TemporaryRedirect",
}  # fmt: skip
_PASSING = {
    "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "RequestTimeoutException", "Throttling",
    "ThrottlingException", "TooManyRequests", "OperationAborted", "ConditionalRequestConflict", "BadDigest",
    "XAmzContentSHA256Mismatch", "IncompleteBody", "RequestTimeTooSkewed.Retry", "PriorRequestNotComplete",
}  # fmt: skip
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "EntityTooLarge.Quota"}

# In the order they are looked at; the first that fits.
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.ProfileNotFound,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.ConfigNotFound,
    boto.ConfigParseError,
    boto.MetadataRetrievalError,
)
_NOBODY_THERE = (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError)
_BROKEN_OFF = (boto.HTTPClientError, boto.IncompleteReadError, boto.ResponseStreamingError)

CREDENTIALS_HINT = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or add ?profile=NAME to the URL; "
    "'aws sts get-caller-identity' tells who you are"
)


def explained(error: Exception, action: str, where: BucketURL, name: str = "", endpoint: str = "") -> StorageError:
    """The error that says what could not be done, where, why, and what to do about it."""
    place = f"{where.place}/{name}" if name else where.place
    if isinstance(error, boto.ClientError):
        return _answered(error, action, where, place, name)
    if isinstance(error, _NO_CREDENTIALS):
        return CredentialsError(f"no credentials for {where.place}: {_plain(error)}", hint=CREDENTIALS_HINT)
    if isinstance(error, boto.SSLError):
        return StorageError(
            f"cannot {action} {place}: {_plain(error)}",
            hint="AWS_CA_BUNDLE names a file with the certificates to trust; http:// endpoints use none",
        )
    if isinstance(error, _NOBODY_THERE):
        return Unreachable(
            f"cannot {action} {place}: nobody answers at {endpoint or 'its endpoint'}",
            hint="check the network and the endpoint_url; 'kwrap run --offline' records on this machine",
        )
    if isinstance(error, _BROKEN_OFF):
        return StorageError(f"cannot {action} {place}: {_plain(error)}", transient=True)
    unreadable = type(error).__name__ == "ResponseParserError"  # an answer cut off, or not of S3
    return StorageError(f"cannot {action} {place}: {_plain(error)}", transient=unreadable)


def code_of(error: boto.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: boto.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _answered(error: boto.ClientError, action: str, where: BucketURL, place: str, name: str) -> StorageError:
    code, status = code_of(error), status_of(error)
    said: str = error.response.get("Error", {}).get("Message") or code
    if code == "NoSuchBucket":
        return StorageError(
            f"there is no bucket '{where.bucket}'", hint=f"make it, or check its name and the endpoint: {where.url}"
        )
    if code in _CREDENTIALS or status == 401:
        return CredentialsError(f"{where.place} does not accept these credentials: {said}", hint=CREDENTIALS_HINT)
    if code in _REGION or status == 301:
        return StorageError(f"'{where.bucket}' is not in this region: {said}", hint=_region_hint(error, where))
    if code == "RequestTimeTooSkewed":
        return StorageError(f"cannot {action} {place}: {said}", hint="this machine's clock is wrong; set it")
    if code in _DENIED or status == 403:
        return Denied(
            f"not allowed to {action} {place}: {said}",
            hint="kwrap needs s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject in it",
        )
    if code in ("NoSuchKey", "NotFound", "404") or (status == 404 and name):
        return NotFound(f"there is no {place}")
    if code in ("PreconditionFailed", "412") or status == 412:
        return AlreadyExists(f"{place} exists already")
    if code in _FULL or status == 507:
        return StorageError(f"cannot {action} {place}: {said}", hint="make room there")
    passing = code in _PASSING or status in (408, 409, 429) or status >= 500
    return StorageError(f"cannot {action} {place}: {said}", transient=passing)


def _region_hint(error: boto.ClientError, where: BucketURL) -> str:
    facts: dict[str, Any] = error.response.get("Error", {})
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = facts.get("Region") or headers.get("x-amz-bucket-region") or "REGION"
    return (
        f"add the bucket's region to the URL: {where._replace(parameters={**where.parameters, 'region': region}).url}"
    )


def _plain(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
