"""What one run leaves in the repository besides its segments: code snapshot, records, checkpoints.

Owns the repository's opening, and the order of writing: what is named is there before its name. Large things are
carried by the uploader's thread and small ones by the sender's, so that whoever follows the command waits for neither.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from kwrap.errors import AlreadyExists, Damaged, KwrapError, StorageError
from kwrap.recorder import facts
from kwrap.recorder.sender import Sender
from kwrap.recorder.spool import Spool
from kwrap.recorder.upload import Uploader
from kwrap.records import Checkpoint, Outcome
from kwrap.repository import layout
from kwrap.repository.collector.guard import Guard
from kwrap.repository.content import Content
from kwrap.repository.local_store import LocalStore
from kwrap.repository.repository import Repository
from kwrap.rundir import store_directory

_AGAIN_S = 5.0

Events = Mapping[str, Mapping[str, Any]]


class _Changed(Exception):
    """A pinned file is not any more what was pinned."""


class Deposit:
    """The way of one run into its repository. `offline`: nothing is written, on purpose."""

    def __init__(self, events: Events, spool: Spool, warn: Callable[[str], None], *, offline: bool) -> None:
        self._events = events
        self._spool = spool
        self._warn = warn
        self._offline = offline
        created = events["created"]
        self._id, self._run = created["experiment"], created["run"]
        self._repository: Repository | None = None
        self._opening = threading.Lock()
        self._again_at_s = 0.0
        self._uploader = Uploader(warn, spool.hold_copies)
        self._sender = Sender()
        if offline:
            spool.hold_copies()

    def start(self) -> None:
        """Store the beginning, and what an earlier recorder had pinned and not stored; in the background."""
        self._uploader.start()
        self._uploader.add(self._begin)
        for entry in tuple(self._spool.pinned):
            self.add(entry)

    def add(self, entry: dict[str, Any]) -> None:
        """Store a pinned checkpoint, in the background."""
        self._uploader.add(lambda: self._store(entry))

    def send_soon(self, kind: str, write: Callable[[Repository], object]) -> None:
        """Do something small to the repository in the background, in place of what waits of that kind.

        What was not done, as while the repository cannot be had, is in what is sent later.
        """
        if self._repository is not None:
            self._sender.offer(kind, lambda: self.attempt(write))

    def attempt(self, write: Callable[[Repository], object]) -> bool:
        """Do something to the repository now if it can be had. What was not done is done later by the caller."""
        if time.monotonic() < self._again_at_s:
            return False
        try:
            write(self._open())
        except StorageError:
            self._warn("storage_failed")
            self._again_at_s = time.monotonic() + _AGAIN_S
            return False
        except Exception as error:  # a fault of ours, on the sender's thread, must not end that
            self._warn(f"internal_error:{type(error).__name__}")
            return False
        return True

    def finish(self) -> Repository | None:
        """Wait for what is left in the background. The repository if it has all of it, else None.

        The segments are the caller's again. Both threads are waited for at once: each may wait for an answer.
        """
        self._uploader.end()
        self._sender.finish()
        if not self._uploader.finish():
            return None
        try:
            return self._open()
        except StorageError:
            return None

    def write_outcome(self, repository: Repository, outcome: Outcome) -> None:
        """The last record of a run; its heartbeat is over."""
        try:
            repository.write_outcome(outcome)
        except AlreadyExists:
            self._warn("outcome_exists")
        repository.delete_heartbeat(self._id, self._run)
        try:
            repository.compact_log()
        except KwrapError:  # it is nobody's loss, and the next one does it
            pass

    def _open(self) -> Repository:
        """The repository, opened when first needed (any thread). Raises StorageError while it cannot be.

        One that was removed is not written into, which would make it anew without its header, but made and begun anew.
        """
        with self._opening:
            if self._repository is not None and self._repository.storage.size(layout.REPOSITORY) is None:
                self._warn("repository_removed")
                self._repository = None
                self._uploader.add(self._begin)
            if self._repository is None:
                self._repository = self._open_anew()
            return self._repository

    def _open_anew(self) -> Repository:
        if self._offline:
            raise StorageError("this run is recorded offline", hint="'kwrap sync' sends it")
        try:
            return Repository.open(self._events["created"]["repository"], create=True)
        except StorageError:
            raise
        except KwrapError as error:
            raise StorageError(error.message, hint=error.hint) from error

    def _begin(self) -> None:
        """The snapshot, then the records; the experiment comes last, so what is listed has its run and its code."""
        repository = self._open()
        if repository.has_experiment(self._id):
            repository.tell(self._id)  # whoever wrote it may have been killed before it told
            return
        events = self._events
        snapshot = events.get("snapshot")
        if snapshot is None:
            repository.begin(facts.run(events), facts.experiment(events))
            return

        def write(stored: bool) -> None:
            if not stored:
                self._warn("snapshot_lost")
            kept = {name: event for name, event in events.items() if stored or name != "snapshot"}
            repository.begin(facts.run(kept), facts.experiment(kept))

        Guard(repository.storage).commit(
            lambda again: _upload_snapshot(repository.content, snapshot, again),
            lambda stored: [snapshot["tree"]] if stored else [],
            write,
        )

    def _store(self, entry: dict[str, Any]) -> None:
        repository = self._open()
        primary = facts.primary_metric(self._events["created"])

        def store(again: Collection[str]) -> Checkpoint:
            try:
                return self._spool.store(entry, repository.content, self._id, self._run, primary, again=again)
            except Damaged as error:
                raise _Changed from error

        try:
            Guard(repository.storage).commit(
                store, lambda checkpoint: [checkpoint.tree] if checkpoint.tree else [], repository.write_checkpoint
            )
        except _Changed:
            self._warn("checkpoint_changed")
            self._spool.let_go(entry, "dropped")
            return
        except Damaged as error:  # what the collector has left there: the checkpoint waits until that is mended
            raise StorageError(error.message, hint=error.hint) from error
        except AlreadyExists:
            self._warn("checkpoint_exists")
        self._spool.let_go(entry, "committed")


def _upload_snapshot(content: Content, snapshot: Mapping[str, Any], again: Collection[str]) -> bool:
    """Bring what the repository lacks, and what is in `again`, from the local store. False when that lacks it, too."""
    local = LocalStore(store_directory())
    return (
        all(
            (sha256 not in again and content.has_pack(sha256))
            or _bring(partial(content.upload_pack, again=again), local.pack_path(sha256), sha256)
            for sha256 in snapshot["packs"]
        )
        and all(
            (sha256 not in again and content.has_blob(sha256))
            or _bring(partial(content.upload_blob, again=again), local.blob_path(sha256), sha256)
            for sha256 in snapshot["blobs"]
        )
        and (
            (snapshot["tree"] not in again and content.has_tree(snapshot["tree"]))
            or _bring(partial(_upload_tree, content, again), local.tree_path(snapshot["tree"]), snapshot["tree"])
        )
    )


def _upload_tree(content: Content, again: Collection[str], path: str, sha256: str) -> None:
    with open(path, "rb") as file:
        manifest = file.read()
    if hashlib.sha256(manifest).hexdigest() != sha256:
        raise Damaged(f"{path} is damaged: its bytes are not those that its name says")
    content.store_tree(manifest, again=again)


def _bring(upload: Callable[[str, str], None], path: str, sha256: str) -> bool:
    """False when the local object is not what its name says: it is removed, so that no later snapshot relies on it."""
    if not os.path.exists(path):
        return False
    try:
        upload(path, sha256)
    except Damaged:
        os.unlink(path)
        return False
    return True
