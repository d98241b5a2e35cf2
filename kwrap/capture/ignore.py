"""Ignore files: which paths patterns in gitignore syntax leave out.

Owns the syntax and how nested files add up; reads no file and knows nothing of junk, secrets or git itself. The rules
are git's (`gitignore(5)`, and where that is silent what `git check-ignore` does, which the tests ask): within a file
the last pattern that matches wins, a deeper file wins over a higher one, and nothing comes back below a directory that
is itself left out. Paths are bytes, so names that are no UTF-8 match too.

On the path to the child's start, so: `re` only, and all patterns of a file are compiled into two expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

IGNORE_FILE = b".kwrapignore"
# Read in a directory that has no IGNORE_FILE.
KEEPSAKE_IGNORE_FILE = b".keepsakeignore"
GIT_IGNORE_FILE = b".gitignore"

# What an expression is matched against begins with one of these, so that `foo/` can ask for a directory.
_DIRECTORY, _OTHER, _EITHER = b"D", b"F", b"[DF]"

_CLASSES: dict[bytes, frozenset[int]] = {
    b"alnum": frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    b"alpha": frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    b"blank": frozenset(b" \t"),
    b"cntrl": frozenset({*range(32), 127}),
    b"digit": frozenset(b"0123456789"),
    b"graph": frozenset(range(33, 127)),
    b"lower": frozenset(b"abcdefghijklmnopqrstuvwxyz"),
    b"print": frozenset(range(32, 127)),
    b"punct": frozenset(b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    b"space": frozenset(b" \t\n\r"),
    b"upper": frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    b"xdigit": frozenset(b"0123456789ABCDEFabcdef"),
}
_ALL = frozenset(range(256))
_SLASH = ord("/")
# Blanks at the end do not count, unless a backslash stands before them.
_WITHOUT_TRAILING_BLANKS = re.compile(rb"(?:\\.?|[^\\ ]| +(?=[^ ]))*", re.DOTALL)


class Pattern(NamedTuple):
    """One line. `name_only`: it has no inner slash, so it is matched with the last part of a path, at any depth."""

    expression: bytes
    negated: bool
    directory_only: bool
    name_only: bool


class IgnoreFile:
    """The patterns of one ignore file."""

    __slots__ = ("_names", "_paths", "patterns")

    def __init__(self, text: bytes) -> None:
        self.patterns = tuple(parse(text))
        self._names = self._compile(name_only=True)
        self._paths = self._compile(name_only=False)

    def decide(self, path: bytes, *, directory: bool) -> bool | None:
        """Whether a path, relative to the file's own directory, is left out; None when no pattern says."""
        kind = _DIRECTORY if directory else _OTHER
        number = -1
        if self._names is not None:
            expression, numbers = self._names
            found = expression.fullmatch(kind + path.rpartition(b"/")[2])
            if found is not None and found.lastindex is not None:
                number = numbers[found.lastindex - 1]
        if self._paths is not None:
            expression, numbers = self._paths
            found = expression.fullmatch(kind + path)
            if found is not None and found.lastindex is not None:
                number = max(number, numbers[found.lastindex - 1])
        return None if number < 0 else not self.patterns[number].negated

    def _compile(self, *, name_only: bool) -> tuple[re.Pattern[bytes], list[int]] | None:
        """One expression for many patterns, alternatives in reverse order: the first that matches is the last line."""
        numbers = [n for n, pattern in enumerate(self.patterns) if pattern.name_only is name_only]
        numbers.reverse()
        if not numbers:
            return None
        parts = []
        for number in numbers:
            pattern = self.patterns[number]
            parts.append(b"(%s%s)" % (_DIRECTORY if pattern.directory_only else _EITHER, pattern.expression))
        return re.compile(b"|".join(parts), re.DOTALL), numbers


class IgnoreRules:
    """The ignore files of one tree of directories.

    `add` a directory's file, the first of `file_names` that is there, before asking for what lies below it. `prefix`
    (`b""` or ending in `/`) is put before every path asked for: it places the tree inside a larger one whose files
    count as well. `unreadable` is for whoever reads the files to say which could not be.
    """

    def __init__(
        self, file_names: Sequence[bytes] = (IGNORE_FILE, KEEPSAKE_IGNORE_FILE), *, prefix: bytes = b""
    ) -> None:
        self.file_names = tuple(file_names)
        self.unreadable: list[bytes] = []
        self._prefix = prefix
        self._files: dict[bytes, IgnoreFile] = {}
        self._directories: dict[bytes, bool] = {b"": False}

    def __bool__(self) -> bool:
        return bool(self._files)

    def add(self, directory: bytes, text: bytes) -> None:
        """The text of the ignore file in a directory, given relative to the tree asked for."""
        self.add_outer((self._prefix + directory).rstrip(b"/"), text)

    def add_outer(self, directory: bytes, text: bytes) -> None:
        """The same for a directory relative to the larger tree."""
        file = IgnoreFile(text)
        if file.patterns:
            self._files[directory] = file

    def ignores(self, path: bytes, *, directory: bool = False) -> bool:
        """Whether a path, or a directory it lies in, is left out."""
        if not self._files:
            return False
        path = (self._prefix + path).rstrip(b"/")
        if directory:
            return self._ignores_directory(path)
        return self._ignores_directory(path.rpartition(b"/")[0]) or self._decide(path, directory=False)

    def _ignores_directory(self, path: bytes) -> bool:
        known = self._directories.get(path)
        if known is None:
            known = self._ignores_directory(path.rpartition(b"/")[0]) or self._decide(path, directory=True)
            self._directories[path] = known
        return known

    def _decide(self, path: bytes, *, directory: bool) -> bool:
        where = path
        while where:
            where = where.rpartition(b"/")[0]
            file = self._files.get(where)
            if file is not None:
                decision = file.decide(path[len(where) + 1 :] if where else path, directory=directory)
                if decision is not None:
                    return decision
        return False


