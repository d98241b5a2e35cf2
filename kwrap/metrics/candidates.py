"""Which lines of a block are worth reading: a search over the whole block, and none per line.

Most of what programs print is no metric. A trigger (see `reading.Recogniser`) costs about 0.3 ns a byte where its first
bytes are rare, and some 60 ns wherever they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kwrap.metrics.terminal import COLOUR

_NUMBER_BEGINS = (
    rb"(?:" + COLOUR + rb")?[\"']?[-+]?"
    rb"(?:[0-9]|\.[0-9]|(?:[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)(?![A-Za-z]))"
)

# `name: 5`, `name:5`, `"name" : 5`, but not the colons of 10:23:45. A name may end in a digit only before a blank
# (`f1: 0.5`) or after `@` (`map@5:0.5`): each alternative would cost all other colons.
COLON = re.compile(rb":(?<![0-9]:)[ \t]*" + _NUMBER_BEGINS)
COLON_BLANK = re.compile(rb": [ \t]*" + _NUMBER_BEGINS)
AT_COLON = re.compile(rb"@[0-9]{1,4}:" + _NUMBER_BEGINS)
EQUALS = re.compile(rb"=[ \t]*" + _NUMBER_BEGINS)
# `Epoch 3`, `EPOCH 3`, `step 3`, `[step 3]`, `iter 3`, `Iteration 3`, `Epoch [3]`.
EPOCH = re.compile(rb"poch[ \t]*[#\[]?[ \t]*[0-9]")
EPOCH_IN_CAPITALS = re.compile(rb"POCH[ \t]*[#\[]?[ \t]*[0-9]")
STEP = re.compile(rb"tep[ \t]*[#\[]?[ \t]*[0-9]")
ITERATION = re.compile(rb"ter(?:ation)?[ \t]*[#\[]?[ \t]*[0-9]")


class Candidates:
    """The triggers' hits in one block, looked for only as far as somebody asks."""

    def __init__(self, text: bytes, triggers: Iterable[re.Pattern[bytes]]) -> None:
        self._text = text
        self._nearest = -1
        self._searches = [(-1, trigger.search) for trigger in triggers]

    def after(self, position: int) -> int:
        """The first hit at or after a position; the block's length when there is none."""
        if self._nearest >= position:
            return self._nearest
        text, searches = self._text, []
        nearest = len(text)
        for hit, search in self._searches:
            if hit < position:
                found = search(text, position)
                if found is None:
                    continue
                hit = found.start()
            searches.append((hit, search))
            if hit < nearest:
                nearest = hit
        self._searches, self._nearest = searches, nearest
        return nearest
