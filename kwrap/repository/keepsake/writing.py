"""An experiment as Keepsake 0.4.2 reads it: its metadata, and tarballs as streams of bytes. Pure.

Written so that Keepsake's own program lists, shows, compares and checks it out without its known crashes:
floats keep their point (it takes 2 for an integer, and comparing that with a float ends its listing); every checkpoint
has the metrics of every other (a gap in the first one's ends `show`); and the primary metric is never null (it takes
null for the best).
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from kwrap.clock import from_rfc3339
from kwrap.records import Checkpoint, Experiment, Goal, PrimaryMetric
from kwrap.repository import compression
from kwrap.repository.keepsake import records
from kwrap.repository.trees import TreeEntry

KEEPSAKE_VERSION = "0.4.2"
HEADER = b'{"version":1}'
_NON_FINITE = {math.inf: "[+Infinity]", -math.inf: "[-Infinity]"}
_GREATEST = 1 << 1023  # beyond it, Go takes no number, and drops the whole experiment
_GZIP = 16 + zlib.MAX_WBITS
_LEVEL = 1
_BLOCK = 512
_STEP = 1 << 20
_SHORT = 7


class Written(NamedTuple):
    """The metadata of an experiment, and what had to be made up for Keepsake's sake: sentences."""

    data: bytes
    changed: tuple[str, ...]


def experiment_id(record: Experiment) -> str:
    """The one that it had in Keepsake, else the SHA-256 of its own: 64 lower-case hexadecimal digits either way."""
    return _own_id(record.extra) or hashlib.sha256(record.id.encode("utf-8")).hexdigest()


def checkpoint_id(record: Checkpoint) -> str:
    """The one that it had in Keepsake, else the SHA-256 of `EXPERIMENT@NUMBER`."""
    return _own_id(record.extra) or hashlib.sha256(f"{record.experiment}@{record.sequence}".encode()).hexdigest()


def metadata(
    record: Experiment,
    checkpoints: Sequence[Checkpoint],
    primary: PrimaryMetric | None,
    *,
    command: str,
    repository: str,
    paths: Mapping[str, str],
) -> Written:
    """`paths`: for each id, of the experiment and of checkpoints, what its tarball is of; none where there is none."""
    own_id = experiment_id(record)
    interpreter = record.interpreter
    listed, changed = _checkpoints(checkpoints, primary, paths)
    fields = {
        "id": own_id,
        "created": _created(record.extra, record.created_at),
        "params": {name: _value(one.value) for name, one in sorted(record.params.items())},
        "host": "",
        "user": record.user or "",
        "config": {"repository": repository, "storage": ""},
        "command": command,
        "path": paths.get(own_id, ""),
        "python_version": (interpreter.version if interpreter else None) or "",
        "python_packages": dict(sorted((record.packages or {}).items())),
        "checkpoints": listed,
        "keepsake_version": KEEPSAKE_VERSION,
    }
    text = json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False)
    return Written(text.encode("utf-8", "replace"), tuple(f"{own_id[:_SHORT]}: {one}" for one in changed))


def _checkpoints(
    checkpoints: Sequence[Checkpoint], primary: PrimaryMetric | None, paths: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[str]]:
    names = sorted({name for one in checkpoints for name in (*one.metrics, *(one.values or ()))})
    if primary is not None and not any(_is_known(one.metrics.get(primary.name)) for one in checkpoints):
        primary = None
    found: list[dict[str, Any]] = []
    changed: list[str] = []
    step = -1
    for one in checkpoints:
        step = step + 1 if one.step is None else one.step
        own_id = checkpoint_id(one)
        metrics = {name: _metric(one, name) for name in names}
        if primary is not None and not _is_known(one.metrics.get(primary.name)):
            metrics[primary.name] = _value(math.inf if primary.goal is Goal.MINIMIZE else -math.inf)
            changed.append(
                f"checkpoint {own_id[:_SHORT]} has no {primary.name}; it is written as {metrics[primary.name]}, the "
                "worst there is, since Keepsake would take it for the best"
            )
        found.append(
            {
                "id": own_id,
                "created": _created(one.extra, one.created_at),
                "metrics": metrics,
                "step": step,
                "path": paths.get(own_id, ""),
                "primary_metric": None if primary is None else {"name": primary.name, "goal": primary.goal.value},
            }
        )
    return found, changed


def _is_known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _metric(one: Checkpoint, name: str) -> Any:
    return _value(float(one.metrics[name]) if name in one.metrics else (one.values or {}).get(name))


def _value(value: Any) -> Any:
    """As JSON that Go can read: what is not finite as the strings that Keepsake means by it."""
    if isinstance(value, float) and not math.isfinite(value):
        return _NON_FINITE.get(value, "[NaN]")
    if isinstance(value, int) and abs(value) >= _GREATEST:
        return hex(value)
    if isinstance(value, (list, tuple)):
        return [_value(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): _value(one) for name, one in sorted(value.items())}
    return value


def _created(extra: Mapping[str, Any], created_at: str) -> str:
    known = extra.get(records.KEY)
    return str(known["created"]) if isinstance(known, dict) and "created" in known else created_at


def _own_id(extra: Mapping[str, Any]) -> str | None:
    known = extra.get(records.KEY)
    return str(known["id"]) if isinstance(known, dict) and known.get("id") else None


def own_path(extra: Mapping[str, Any]) -> str | None:
    """What Keepsake was told to keep, of what came from there."""
    known = extra.get(records.KEY)
    return str(known["path"]) if isinstance(known, dict) and known.get("path") else None


def tarball(top: str, created_at: str, files: Iterable[tuple[TreeEntry, BinaryIO]]) -> Iterator[bytes]:
    """A gzipped tar of regular files below one directory. What does not compress is stored as it is.

    zlib's fastest level makes a few dozen MB a second out of weights, in vain; gzip allows several members after each
    other, so each file can have its own.
    """
    seconds = from_rfc3339(created_at) // 1_000_000_000
    gzip = _Gzip()
    for entry, stream in files:
        first = stream.read(_STEP)
        compress = len(first) < _BLOCK or compression.pays(memoryview(first))
        yield gzip.add(_header(top, entry, seconds), compress=compress)
        chunk = first
        while chunk:
            yield gzip.add(chunk, compress=compress)
            chunk = stream.read(_STEP)
        yield gzip.add(bytes(-entry.size_bytes % _BLOCK), compress=compress)
    yield gzip.add(bytes(2 * _BLOCK), compress=True)
    yield gzip.finish()


def _header(top: str, entry: TreeEntry, seconds: int) -> bytes:
    import tarfile

    member = tarfile.TarInfo(f"{top}/{entry.path.decode('utf-8', 'surrogateescape')}")
    member.size, member.mode, member.mtime = entry.size_bytes, entry.mode, seconds
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


class _Gzip:
    """gzip members one after the other, a new one where the level changes."""

    def __init__(self) -> None:
        self._level = _LEVEL
        self._deflater: Any = None

    def add(self, data: bytes, *, compress: bool) -> bytes:
        done = b""
        level = _LEVEL if compress else 0
        if self._deflater is None or level != self._level:
            done = self.finish()
            self._level, self._deflater = level, zlib.compressobj(level, zlib.DEFLATED, _GZIP)
        return done + bytes(self._deflater.compress(data))

    def finish(self) -> bytes:
        return b"" if self._deflater is None else bytes(self._deflater.flush())
