"""URLs of buckets: one string that says all, `s3://bucket/prefix?endpoint_url=…&region=…&profile=…`. Nothing is asked.

On the path to the child's start, so without `urllib`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kwrap.errors import StorageError

PARAMETERS = {"s3": ("endpoint_url", "region", "profile"), "gs": ("project",)}

_LONGEST_PREFIX = 512  # bytes; a key has 1,024, and kwrap's own names need less than the rest
_BUCKET = {
    "s3": re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
    "gs": re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"),
}
_BUCKET_HINT = {
    "s3": "a bucket's name is 3 to 63 of a-z, 0-9, '.' and '-', for example s3://my-runs/vision",
    "gs": "a bucket's name is 3 to 222 of a-z, 0-9, '.', '_' and '-', for example gs://my-runs/vision",
}
_ENDPOINT = re.compile(r"https?://[^/?#@\s]+(/[^?#@\s]*)?", re.IGNORECASE)
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


class BucketURL(NamedTuple):
    """A place in a bucket. `prefix` ends in `/`, or is empty: the whole bucket."""

    scheme: str
    bucket: str
    prefix: str
    parameters: dict[str, str]

    @property
    def place(self) -> str:
        """For people: without the parameters."""
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def url(self) -> str:
        query = "&".join(f"{name}={_escaped(value)}" for name, value in self.parameters.items())
        return f"{self.place}?{query}" if query else self.place


def is_bucket(url: str) -> bool:
    return url.partition("://")[0].lower() in PARAMETERS and "://" in url


def parse(url: str) -> BucketURL:
    """Raises StorageError for what can be no bucket, prefix or parameter."""
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    path, _, query = rest.partition("?")
    bucket, _, prefix = path.partition("/")
    if not _BUCKET[scheme].fullmatch(bucket) or ".." in bucket:
        shown = bucket.rpartition("@")[2]  # what stands before may be a key
        raise StorageError(f"'{shown}' is no name of a bucket: {_hidden(url)}", hint=_BUCKET_HINT[scheme])
    prefix = prefix.rstrip("/")
    if prefix and not _is_prefix(prefix):
        raise StorageError(
            f"'{prefix}' is no path in a bucket: {_hidden(url)}",
            hint="it has at most 512 bytes, and neither empty parts nor '.', '..', '#' or control characters",
        )
    return BucketURL(scheme, bucket, prefix and f"{prefix}/", _parameters(scheme, query, url))


def _is_prefix(prefix: str) -> bool:
    parts = prefix.split("/")
    return (
        len(prefix.encode("utf-8", "surrogatepass")) <= _LONGEST_PREFIX
        and prefix.isprintable()
        and "#" not in prefix
        and not any(part in ("", ".", "..") for part in parts)
    )


def _parameters(scheme: str, query: str, url: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in filter(None, query.split("&")):
        name, _, value = item.partition("=")
        if name not in PARAMETERS[scheme] or not value:
            raise StorageError(
                f"'{name}' is no parameter of {scheme}:// with a value: {_hidden(url)}",
                hint=f"{scheme}:// knows {', '.join(PARAMETERS[scheme])}",
            )
        found[name] = _unescaped(value)
    endpoint = found.get("endpoint_url")
    if endpoint is not None and not _ENDPOINT.fullmatch(endpoint):
        raise StorageError(
            f"'{_hidden(endpoint)}' is no endpoint", hint="an endpoint is http(s)://HOST:PORT, without keys"
        )
    if endpoint is not None:
        found["endpoint_url"] = endpoint.rstrip("/")
    return found


def _hidden(url: str) -> str:
    """For an error: what stands before an @ may be a key, and is not printed."""
    return re.sub(r"(://)[^/?#]*@", r"\1…@", url)


def _escaped(value: str) -> str:
    return re.sub(r"[%&#?\s]", lambda found: f"%{ord(found[0]):02X}", value)


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), value)
