"""What a recogniser makes of a line, and what makes a recogniser.

A recogniser is one file: it reads one line after the other of one stream, may remember what it has read (a header, a
section), and knows nothing of offsets, of other recognisers or of the steps before.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol


class Value(NamedTuple):
    """A number under a name. `kind` is metric, lr, timing or progress. `span` is where it stands in the line."""

    name: str
    value: float
    kind: str
    span: tuple[int, int] | None = None


class Reading(NamedTuple):
    """The numbers of one line, and the axes that the line itself names. Without values: a header for what follows."""

    values: list[Value]
    step: int | None = None
    epoch: float | None = None
    step_span: tuple[int, int] | None = None
    epoch_span: tuple[int, int] | None = None


class Recogniser(Protocol):
    """One way to print metrics. An instance belongs to one stream.

    `triggers` are searched in whole blocks of many lines: a line is given to `read` only if one of them is found in
    it. Each begins with literal bytes, which are searched about ten times as fast as a class; none crosses a newline.
    """

    name: str
    triggers: tuple[re.Pattern[bytes], ...]

    def read(self, line: bytes) -> Reading | None:
        """What the line says; None when it is nothing for this recogniser, and the next one may look."""
