"""What a terminal would not show: colours and cursor movements. The line's own bytes stay as they are in the log."""

from __future__ import annotations

import re

ESCAPE = b"\x1b"
# A control sequence as of ECMA-48: parameters, intermediates, one final byte.
COLOUR = rb"\x1b\[[0-9;]*m"
_CONTROL_SEQUENCE = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")


def plain(line: bytes) -> bytes:
    """The line without control sequences."""
    return _CONTROL_SEQUENCE.sub(b"", line)
