"""zstd frames: the one compression of a repository. `zstandard` is imported when the first frame is made or read."""

from __future__ import annotations

from kwrap.errors import Damaged

_PROBE = 16 << 10
_PROBES = 3
_WORTH = 0.9  # of the plain size: what saves less is stored as it is, and then read without work


def compress(data: bytes | memoryview, level: int) -> bytes:
    """One frame, with content size and checksum."""
    import zstandard

    return zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=True).compress(data)


def decompress(data: bytes | memoryview, where: str, *, most: int | None = None) -> bytes:
    """What the frames hold together. Raises Damaged, naming the object, also for a frame that was cut short.

    Of a frame that says that it holds more than `most` bytes nothing is made.
    """
    import zstandard

    if most is not None:
        try:  # at once, into memory of the right size: up to six times as fast as piecemeal
            size = zstandard.frame_content_size(data)
            if 0 <= size <= most:
                return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
        except zstandard.ZstdError:
            size = -1  # damaged, or several frames
        if size > most:
            raise Damaged(f"{where} is damaged: it holds {size} bytes, and {most} were recorded")
    parts = []
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            parts.append(frame.decompress(data))
        except zstandard.ZstdError as error:
            raise Damaged(f"{where} is damaged: {error}") from error
        if not frame.eof:
            raise Damaged(f"{where} is damaged: its end is missing")
        data = frame.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


def pays(data: memoryview) -> bool:
    """Whether compressing saves more than a tenth, judged by three small samples.

    At zstd's level 1, since what can be saved of floating-point weights is entropy alone: faster levels and lz4
    call them incompressible. A probe of 3 x 16 KiB takes 0.05 ms; compressing 4 MiB of weights in vain takes 5 ms.
    """
    last = max(len(data) - _PROBE, 0)
    samples = b"".join(data[start : start + _PROBE] for start in sorted({0, last // 2, last}))
    return bool(samples) and len(compress(samples, 1)) < len(samples) * _WORTH
