"""How long a server may take."""

from __future__ import annotations

from typing import NamedTuple


class Timeouts(NamedTuple):
    """Seconds to connect, and between two pieces of a body or an answer; what may pass is tried again so long."""

    connect_s: float
    answer_s: float
    patience_s: float


PATIENT = Timeouts(10.0, 60.0, 20.0)
HURRIED = Timeouts(3.0, 8.0, 1.0)  # for a look that someone waits for
