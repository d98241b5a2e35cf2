"""Which weight files appear or change under the project while the child runs, and when they are at rest.

Owns the finding and the settling; copies nothing. Files that belong together are one set: the files of a directory
that is named for a step (`checkpoint-500/`, `epoch=3/`), or those that share a directory and a stem (`best.pt`,
`best.json`).
What was there before the child is no checkpoint until it changes: its times tell, so no list is made at the start.
watchdog's thread only puts paths into a queue; everything else runs on the recorder's thread.
"""

from __future__ import annotations

import math
import os
import queue
import re
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from kwrap.capture.ignore import IgnoreFile
from kwrap.capture.junk import is_junk_directory

SUFFIXES = frozenset(
    {
        *(".bin", ".cbm", ".ckpt", ".gguf", ".h5", ".joblib", ".keras", ".model", ".msgpack", ".npy", ".npz"),
        *(".onnx", ".params", ".pkl", ".pt", ".pth", ".safetensors", ".ubj"),
    }
)
# A file closed by its writer rests after the first time without a change, any other after the second.
_CLOSED_REST_S, _OPEN_REST_S = 0.2, 2.0
# Files changed at most this long before the child's start may still be its own: clocks of file systems are coarse.
_CLOCK_GRAIN_NS = 20_000_000
# A change is noticed at most this long after it was made; a file that says more has the time of another clock.
_NOTICED_WITHIN_NS = 500_000_000
# Of a directory: `500`, `checkpoint-500`, `global_step100`, `epoch=3`; not `exp3` or `run-1`, which hold whole runs.
_STEP = re.compile(r"(?:.*(?:checkpoint|ckpt|chkpt|step|epoch|iter|iteration|model|weights)s?[-_=.]?)?\d+\Z", re.I)
_DIGITS = re.compile(r"\d{1,15}")
_QUEUE_EVENTS = 100_000
# Where not everything can be watched (128 inotify instances a user, by default), it is looked for as often as this, and
# never for more than one part in so many of the time.
_SCAN_EVERY_S, _SCAN_REST = 5.0, 50


class Seen(NamedTuple):
    """A file as it was found: enough to notice that it changed."""

    path: str
    size_bytes: int
    modified_ns: int
    changed_ns: int
    inode: int
    mode: int

    @property
    def version(self) -> tuple[int, int, int]:
        return self.size_bytes, self.modified_ns, self.inode


