"""What the head of an answer says: the time there, and whether it is all there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from kwrap.errors import StorageError
from kwrap.storage.bucket_url import BucketURL

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_WITHOUT_BODY = (204, 304)


def nanoseconds(moment: datetime) -> int:
    """Since 1970, exactly; a float has no room for them."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def read_head(status: int, headers: Mapping[str, str], where: BucketURL) -> int | None:
    """How far the clock there is ahead of our monotonic one, in ns; None when it is not told.

    Raises StorageError, transient, for a head that was cut off: Python's HTTP takes it for a whole one, and what has
    then no length for an empty answer.
    """
    if status not in _WITHOUT_BODY and not (headers.get("content-length") or headers.get("transfer-encoding")):
        raise StorageError(f"the answer of {where.place} was cut off", transient=True)
    try:
        return nanoseconds(parsedate_to_datetime(headers.get("date") or "")) - time.monotonic_ns()
    except (ValueError, TypeError):
        return None
