"""The run directory: the local, append-only journal of one run, and the truth until the repository has it.

    <state>/runs/<experiment>/<run>/
        journal.jsonl    what the supervisor did: created, snapshot, spawned, exited …; then `recorded`
        recorder.jsonl   what the recorder did: checkpoints pinned and committed
        output.log       what the child printed, byte for byte
        output.idx       from which byte on, when (ns since the start), on which stream: 17 bytes a chunk
        spool/           checkpoint files that are pinned until the repository has them
        lock             held by the recorder that is at work

A line that was torn by a kill or a full disk is passed over. On the path to the child's start: standard library only.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
from typing import Any

INDEX_RECORD = struct.Struct("<QQB")


def state_directory() -> str:
    """Where kwrap keeps what is not yet in a repository: KWRAP_STATE_DIRECTORY, else XDG's place for state."""
    chosen = os.environ.get("KWRAP_STATE_DIRECTORY")
    if chosen:
        return os.path.abspath(chosen)
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "kwrap")


def store_directory() -> str:
    """The local content store that code snapshots are taken into."""
    return os.path.join(state_directory(), "store")


class RunDirectory:
    """The paths of one run directory, and its journals."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.journal = os.path.join(path, "journal.jsonl")
        self.recorder_journal = os.path.join(path, "recorder.jsonl")
        self.output = os.path.join(path, "output.log")
        self.index = os.path.join(path, "output.idx")
        self.spool = os.path.join(path, "spool")

    @classmethod
    def create(cls, experiment_id: str, run_id: str) -> RunDirectory:
        """Make a new one. Raises OSError when the state directory cannot be written."""
        path = os.path.join(state_directory(), "runs", experiment_id, run_id)
        os.makedirs(path, mode=0o700)
        return cls(path)

    def events(self) -> dict[str, dict[str, Any]]:
        """The journal by event name; of an event that came twice, the last."""
        return {entry["event"]: entry for entry in read_journal(self.journal)}

    def try_lock(self) -> int | None:
        """Become the one recorder of this run: a descriptor to keep open, or None when another is at work."""
        descriptor = os.open(os.path.join(self.path, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor


def all_run_directories() -> list[RunDirectory]:
    """Every run directory of this machine's state directory, oldest experiment first."""
    root = os.path.join(state_directory(), "runs")
    return [
        RunDirectory(os.path.join(root, experiment_id, run_id))
        for experiment_id in _names(root)
        for run_id in _names(os.path.join(root, experiment_id))
    ]


class Journal:
    """Appends one JSON object a line, each in a single write."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        end = os.fstat(self._descriptor).st_size
        self._torn = end > 0 and os.pread(self._descriptor, 1, end - 1) != b"\n"

    def append(self, event: str, **fields: Any) -> None:
        """Add an event. Raises OSError when the disk refuses it; what was there before stays readable."""
        line = json.dumps({"event": event, **fields}, ensure_ascii=True).encode("ascii") + b"\n"
        if self._torn:
            line = b"\n" + line
        written = os.write(self._descriptor, line)
        self._torn = written != len(line)
        if self._torn:
            raise OSError(28, "the journal's line was cut short")

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


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []
