"""From a URL, or a path, to a storage. Imports the kind that is asked for, and no other."""

from __future__ import annotations

import os

from kwrap.errors import MissingExtra, StorageError
from kwrap.storage import bucket_url
from kwrap.storage.base import Storage

_KINDS = "use a directory, file://DIRECTORY, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
_memories: dict[str, Storage] = {}


def open_storage(url: str, *, base: str, hurried: bool = False) -> Storage:
    """A path or `file://…`, relative to `base`; `s3://…`, `gs://…`; `memory:NAME`, one for each name in this process.

    Nothing is made, and nothing is touched or asked yet. With `hurried` a bucket that does not answer is an error
    within seconds. Raises StorageError for a URL of no known kind.
    """
    scheme, separator, rest = url.partition("://")
    if url.startswith("memory:"):
        return _memory(url)
    if not separator or "/" in scheme:
        return _disk(os.path.expanduser(url), url, base)
    if scheme.lower() == "file":
        return _disk(rest, url, base)
    if bucket_url.is_bucket(url):
        return _bucket(bucket_url.parse(url), hurried)
    raise StorageError(f"'{scheme}://' is no kind of storage that kwrap knows: {url}", hint=_KINDS)


def _disk(path: str, url: str, base: str) -> Storage:
    from kwrap.storage.disk import DiskStorage

    if not path or "\0" in path:
        raise StorageError(f"'{url}' names no directory", hint=_KINDS)
    return DiskStorage(os.path.join(base, path))


def _bucket(where: bucket_url.BucketURL, hurried: bool) -> Storage:
    from kwrap.storage.retry import Retrying
    from kwrap.storage.timeouts import HURRIED, PATIENT

    timeouts = HURRIED if hurried else PATIENT
    storage: Storage
    if where.scheme == "s3":
        try:
            from kwrap.storage.s3 import S3Storage
        except ImportError as error:
            raise _missing(where, "boto3", "s3", error) from error
        storage = S3Storage(where, timeouts)
    else:
        try:
            from kwrap.storage.gcs import GCSStorage
        except ImportError as error:
            raise _missing(where, "google-cloud-storage", "gcs", error) from error
        storage = GCSStorage(where, timeouts)
    return Retrying(storage, timeouts.patience_s)


def _missing(where: bucket_url.BucketURL, package: str, extra: str, error: ImportError) -> MissingExtra:
    return MissingExtra(
        f"{where.scheme}:// needs {package}, which cannot be imported: {error}", hint=f"pip install 'kwrap[{extra}]'"
    )


def _memory(url: str) -> Storage:
    from kwrap.storage.memory import MemoryStorage

    return _memories.setdefault(url, MemoryStorage(url))
