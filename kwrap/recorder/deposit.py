"""What one run leaves in the repository besides its segments: code snapshot, records, checkpoints.

Owns the repository's opening, and the order of writing: what is named is there before its name. Large things are
carried by the uploader's thread; a call that says so may be made from both threads.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from kwrap.errors import AlreadyExists, Damaged, KwrapError, StorageError
from kwrap.recorder import facts
from kwrap.recorder.spool import Spool
from kwrap.recorder.upload import Uploader
from kwrap.records import Outcome
from kwrap.repository import layout
from kwrap.repository.content import Content
from kwrap.repository.local_store import LocalStore
from kwrap.repository.repository import Repository
from kwrap.rundir import store_directory

_AGAIN_S = 5.0

Events = Mapping[str, Mapping[str, Any]]


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

    def attempt(self, write: Callable[[Repository], object], *, opening: bool = False) -> bool:
        """Do something to the repository now if it can be had. What was not done is done later by the caller.

        Without `opening` it is not waited for until the background has opened it.
        """
        if (self._repository is None and not opening) or time.monotonic() < self._again_at_s:
            return False
        try:
            write(self._open())
        except StorageError:
            self._warn("storage_failed")
            self._again_at_s = time.monotonic() + _AGAIN_S
            return False
        return True

    def finish(self) -> Repository | None:
        """Wait for what is left in the background. The repository if it has all of it, else None."""
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

    def _open(self) -> Repository:
        """The repository, opened when first needed (both threads). Raises StorageError while it cannot be.

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
            return
        events = self._events
        if "snapshot" in events and not _upload_snapshot(repository.content, events["snapshot"]):
            self._warn("snapshot_lost")
            events = {name: event for name, event in events.items() if name != "snapshot"}
        repository.write_run(facts.run(events))
        repository.write_experiment(facts.experiment(events))

    def _store(self, entry: dict[str, Any]) -> None:
        repository = self._open()
        primary = facts.primary_metric(self._events["created"])
        try:
            checkpoint = self._spool.store(entry, repository.content, self._id, self._run, primary)
        except Damaged:
            self._warn("checkpoint_changed")
            self._spool.let_go(entry, "dropped")
            return
        try:
            repository.write_checkpoint(checkpoint)
        except AlreadyExists:
            self._warn("checkpoint_exists")
        self._spool.let_go(entry, "committed")


def _upload_snapshot(content: Content, snapshot: Mapping[str, Any]) -> bool:
    """Bring what the repository lacks from the local store. False when that is damaged or gone."""
    local = LocalStore(store_directory())
    return (
        all(
            content.has_pack(sha256) or _bring(content.upload_pack, local.pack_path(sha256), sha256)
            for sha256 in snapshot["packs"]
        )
        and all(
            content.has_blob(sha256) or _bring(content.upload_blob, local.blob_path(sha256), sha256)
            for sha256 in snapshot["blobs"]
        )
        and (
            content.has_tree(snapshot["tree"])
            or _bring(partial(_upload_tree, content), local.tree_path(snapshot["tree"]), snapshot["tree"])
        )
    )


def _upload_tree(content: Content, path: str, sha256: str) -> None:
    with open(path, "rb") as file:
        manifest = file.read()
    if hashlib.sha256(manifest).hexdigest() != sha256:
        raise Damaged(f"{path} is damaged: its bytes are not those that its name says")
    content.store_tree(manifest)


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
