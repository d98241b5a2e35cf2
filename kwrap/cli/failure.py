"""How a failure is told: `error: …` and `hint: …` on stderr, once; with --json in the envelope that results have.

A traceback appears only when it was asked for, with -vv or KWRAP_TRACEBACK=1.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import TextIO

from kwrap.errors import KwrapError, UsageError

# What writing fails with; files are named.
_OF_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def report(error: Exception, command: str | None, words: Sequence[str], err: TextIO) -> int:
    """Print an error as the words of the command line ask for it; the exit status."""
    told = _told(error, command)
    if _wants_traceback(words):
        import traceback

        err.write("".join(traceback.format_exception(error)))
    if "--json" in _options(words):
        from kwrap.cli import result

        err.write(result.envelope(command or "", None, [told]))
    else:
        err.write(f"error: {_printable(told.message)}\n")
        if told.hint:
            err.write(f"hint: {_printable(told.hint)}\n")
    err.flush()
    return told.exit_status


def _printable(text: str) -> str:
    """Names that were recorded, or typed, may hold what moves the cursor; lines stay lines."""
    from kwrap.analysis.text import printable

    return "\n".join(map(printable, text.split("\n")))


def _told(error: Exception, command: str | None) -> KwrapError:
    """Any exception as one that a person can act on."""
    if isinstance(error, KwrapError):
        return error
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else "standard output: " if error.errno in _OF_OUTPUT else ""
        return KwrapError(f"{where}{error.strerror or error}", hint=None)
    if callable(getattr(error, "format_message", None)):  # click's, which typer may carry within itself
        return _usage_error(error, f"kwrap {command}" if command else "kwrap")
    return KwrapError(
        f"{type(error).__name__}: {error}",
        hint="this is a defect of kwrap; with KWRAP_TRACEBACK=1 it shows where",
    )


def _usage_error(error: Exception, page: str) -> UsageError:
    hint = f"'{page} --help' lists the options"
    unknown = getattr(error, "option_name", None) if type(error).__name__ == "NoSuchOption" else None
    if unknown is None:
        message = str(error.format_message())  # type: ignore[attr-defined]
        return UsageError(message[:1].lower() + message[1:].rstrip("."), hint=hint)
    near = getattr(error, "possibilities", None)
    return UsageError(f"no such option: {unknown}", hint=f"did you mean {' or '.join(near)}? {hint}" if near else hint)


def _wants_traceback(words: Sequence[str]) -> bool:
    options = _options(words)
    verbose = sum(word.count("v") for word in options if word.strip("v") == "-") + options.count("--verbose")
    return verbose >= 2 or os.environ.get("KWRAP_TRACEBACK", "") not in ("", "0")


def _options(words: Sequence[str]) -> list[str]:
    """The options among the words; those after `--` are the child's."""
    before = words[: words.index("--")] if "--" in words else words
    return [word for word in before if word.startswith("-")]