class WeightSet(NamedTuple):
    """Files that settled together; `at_ns` is the wall time of the last change among them."""

    key: str
    files: tuple[Seen, ...]
    at_ns: int

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers in its name, the last first: one may be the step or the epoch."""
        name = os.path.basename(self.key).removesuffix(".*")
        return tuple(int(digits) for digits in reversed(_DIGITS.findall(name)))


class _Candidate:
    """A file that is not known to be at rest. One that a scan found has rested since its last change."""

    def __init__(self, seen: Seen, *, noticed: bool) -> None:
        self.seen = seen
        self.closed = False
        age_ns = max(0, time.time_ns() - seen.modified_ns)
        self._since_ns = time.monotonic_ns() - (min(age_ns, _NOTICED_WITHIN_NS) if noticed else age_ns)

    @property
    def rests(self) -> bool:
        rest_s = _CLOSED_REST_S if self.closed else _OPEN_REST_S
        return time.monotonic_ns() - self._since_ns >= rest_s * 1e9


class CheckpointWatch:
    """Finds settled sets of weight files, changed between two wall times; `ended_ns` is None while the child runs."""

    def __init__(
        self,
        project: str,
        patterns: Sequence[str],
        excluded: Sequence[str],
        started_ns: int,
        ended_ns: int | None = None,
    ) -> None:
        self._project = project
        self._patterns = IgnoreFile("\n".join(patterns).encode()) if patterns else None
        self._excluded = tuple(os.path.realpath(path) for path in excluded)
        self._started_ns = started_ns - _CLOCK_GRAIN_NS
        self._ended_ns = sys.maxsize if ended_ns is None else ended_ns + _CLOCK_GRAIN_NS
        self._candidates: dict[str, _Candidate] = {}
        self._recorded: dict[str, tuple[int, int, int]] = {}
        self._events: queue.Queue[tuple[str, bool]] = queue.Queue(_QUEUE_EVENTS)
        self._observer: Any = None
        self._watched: dict[str, Any] = {}
        self._scan_at_s = math.inf
        self._scan_every_s = math.inf

    def start(self) -> None:
        """Watch from now on, and look once at what came before.

        Raises OSError where the system cannot watch everything: then it is looked for itself, every few seconds.
        The project's own level is watched by itself and its directories one by one, so that the large ones that hold
        no weights (environments, the repository) cost nothing.
        """
        from watchdog.observers import Observer

        self._scan_at_s = 0.0  # a first scan finds what was written before the watch stood
        self._observer = Observer()
        self._observer.name = "kwrap-watch"
        try:
            self._watch_directory(self._project, recursive=False)
            self._observer.start()  # from here on a new directory is told of; those that are there are looked up
            for entry in os.scandir(self._project):
                if entry.is_dir(follow_symlinks=False):
                    self._watch_directory(entry.path, recursive=True)
        except OSError:
            self._scan_every_s = _SCAN_EVERY_S
            raise

    def stop(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            if self._observer.is_alive():
                self._observer.join(5.0)
            self._observer = None

    def _watch_directory(self, path: str, *, recursive: bool) -> None:
        if recursive and (is_junk_directory(os.fsencode(os.path.basename(path))) or path in self._excluded):
            return
        handler: Any = _Handler(self._notice)
        try:
            self._watched[path] = self._observer.schedule(handler, path, recursive=recursive, event_filter=_events())
        except FileNotFoundError:
            pass  # gone again

    def mark_recorded(self, path: str, version: tuple[int, int, int]) -> None:
        """This version of a file is a checkpoint already."""
        self._recorded[path] = version

    def started_by(self, wall_ns: int) -> None:
        """The start by the clock as it is now: when that was set back, files written since seem older than it."""
        self._started_ns = min(self._started_ns, wall_ns - _CLOCK_GRAIN_NS)

    def settled(self, *, final: bool = False) -> list[WeightSet]:
        """Sets at rest, in the order of their last changes. `final`: the child is gone, so all rest."""
        self._take_events()
        if final or time.monotonic() >= self._scan_at_s:
            self._scan()
        for path in list(self._candidates):
            self._look(path)
        return self._take_resting(final)

    def _scan(self) -> None:
        began_s = time.monotonic()
        for path in self._walk(self._project):
            self._look(path, noticed=False)
        now_s = time.monotonic()
        self._scan_at_s = now_s + max(self._scan_every_s, (now_s - began_s) * _SCAN_REST)

    @property
    def busy(self) -> bool:
        """Whether files are known that are not at rest yet."""
        return bool(self._candidates)

    def _notice(self, path: str, closed: bool) -> None:
        """On watchdog's thread."""
        try:
            self._events.put_nowait((path, closed))
        except queue.Full:
            self._scan_at_s = 0.0

    def _take_events(self) -> None:
        closed: dict[str, bool] = {}
        while True:
            try:
                path, was_closed = self._events.get_nowait()
            except queue.Empty:
                break
            closed[path] = closed.get(path, False) or was_closed
        for path, was_closed in closed.items():
            is_directory = os.path.isdir(path) and not os.path.islink(path)
            if is_directory and os.path.dirname(path) == self._project:
                self._watch_new(path)
            for one in self._walk(path) if is_directory else [path]:
                self._look(one)
                if was_closed and one in self._candidates:
                    self._candidates[one].closed = True

    def _watch_new(self, path: str) -> None:
        """A directory that appeared at the project's own level: another than the one of that name before."""
        if self._observer is None:
            return
        before = self._watched.pop(path, None)
        try:
            if before is not None:
                self._observer.unschedule(before)
            self._watch_directory(path, recursive=True)
        except OSError:
            self._scan_at_s, self._scan_every_s = 0.0, _SCAN_EVERY_S

    def _look(self, path: str, *, noticed: bool = True) -> None:
        """Take a file's state; it becomes a candidate when it is a weight file that changed during the run."""
        if not self._is_wanted(path):
            return
        seen = _stat(path)
        if seen is None or not self._is_of_run(seen):
            self._candidates.pop(path, None)
            return
        if self._recorded.get(path) == seen.version or not seen.size_bytes:
            self._candidates.pop(path, None)
            return
        candidate = self._candidates.get(path)
        if candidate is None or candidate.seen.version != seen.version:
            self._candidates[path] = _Candidate(seen, noticed=noticed)

    def _is_of_run(self, seen: Seen) -> bool:
        """A file that was copied or moved here has its old time of modification, and a new one of change."""
        return max(seen.modified_ns, seen.changed_ns) >= self._started_ns and seen.modified_ns <= self._ended_ns

    def _take_resting(self, final: bool) -> list[WeightSet]:
        """What rests and is older than all that does not: so a checkpoint's number follows the order of writing."""
        sets: dict[str, list[_Candidate]] = {}
        for candidate in self._candidates.values():
            sets.setdefault(self._key(candidate.seen.path), []).append(candidate)
        resting, restless_ns = [], []
        for key, members in sets.items():
            at_ns = max(member.seen.modified_ns for member in members)
            if final or all(member.rests for member in members):
                resting.append((at_ns, key))
            else:
                restless_ns.append(at_ns)
        first_restless_ns = min(restless_ns, default=None)
        return [
            self._take(key, sets[key], at_ns)
            for at_ns, key in sorted(resting)
            if first_restless_ns is None or at_ns <= first_restless_ns
        ]

    def _take(self, key: str, members: list[_Candidate], at_ns: int) -> WeightSet:
        for member in members:
            del self._candidates[member.seen.path]
        files = tuple(sorted(member.seen for member in members))
        return WeightSet(key, files + tuple(self._companions(key, {seen.path for seen in files})), at_ns)

    def _key(self, path: str) -> str:
        """What names the set: the directory of a step, or directory and stem."""
        directory = os.path.dirname(path)
        if directory != self._project and _STEP.match(os.path.basename(directory)):
            return directory
        return os.path.join(directory, os.path.splitext(os.path.basename(path))[0]) + ".*"

    def _companions(self, key: str, known: set[str]) -> Iterator[Seen]:
        """The other files of a numbered directory: configurations, optimizer states, tokenizers."""
        if not os.path.isdir(key):
            return
        for name in sorted(os.listdir(key)):
            seen = _stat(os.path.join(key, name))
            if seen is not None and seen.path not in known:
                yield seen

    def _is_wanted(self, path: str) -> bool:
        if not path.startswith(self._project + os.sep) or self._is_excluded(path):
            return False
        if os.path.splitext(path)[1].lower() in SUFFIXES:
            return True
        relative = os.fsencode(path[len(self._project) + 1 :])
        return self._patterns is not None and bool(self._patterns.decide(relative, directory=False))

    def _is_excluded(self, path: str) -> bool:
        if any(path.startswith(directory + os.sep) for directory in self._excluded):
            return True
        parts = path[len(self._project) + 1 :].split(os.sep)[:-1]
        return any(is_junk_directory(os.fsencode(part)) for part in parts)

    def _walk(self, directory: str) -> Iterator[str]:
        for place, directories, names in os.walk(directory):
            directories[:] = [
                name
                for name in directories
                if not is_junk_directory(os.fsencode(name)) and os.path.join(place, name) not in self._excluded
            ]
            for name in names:
                yield os.path.join(place, name)


def _events() -> list[Any] | None:
    """What to be told of. Where the system tells of closing (inotify), not of each write: there are thousands."""
    if sys.platform != "linux":
        return None
    from watchdog import events

    return [
        events.FileClosedEvent,
        events.FileCreatedEvent,
        events.FileMovedEvent,
        events.DirCreatedEvent,
        events.DirMovedEvent,
    ]


class _Handler:
    """What watchdog calls: it dispatches every event of the tree, on its own thread."""

    def __init__(self, notice: Any) -> None:
        self._notice = notice

    def dispatch(self, event: Any) -> None:
        if event.event_type in ("created", "modified", "closed"):
            self._notice(os.fsdecode(event.src_path), event.event_type == "closed")
        elif event.event_type == "moved":
            self._notice(os.fsdecode(event.dest_path), True)


def _stat(path: str) -> Seen | None:
    """None unless it is a regular file; symlinks are not followed, their target is found by itself."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return Seen(
        path,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_ino,
        stat.S_IMODE(found.st_mode),
    )
