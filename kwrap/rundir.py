"""The run directory: the local, append-only journal of one run, and the truth until the repository has it.

    <state>/runs/<experiment>/<run>/
        journal.jsonl    what the supervisor did: created, snapshot, spawned, exited …; then `recorded`
        recorder.jsonl   what the recorder did: checkpoints pinned and committed
        output.log       what the child printed, byte for byte
        output.idx       from which byte on, when (ns since the start), on which stream: 17 bytes a chunk
        spool/           checkpoint files that are pinned until the repository has them
        recorder.log     faults of the recorder's own
        lock             held by the recorder that is at work; its time says when that was last alive
        reserve          room for the last lines of the journal, should the disk be full by then

A line that was torn by a kill or a full disk is passed over. On the path to the child's start: standard library only.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
from typing import Any

INDEX_RECORD = struct.Struct("<QQB")
_RESERVE_BYTES = 8192
# How a recorder's process ends: the repository has all of it, or what is left is kept here for later. When it ends in
# any other way, another one is to try.
RECORDED, KEPT = 0, 75


def state_directory() -> str:
    """Where kwrap keeps what is not yet in a repository: KWRAP_STATE_DIRECTORY, else XDG's place for state."""
    chosen = os.environ.get("KWRAP_STATE_DIRECTORY")
    if chosen:
        return os.path.abspath(chosen)
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # "All paths must be absolute. If … relative … ignore it", says the specification
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "kwrap") if os.path.isabs(base) else _without_home()


def store_directory() -> str:
    """The local content store that code snapshots are taken into."""
    return os.path.join(state_directory(), "store")


class RunDirectory:
    """The paths of one run directory, and its journals."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = os.path.join(path, "lock")
        self._reserve = os.path.join(path, "reserve")
        self.journal = os.path.join(path, "journal.jsonl")
        self.recorder_journal = os.path.join(path, "recorder.jsonl")
        self.output = os.path.join(path, "output.log")
        self.index = os.path.join(path, "output.idx")
        self.spool = os.path.join(path, "spool")
        self.log = os.path.join(path, "recorder.log")

    @classmethod
    def create(cls, experiment_id: str, run_id: str) -> RunDirectory:
        """Make a new one. Raises OSError when the state directory cannot be written."""
        state = state_directory()
        path = os.path.join(state, "runs", experiment_id, run_id)
        os.makedirs(path, mode=0o700)
        if state == _without_home() and os.stat(state).st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "it belongs to another user", state)
        made = cls(path)
        made._set_room_aside()
        return made

    def _set_room_aside(self) -> None:
        try:
            with open(self._reserve, "xb") as file:
                file.write(os.urandom(_RESERVE_BYTES))  # zeros would take no room on a disk that compresses
        except OSError:
            pass

    def open_journal(self) -> Journal:
        """The supervisor's journal."""
        return Journal(self.journal, self._reserve)

    def events(self) -> dict[str, dict[str, Any]]:
        """The journal by event name; of an event that came twice, the last."""
        return {entry["event"]: entry for entry in read_journal(self.journal)}

    def try_lock(self) -> int | None:
        """Become the one recorder of this run: a descriptor to keep open, or None when another is at work."""
        descriptor = self._open_lock()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            pass  # a file system without locks (Lustre, some FUSE): two recorders at once do no harm, none would
        return descriptor

    def _open_lock(self) -> int:
        """Its time says when a recorder was last alive beside the command; one that is new says nothing yet."""
        try:
            return os.open(self._lock, os.O_RDWR, 0o600)
        except FileNotFoundError:
            before_s = _modified_s(self.journal)
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
            os.utime(descriptor, (before_s, before_s))
            return descriptor

    def show_life(self) -> None:
        """Say that a recorder is at work, also to other machines that see this directory."""
        try:
            os.utime(self._lock)
        except OSError:
            pass

    def last_life_s(self) -> float:
        """The wall time of the last sign of the run: what was written, or `show_life`; zero when there is none."""
        places = (self.journal, self.output, self.recorder_journal, self._lock)
        return max((_modified_s(place) for place in places), default=0.0)

    def last_alive_s(self) -> float:
        """The wall time at which the command, or whoever carried it, last showed life; zero when there is no sign.

        A recorder that completes the record later writes elsewhere.
        """
        return max((_modified_s(place) for place in (self.journal, self.output, self._lock)), default=0.0)

    def mark_recorded(self) -> None:
        """The repository has all of it: whatever is still here can go."""
        try:
            journal = Journal(self.journal)
        except OSError:
            return
        try:
            journal.append("recorded")
        except OSError:
            pass  # a full disk; it is removed next
        finally:
            journal.close()

    def remove(self) -> None:
        """Remove it. The journal goes last: of a removal that was interrupted the next one knows what it was."""
        import shutil

        for name in _names(self.path):
            place = os.path.join(self.path, name)
            if os.path.isdir(place):
                shutil.rmtree(place, ignore_errors=True)
            elif place != self.journal:
                _unlink(place)
        _unlink(self.journal)
        try:
            os.rmdir(self.path)
            os.rmdir(os.path.dirname(self.path))  # of the experiment, unless another run of it is there
        except OSError:
            pass


def all_run_directories() -> list[RunDirectory]:
    """Every run directory of this machine's state directory, oldest experiment first."""
    root = os.path.join(state_directory(), "runs")
    return [
        RunDirectory(os.path.join(root, experiment_id, run_id))
        for experiment_id in _names(root)
        for run_id in _names(os.path.join(root, experiment_id))
    ]


class Journal:
    """Appends one JSON object a line, each in a single write. A `reserve` is a file that may be given up for room."""

    def __init__(self, path: str, reserve: str | None = None) -> None:
        self._reserve = reserve
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        end = os.fstat(self._descriptor).st_size
        self._torn = end > 0 and os.pread(self._descriptor, 1, end - 1) != b"\n"

    def append(self, event: str, **fields: Any) -> None:
        """Add an event. Raises OSError when the disk refuses it; what was there before stays readable."""
        line = json.dumps({"event": event, **fields}, ensure_ascii=True).encode("ascii") + b"\n"
        try:
            self._write(line)
        except OSError:
            if self._reserve is None:
                raise
            _unlink(self._reserve)
            self._reserve = None
            self._write(line)

    def _write(self, line: bytes) -> None:
        if self._torn:
            line = b"\n" + line
        written = os.write(self._descriptor, line)
        self._torn = written != len(line)
        if self._torn:
            raise OSError(errno.ENOSPC, "the journal's line was cut short")

    def sync(self) -> None:
        """Return when what was appended outlives a power cut."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def read_journal(path: str) -> list[dict[str, Any]]:
    """The events of a journal, in order. A torn line is passed over; no journal is an empty one."""
    try:
        with open(path, "rb") as file:
            lines = file.read().split(b"\n")
    except OSError:
        return []
    events = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "event" in entry:
            events.append(entry)
    return events


def _without_home() -> str:
    """Where a user has no home, as in a container that runs with any user id."""
    return os.path.join(os.environ.get("TMPDIR") or "/tmp", f"kwrap-{os.getuid()}")


def _modified_s(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []
