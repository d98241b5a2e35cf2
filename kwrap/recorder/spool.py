"""Checkpoints on their way: pinned in the run directory, journaled, stored in the repository, let go.

A file is pinned by a hard link where the file system allows, else by a copy; from then on the trainer may rotate,
delete or rename it. It may still write into it, so a link is good for the moment until the file is stored: while the
repository does not take it, copies are held. The recorder's journal knows every pinned set, so that one that was not
stored is stored later.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Collection, Iterable
from typing import Any

from kwrap.errors import Damaged
from kwrap.ids import new_write_id
from kwrap.project_state import add_written_checkpoints
from kwrap.recorder.checkpoints import WeightSet
from kwrap.recorder.known import Known
from kwrap.records import Checkpoint, CheckpointFile, PrimaryMetric
from kwrap.repository import trees
from kwrap.repository.content import Content
from kwrap.rundir import Journal, RunDirectory, read_journal


class Spool:
    """The pinned checkpoints of one run. Events in recorder.jsonl: `pinned`, then `committed` or `dropped`; `looked`
    when everything was pinned that the run had left.

    One thread pins while another stores and lets go.
    """

    def __init__(self, run_directory: RunDirectory, journal: Journal, project: str) -> None:
        self._directory = run_directory.spool
        self._journal = journal
        self._lock = threading.Lock()
        self._project = project
        self.pinned: list[dict[str, Any]] = []
        self.known_versions: dict[str, tuple[int, int, int]] = {}
        self.next_sequence = 1
        self.committed = 0
        self.looked = False
        self._by_copy = False
        self._replay(read_journal(run_directory.recorder_journal))

    def pin(self, found: WeightSet, known: Known, t_s: float, created_at: str) -> dict[str, Any] | None:
        """Pin a settled set. Returns its journal entry, or None when its files were gone before they could be held."""
        place = os.path.join(self._directory, f"{self.next_sequence:06d}")
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place, mode=0o700)
        files: list[list[Any]] = []
        for seen in found.files:
            try:
                _hold(seen.path, os.path.join(place, str(len(files))), by_copy=self._by_copy)
            except FileNotFoundError:
                continue
            relative = os.path.relpath(seen.path, self._project)
            files.append([os.fsencode(relative).hex(), seen.mode, seen.modified_ns, seen.inode, seen.size_bytes])
            self.known_versions[seen.path] = seen.version
        if not files:
            return None
        entry = {
            "sequence": self.next_sequence,
            "files": files,
            "created_at": created_at,
            "t_s": t_s,
            "step": known.step,
            "epoch": known.epoch,
            "metrics": {name: repr(value) for name, value in known.metrics.items()},
            "write_id": new_write_id(),
        }
        with self._lock:
            self._journal.append("pinned", **entry)
            self.pinned.append(entry)
        self.next_sequence += 1
        self._remember(bytes.fromhex(str(name)) for name, *_ in files)
        return entry

    def mark_looked(self) -> None:
        """No later recorder has to look for files: what it found might be another run's."""
        self.looked = True
        try:
            self._journal.append("looked")
        except OSError:
            pass

    def hold_copies(self) -> None:
        """The repository takes nothing now, and the trainer may write into what is pinned by a link."""
        with self._lock:
            self._by_copy = True
            entries = list(self.pinned)
        for entry in entries:
            for number in range(len(entry["files"])):
                _unlink_from_source(self._pin(entry, number))

    def _remember(self, names: Iterable[bytes]) -> None:
        """These are no code: the next snapshot leaves them out. Forgetting it costs a few bytes."""
        try:
            add_written_checkpoints(os.fsencode(self._project), names)
        except OSError:
            pass

    def store(
        self,
        entry: dict[str, Any],
        content: Content,
        experiment: str,
        run: str,
        primary: PrimaryMetric | None,
        *,
        again: Collection[str] = frozenset(),
    ) -> Checkpoint:
        """Store a pinned set's bytes and its manifest; gives the record to be committed.

        Content with a hash in `again` is written though it is there: it is about to be collected.
        Raises Damaged when a file changed under its pin, StorageError when the repository does not take it.
        """
        entries, files = [], []
        for number, (name_hex, mode, modified_ns, _, size_bytes) in enumerate(entry["files"]):
            name, pin = bytes.fromhex(name_hex), self._pin(entry, number)
            if _version(pin) != (size_bytes, modified_ns):
                raise Damaged(f"{os.fsdecode(name)} changed before it was stored")
            stored = content.store_file(pin, name, mode, again=again)
            entries.append(stored)
            files.append(
                CheckpointFile(
                    path=name.decode("utf-8", "backslashreplace"),
                    size_bytes=stored.size_bytes,
                    sha256=stored.sha256,
                    pieces_sha256=trees.pieces_sha256(stored.pieces) if stored.sha256 is None else None,
                    modified_ns=modified_ns,
                )
            )
        return Checkpoint(
            experiment=experiment,
            run=run,
            sequence=entry["sequence"],
            created_at=entry["created_at"],
            t_s=entry["t_s"],
            tree=content.store_tree(trees.encode(entries), again=again),
            files=tuple(files),
            size_bytes=sum(file.size_bytes for file in files),
            step=entry["step"],
            epoch=entry["epoch"],
            metrics={name: float(value) for name, value in entry["metrics"].items()},
            primary_metric=primary,
            write_id=entry["write_id"],
        )

    def let_go(self, entry: dict[str, Any], event: str) -> None:
        """The repository has it (`committed`), or it can never have it (`dropped`)."""
        with self._lock:
            self._by_copy = False
            self._count(event)
            self.pinned.remove(entry)
            try:
                self._journal.append(event, sequence=entry["sequence"])
            except OSError:
                pass  # the next recorder finds it stored
        shutil.rmtree(os.path.join(self._directory, f"{entry['sequence']:06d}"), ignore_errors=True)

    def _pin(self, entry: dict[str, Any], number: int) -> str:
        return os.path.join(self._directory, f"{entry['sequence']:06d}", str(number))

    def _replay(self, events: list[dict[str, Any]]) -> None:
        done = {event["sequence"] for event in events if event["event"] in ("committed", "dropped")}
        for event in events:
            if event["event"] == "pinned":
                self.next_sequence = max(self.next_sequence, event["sequence"] + 1)
                for name_hex, _, modified_ns, inode, size_bytes in event["files"]:
                    path = os.path.join(self._project, os.fsdecode(bytes.fromhex(name_hex)))
                    self.known_versions[path] = (size_bytes, modified_ns, inode)
                if event["sequence"] not in done:
                    self.pinned.append(event)
            else:
                self._count(event["event"])
                self.looked |= event["event"] == "looked"

    def _count(self, event: str) -> None:
        self.committed += event == "committed"


def _hold(path: str, pin: str, *, by_copy: bool) -> None:
    try:
        os.link(path, pin, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(path, pin, follow_symlinks=False)
    if by_copy:
        _unlink_from_source(pin)


def _unlink_from_source(pin: str) -> None:
    """Make a copy of a pin that is a link. Where there is no room for one, the link stays: better than nothing."""
    beside = pin + ".copy"
    try:
        if os.stat(pin).st_nlink > 1:
            shutil.copy2(pin, beside)
            os.replace(beside, pin)
    except OSError:
        _unlink(beside)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def _version(pin: str) -> tuple[int, int] | None:
    try:
        found = os.stat(pin)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
