"""Time, from one object, so that a test can hand in another.

Wall time appears once per record, UTC, RFC 3339 with milliseconds and a final `Z`;
everything else is measured in monotonic seconds.
"""

from __future__ import annotations

import time


class Clock:
    """Wall and monotonic time."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never steps back; its zero is arbitrary (Linux: boot)."""
        return time.monotonic_ns()


SYSTEM = Clock()


def to_rfc3339(wall_ns: int) -> str:
    """`1_700_000_000_123_000_000` → `2023-11-14T22:13:20.123Z`."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 1_000_000:03d}Z"


def from_rfc3339(text: str) -> int:
    """Nanoseconds since the epoch; reads 0 to 9 fraction digits, `Z` or an offset such as `+02:00`.

    Raises ValueError when the text is no such time.
    """
    from calendar import timegm

    body, offset_s = text.strip(), 0
    if body[-1:] in "zZ":
        body = body[:-1]
    elif len(body) > 6 and body[-6] in "+-" and body[-3] == ":":
        sign = 1 if body[-6] == "+" else -1
        offset_s = sign * (int(body[-5:-3]) * 3600 + int(body[-2:]) * 60)
        body = body[:-6]
    whole, _, fraction = body.partition(".")
    seconds = timegm(time.strptime(whole.replace(" ", "T").upper(), "%Y-%m-%dT%H:%M:%S")) - offset_s
    return seconds * 1_000_000_000 + (int(fraction[:9].ljust(9, "0")) if fraction else 0)
