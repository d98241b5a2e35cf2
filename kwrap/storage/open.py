"""From a URL, or a path, to a storage. Imports the kind that is asked for, and no other."""

from __future__ import annotations

import os

from kwrap.errors import StorageError
from kwrap.storage.base import Storage

_memories: dict[str, Storage] = {}


def open_storage(url: str, *, base: str) -> Storage:
    """`file://…` or a path, relative to `base`; `memory:NAME`, one for each name in this process, for tests.

    Nothing is made, and nothing is touched yet. Raises StorageError for a URL of no known kind.
    """
    scheme, separator, rest = url.partition("://")
    if url.startswith("memory:"):
        return _memory(url)
    if not separator or "/" in scheme:
        return _disk(os.path.expanduser(url), url, base)
    if scheme.lower() == "file":
        return _disk(rest, url, base)
    if scheme.lower() in ("s3", "gs"):
        raise StorageError(
            f"repositories on {scheme.lower()}:// are not in this version of kwrap: {url}",
            hint="use a directory, for example one on a shared or mounted file system",
        )
    raise StorageError(
        f"'{scheme}://' is no kind of storage that kwrap knows: {url}", hint="use a directory, or file://DIRECTORY"
    )


def _disk(path: str, url: str, base: str) -> Storage:
    from kwrap.storage.disk import DiskStorage

    if not path or "\0" in path:
        raise StorageError(f"'{url}' names no directory", hint="use a directory, or file://DIRECTORY")
    return DiskStorage(os.path.join(base, path))


def _memory(url: str) -> Storage:
    from kwrap.storage.memory import MemoryStorage

    return _memories.setdefault(url, MemoryStorage(url))
