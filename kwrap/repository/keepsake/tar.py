"""tar, read forwards: what lies in it and, of each regular file, the bytes. POSIX (pax), GNU and plain ustar names.

The standard library's reader takes a broken header in the middle for the end, and believes any size of a name. Here
both are damage. What must not be put into anybody's directory (links, devices, paths that lead out) is marked as such.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

from kwrap.errors import Damaged, UnsafePath
from kwrap.repository.keepsake.gunzip import Gunzip
from kwrap.repository.trees import check_path

_BLOCK = 512
_STEP = 1 << 20
_LONGEST_NAME_BYTES = 1 << 20  # of a header that holds a name; Linux's longest path has 4 kB
_REGULAR = (b"0", b"\0", b"7")
_DIRECTORY = b"5"
_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK = b"x", b"g", b"L", b"K"
_REFUSED = {
    b"1": "a hard link",
    b"2": "a symlink",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
}


class Member(NamedTuple):
    """A regular file of a tar, by its path below the first directory; it begins at byte `offset` of the plain tar.

    `refused` says why it may not be restored; None where it may.
    """

    path: bytes
    mode: int
    size_bytes: int
    offset: int
    refused: str | None = None


class Tar:
    """Members in the order they lie there. The data of each is to be read before the next is taken."""

    def __init__(self, plain: Gunzip, where: str) -> None:
        self._plain = plain
        self._where = where
        self._read_ahead = b""
        self._taken = 0  # of what was read ahead
        self._position = 0
        self._left = 0  # bytes of the current member that nobody has read yet

    def __iter__(self) -> Iterator[Member]:
        """Raises Damaged, also for what comes after the last member: the whole file has been checked at the end."""
        name, size = None, None
        while (header := self._header()) is not None:
            kind = header[156:157]
            length = _number(header[124:136], self._where) if size is None or kind in b"xgLK" else size
            if kind in (_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK):
                data = self._name_data(length)
                if kind == _PAX:
                    found = _pax(data, self._where)
                    name = found.get(b"path", name)
                    size = _decimal(found[b"size"], self._where) if b"size" in found else size
                elif kind == _GNU_NAME:
                    name = data.rstrip(b"\0")
                continue
            path, name, size = name or _ustar_name(header), None, None
            self._left = 0 if kind in b"123456" else length
            start = self._position
            if kind != _DIRECTORY and not path.endswith(b"/"):
                yield _member(path, kind, _number(header[100:108], self._where), length, start)
            self._skip(self._left)
            self._skip(-length % _BLOCK if kind not in b"123456" else 0)
        while self._read(_STEP):
            pass

    def data(self) -> io.BufferedReader:
        """The current member's bytes."""
        return io.BufferedReader(_Data(self))

    def read_data(self, size: int) -> bytes:
        """Up to so many of them."""
        data = self._read(min(size, self._left))
        if not data and self._left:
            raise self._cut_short()
        self._left -= len(data)
        return data

    def _header(self) -> bytes | None:
        """The next header; None at the end, which is a block of zeros or nothing more."""
        header = self._exactly(_BLOCK, at_end=True)
        if not header.strip(b"\0"):
            return None
        wanted = _number(header[148:156], self._where)
        blanked = header[:148] + b" " * 8 + header[156:]
        # Some programs of old have added up signed bytes.
        if wanted != sum(blanked) and wanted != sum(byte - 256 if byte > 127 else byte for byte in blanked):
            raise Damaged(f"{self._where} is damaged: there is no header of a file at byte {self._position - _BLOCK}")
        return header

    def _name_data(self, length: int) -> bytes:
        if length > _LONGEST_NAME_BYTES:
            raise Damaged(f"{self._where} is damaged: a name in it is {length:,} bytes long")
        data = self._exactly(length)
        self._skip(-length % _BLOCK)
        return data

    def _exactly(self, size: int, *, at_end: bool = False) -> bytes:
        parts: list[bytes] = []
        missing = size
        while missing and (part := self._read(missing)):
            parts.append(part)
            missing -= len(part)
        if missing and not (at_end and missing == size):
            raise self._cut_short()
        return b"".join(parts)

    def _skip(self, size: int) -> None:
        while size:
            skipped = len(self._read(min(size, _STEP)))
            if not skipped:
                raise self._cut_short()
            size -= skipped

    def _read(self, size: int) -> bytes:
        if self._taken == len(self._read_ahead):
            self._read_ahead, self._taken = self._plain.read(_STEP), 0
        data = self._read_ahead[self._taken : self._taken + size]
        self._taken += len(data)
        self._position += len(data)
        return data

    def _cut_short(self) -> Damaged:
        return Damaged(f"{self._where} is damaged: it ends within a file")


class _Data(io.RawIOBase):
    def __init__(self, tar: Tar) -> None:
        super().__init__()
        self._tar = tar

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._tar.read_data(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _member(name: bytes, kind: bytes, mode: int, length: int, offset: int) -> Member:
    """Keepsake puts everything below one directory, named by the id, and takes the first part off whatever it is."""
    path = name.partition(b"/")[2]
    refused = None if kind in _REGULAR else _REFUSED.get(kind, "of no kind that is known")
    if refused is None:
        try:
            check_path(path)
        except UnsafePath:
            refused = "outside of the directory that it is restored into"
    return Member(path or name, (mode & 0o777) or 0o644, length, offset, refused)


def _ustar_name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _number(field: bytes, where: str) -> int:
    """Octal, or in GNU's base 256 what octal has no room for."""
    if field[:1] in (b"\x80", b"\xff"):
        number = int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    else:
        digits = field.partition(b"\0")[0].strip()
        try:
            number = int(digits or b"0", 8)
        except ValueError:
            number = -1
    if number < 0:
        raise Damaged(f"{where} is damaged: {field!r} is no number")
    return number


def _decimal(text: bytes, where: str) -> int:
    if not text.isdigit() or len(text) > 19:
        raise Damaged(f"{where} is damaged: {text[:40]!r} is no size of a file")
    return int(text)


def _pax(data: bytes, where: str) -> dict[bytes, bytes]:
    """Records of `LENGTH KEY=VALUE\\n`, the length being that of the whole record."""
    found: dict[bytes, bytes] = {}
    while data.strip(b"\0"):
        length_text, _, _ = data.partition(b" ")
        length = int(length_text) if length_text.isdigit() and len(length_text) < 8 else 0
        record = data[len(length_text) + 1 : length]
        key, equals, value = record[:-1].partition(b"=")
        if not equals or record[-1:] != b"\n":
            raise Damaged(f"{where} is damaged: a name in it cannot be read")
        found[key] = value
        data = data[length:]
    return found
