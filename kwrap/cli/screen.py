"""Where a command writes, how wide that is, whether it may use colours and ask, and what time it is.

Everything that a command takes from its surroundings comes from here, so that a test can hand in another.
"""

from __future__ import annotations

import codecs
import os
import sys
from typing import BinaryIO, TextIO

from kwrap.clock import SYSTEM, Clock

_ESCAPING = "kwrap-escapes"


class Screen:
    """Standard output carries the result of a command, standard error what kwrap says about it."""

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        *,
        columns: int | None = None,
        colours: bool = False,
        terminal: bool = False,
        asks: bool = False,
        clock: Clock = SYSTEM,
    ) -> None:
        """`columns`: None where lines may be of any length. `asks`: there is a person who can answer."""
        self.out = out
        self.err = err
        self.columns = columns
        self.colours = colours
        self.terminal = terminal
        self.asks = asks
        self.clock = clock

    @classmethod
    def of_process(cls) -> Screen:
        """As this process was started."""
        for stream in (sys.stdout, sys.stderr):
            _never_fails_to_encode(stream)
        terminal = sys.stdout.isatty()
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return cls(
            sys.stdout,
            sys.stderr,
            columns=_columns(sys.stdout, terminal),
            colours=terminal and not plain,
            terminal=terminal,
            asks=sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty(),
        )

    def now_ns(self) -> int:
        return self.clock.wall_ns()

    def print(self, text: str = "") -> None:
        """One line of the result."""
        self.out.write(f"{text}\n")

    def say(self, text: str) -> None:
        """One line about it."""
        self.out.flush()
        self.err.write(f"{text}\n")
        self.err.flush()

    def binary(self) -> BinaryIO:
        """Standard output for bytes as they are."""
        self.out.flush()
        return self.out.buffer

    def confirm(self, question: str) -> bool:
        """Ask for yes or no; anything but yes is no."""
        self.out.flush()
        self.err.write(f"{question} [y/N] ")
        self.err.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def _columns(out: TextIO, terminal: bool) -> int | None:
    """COLUMNS where it is set, else the terminal's width; a pipe takes lines of any length."""
    chosen = os.environ.get("COLUMNS", "")
    if chosen.isdecimal() and int(chosen) > 0:
        return int(chosen)
    try:
        return os.get_terminal_size(out.fileno()).columns or None if terminal else None
    except OSError:
        return None


def _never_fails_to_encode(stream: TextIO) -> None:
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        codecs.register_error(_ESCAPING, _escaped)
        reconfigure(errors=_ESCAPING)


def _escaped(error: UnicodeError) -> tuple[bytes, int]:
    """What the stream's encoding lacks, as an escape that JSON reads too; bytes that were no text as they were."""
    assert isinstance(error, UnicodeEncodeError)
    parts = []
    for one in error.object[error.start : error.end]:
        if "\udc80" <= one <= "\udcff":
            parts.append(one.encode("utf-8", "surrogateescape"))
        else:
            units = one.encode("utf-16-be", "surrogatepass")
            parts += [b"\\u%02x%02x" % (units[at], units[at + 1]) for at in range(0, len(units), 2)]
    return b"".join(parts), error.end
