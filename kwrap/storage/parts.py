"""Files and streams in parts, for kinds of storage that take large objects so. One part is held at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from kwrap.storage.durable import explained

PART_BYTES = 8 << 20
MOST_PARTS = 10_000  # S3 takes no more of one object
_GROWTH = 1_000  # parts of a stream, after which they are twice as large: no one knows how long it will be


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """A local file, unbuffered. Raises StorageError."""
    try:
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise explained(error, "read", os.fspath(path)) from error


def file_parts(source: BinaryIO, name: str) -> Iterator[bytes]:
    """Parts of a local file, larger ones where it is longer than 80 GB. `name` is for errors."""
    size = max(PART_BYTES, -(-os.fstat(source.fileno()).st_size // (MOST_PARTS - 1)))
    while part := _read(source, size, name):
        yield part


def _read(source: BinaryIO, size: int, name: str) -> bytes:
    buffer = bytearray(size)
    view = memoryview(buffer)
    filled = 0
    try:
        while filled < size and (count := source.readinto(view[filled:])):  # type: ignore[attr-defined]
            filled += count
    except OSError as error:
        raise explained(error, "read", name) from error
    view.release()
    del buffer[filled:]
    return bytes(buffer)


def stream_parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Parts of a stream: 1,000 of 8 MiB, 1,000 of 16 MiB, 1,000 of 32 MiB, …: some 8 TB in all."""
    held: list[bytes] = []
    held_bytes = 0
    count = 0
    for chunk in chunks:
        held.append(chunk)
        held_bytes += len(chunk)
        size = PART_BYTES << (count // _GROWTH)
        while held_bytes >= size:
            joined = b"".join(held)
            held, held_bytes = [joined[size:]], held_bytes - size
            yield joined[:size]
            count += 1
    if held_bytes:
        yield b"".join(held)
