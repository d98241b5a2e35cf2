"""Where the cache of a repository lies on this machine. Imports no SQLite: whoever lists few needs none."""

from __future__ import annotations

import hashlib
import os


def path_of(repository_id: str, url: str) -> str:
    """Where the cache of a repository lies: in XDG's place for caches."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    place = hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    known_as = "".join(one for one in repository_id if one.isascii() and one.isalnum())[:32]
    return os.path.join(base, "kwrap", f"{known_as}-{place}.sqlite")