def parse(text: bytes) -> Iterator[Pattern]:
    """The patterns of an ignore file, in its order. Blank lines and comments are none."""
    for raw in text.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        if not raw or raw.startswith(b"#"):
            continue
        line = _unpadded(raw.removesuffix(b"\r").partition(b"\0")[0])
        negated = line.startswith(b"!")
        line = line[1:] if negated else line
        directory_only = line.endswith(b"/")
        line = line[:-1] if directory_only else line
        expression = _expression(line)
        if line and expression is not None:
            yield Pattern(expression, negated, directory_only, b"/" not in line)


def _unpadded(line: bytes) -> bytes:
    found = _WITHOUT_TRAILING_BLANKS.match(line)
    return found.group() if found else line


def _expression(pattern: bytes) -> bytes | None:
    """A pattern as a regular expression over a whole path; None for one that matches nothing."""
    pattern = pattern.removeprefix(b"/")
    literal = 0
    while literal < len(pattern) and pattern[literal : literal + 1] not in (b"*", b"?", b"[", b"\\"):
        literal += 1
    # git compares what stands before the first wildcard on its own and the rest by itself: hence `a**/b` is to
    # `**` like `**/b`, although the manual says that such a `**` is an ordinary `*`.
    rest = _wildcards(pattern[literal:])
    return None if rest is None else re.escape(pattern[:literal]) + rest


def _wildcards(pattern: bytes) -> bytes | None:
    written: list[bytes] = []
    position = 0
    while position < len(pattern):
        character = pattern[position : position + 1]
        if character == b"*":
            end = position
            while pattern[end : end + 1] == b"*":
                end += 1
            position = _stars(pattern, position, end, written)
        elif character == b"?":
            written.append(b"[^/]")
            position += 1
        elif character == b"[":
            found = _class(pattern, position + 1)
            if found is None:
                return None
            members, position = found
            written.append(
                b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(members)) + b"]" if members else b"(?!)"
            )
        else:
            if character == b"\\":
                position += 1
                character = pattern[position : position + 1]
                if not character:
                    return None
            written.append(re.escape(character))
            position += 1
    return b"".join(written)


def _stars(pattern: bytes, start: int, end: int, written: list[bytes]) -> int:
    """Write what `*`, or `**` between slashes, stands for; returns where the pattern goes on."""
    after = pattern[end : end + 2]
    between_slashes = (start == 0 or pattern[start - 1 : start] == b"/") and (
        after[:1] in (b"", b"/") or after == b"\\/"
    )
    if end - start < 2 or not between_slashes:
        written.append(b"[^/]*")
    elif after[:1] == b"/":
        written.append(b"(?:.*/)?")
        return end + 1
    else:
        written.append(b".*")
    return end


def _class(pattern: bytes, position: int) -> tuple[frozenset[int], int] | None:
    """The bytes that `[…]` stands for and where the pattern goes on; None when it is malformed. Never a slash."""
    negated = pattern[position : position + 1] in (b"!", b"^")
    position += negated
    members: set[int] = set()
    previous: int | None = None
    first = True
    while first or pattern[position : position + 1] != b"]":
        first = False
        character = pattern[position : position + 1]
        if character == b"[" and pattern[position + 1 : position + 2] == b":":
            end = pattern.find(b"]", position + 2)
            if end < 0:
                return None
            if end > position + 2 and pattern[end - 1 : end] == b":":
                named = _CLASSES.get(pattern[position + 2 : end - 1])
                if named is None:
                    return None
                members |= named
                previous, position = None, end + 1
                continue
        is_range = (
            character == b"-" and previous is not None and pattern[position + 1 : position + 2] not in (b"", b"]")
        )
        position += is_range
        if pattern[position : position + 1] == b"\\":
            position += 1
        if position >= len(pattern):
            return None
        byte = pattern[position]
        members.update(range(previous, byte + 1) if is_range and previous is not None else (byte,))
        previous, position = None if is_range else byte, position + 1
    return frozenset((_ALL - members if negated else members) - {_SLASH}), position + 1
