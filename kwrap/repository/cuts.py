"""Where a large file is cut into pieces: at the tensors of a safetensors file, at the members of a ZIP archive (torch,
npz, keras), else every few MiB.

A tensor that did not change since the last checkpoint is then the same piece, wherever in the file it lies now. Cut
points are no part of the format: a manifest lists each piece with its length, so a later version may cut elsewhere.
Headers are never trusted: one that lies, or is cut short or too long, costs nothing but the better cuts. Standard
library only, for the supervisor cuts too.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator

MIB = 1 << 20
PIECE_BYTES = 4 * MIB  # of files that are small or of no known format; a file of no more is one piece
MAX_PIECE_BYTES = 16 * MIB
_SMALL_FILE_BYTES = 64 * MIB
_MERGED_BELOW = 1 * MIB  # tensors smaller than this are cut together with those beside them
_MAX_HEADER_BYTES = 16 * MIB  # a hundred thousand tensors take about 10
_MAX_STRETCHES = 200_000

# Bytes of the file from an offset on; fewer where it ends.
ReadAt = Callable[[int, int], bytes]
Stretch = tuple[int, int]  # begin and end


def plan(size_bytes: int, read_at: ReadAt) -> list[int]:
    """The lengths of a file's pieces, in order: none empty, none above MAX_PIECE_BYTES, together the whole file.

    Depends on the size and on what `read_at` gives alone. Reads at most MAX_HEADER_BYTES and the members' headers.
    """
    if size_bytes <= PIECE_BYTES:
        return [size_bytes] if size_bytes else []

    def read_inside(offset: int, length: int) -> bytes:
        if offset > size_bytes:
            raise ValueError("beyond the end")
        return read_at(offset, length)

    stretches = _stretches(size_bytes, read_inside)
    if not stretches:
        return _split(size_bytes, PIECE_BYTES)
    longest = PIECE_BYTES if size_bytes < _SMALL_FILE_BYTES else MAX_PIECE_BYTES
    return [length for part in _parts(stretches, size_bytes) for length in _split(part, longest)]


def _stretches(size_bytes: int, read_at: ReadAt) -> list[Stretch]:
    """What belongs together in the file, in order and without overlaps; empty where that cannot be told."""
    begin = read_at(0, 9)
    found: list[Stretch] = []
    try:
        if begin[:4] == b"PK\x03\x04":
            found = _zip_members(size_bytes, read_at)
        elif len(begin) == 9 and begin[8:] == b"{":
            found = _tensors(int.from_bytes(begin[:8], "little"), size_bytes, read_at)
    except (struct.error, ValueError):
        return []
    found = sorted(stretch for stretch in found if stretch[0] != stretch[1])
    ends = [0, *(end for _, end in found)]
    in_order = all(begin >= before for (begin, _), before in zip(found, ends, strict=False))
    return found if in_order and ends[-1] <= size_bytes and all(begin < end for begin, end in found) else []


def _parts(stretches: Iterable[Stretch], size_bytes: int) -> Iterator[int]:
    """The lengths of the parts that are cut by themselves: every large stretch, and what is small between them.

    A header before the first stretch is one of its own, as it says something else in every checkpoint.
    """
    start = 0  # of what is not part of anything yet
    for number, (begin, end) in enumerate(stretches):
        if begin > start and (number == 0 or end - begin >= _MERGED_BELOW or begin - start >= _MERGED_BELOW):
            yield begin - start
            start = begin
        if end - start >= _MERGED_BELOW:
            yield end - start
            start = end
    if size_bytes > start:
        yield size_bytes - start


def _split(length: int, longest: int) -> list[int]:
    whole, rest = divmod(length, longest)
    return [longest] * whole + ([rest] if rest else [])


# safetensors: u64 length of the header, the header (JSON), then the tensors; offsets count from the header's end.
# https://github.com/huggingface/safetensors

_OFFSETS = rb'"data_offsets"\s*:\s*\[\s*(\d{1,18})\s*,\s*(\d{1,18})\s*\]'


def _tensors(header_bytes: int, size_bytes: int, read_at: ReadAt) -> list[Stretch]:
    """Looked for in the text, not parsed: of JSON that somebody else made, memory could not be bounded."""
    data = 8 + header_bytes
    if header_bytes > _MAX_HEADER_BYTES or data > size_bytes:
        return []
    header = read_at(8, header_bytes)
    found: list[Stretch] = []
    for match in re.finditer(_OFFSETS, header):
        if len(found) == _MAX_STRETCHES:
            return []
        found.append((data + int(match[1]), data + int(match[2])))
    return found


# ZIP: members, each behind a header of its own; then the central directory; then where that is.
# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.7 to 4.3.16 and 4.5.3

_END = struct.Struct("<4s4H2LH")
_END_64_AT = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_LONGEST_COMMENT = 0xFFFF


def _zip_members(size_bytes: int, read_at: ReadAt) -> list[Stretch]:
    """The members' bytes, as they lie there, without their headers: those name the archive, which each file names anew.

    So a tensor in torch's archive is the same piece, whatever the checkpoint is called.
    """
    directory = _central_directory(size_bytes, read_at)
    found: list[Stretch] = []
    position = 0
    while position < len(directory):
        fields = _ENTRY.unpack_from(directory, position)
        if fields[0] != b"PK\x01\x02" or len(found) == _MAX_STRETCHES:
            return []
        name_bytes, extra_bytes, comment_bytes = fields[10:13]
        extra_at = position + _ENTRY.size + name_bytes
        stored_bytes, header_at = _extended(fields, directory[extra_at : extra_at + extra_bytes])
        if stored_bytes:
            local = _LOCAL.unpack(read_at(header_at, _LOCAL.size))
            if local[0] != b"PK\x03\x04":
                return []
            begin = header_at + _LOCAL.size + local[9] + local[10]
            found.append((begin, begin + stored_bytes))
        position = extra_at + extra_bytes + comment_bytes
    return found


def _central_directory(size_bytes: int, read_at: ReadAt) -> bytes:
    tail_at = max(0, size_bytes - _END.size - _LONGEST_COMMENT)
    tail = read_at(tail_at, size_bytes - tail_at)
    end_at = tail.rfind(b"PK\x05\x06")
    if end_at < 0:
        return b""
    *_, length, offset, _ = _END.unpack_from(tail, end_at)
    if 0xFFFFFFFF in (length, offset) or tail[max(0, end_at - _END_64_AT.size) :][:4] == b"PK\x06\x07":
        _, _, end_64_at, _ = _END_64_AT.unpack_from(tail, end_at - _END_64_AT.size)
        *_, length, offset = _END_64.unpack(read_at(end_64_at, _END_64.size))
    if length > _MAX_HEADER_BYTES or offset + length > size_bytes:
        return b""
    return read_at(offset, length)


def _extended(fields: tuple[int, ...], extra: bytes) -> tuple[int, int]:
    """A member's stored bytes and where its header is; numbers that 32 bits do not hold stand in an extra field."""
    size, stored, header_at = fields[9], fields[8], fields[16]
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        position += 4
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{length // 8}Q", extra, position))
            if size == 0xFFFFFFFF:
                next(wide, None)
            stored = next(wide, stored) if stored == 0xFFFFFFFF else stored
            header_at = next(wide, header_at) if header_at == 0xFFFFFFFF else header_at
        position += length
    return stored, header_at
