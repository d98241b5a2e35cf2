"""Checkpoints that are pinned until the repository has them: the trainer may do what it likes with its files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kwrap.errors import Damaged
from kwrap.recorder.checkpoints import Seen, WeightSet
from kwrap.recorder.known import Known
from kwrap.recorder.spool import Spool
from kwrap.records import Checkpoint
from kwrap.repository.repository import Repository
from kwrap.rundir import Journal, RunDirectory

KNOWN = Known({}, None, None)


class Run:
    """A run directory with its spool, a project, and a repository."""

    def __init__(self, place: Path) -> None:
        self.directory = RunDirectory(str(place / "run"))
        self.project = place / "project"
        self.project.mkdir()
        os.mkdir(self.directory.path)
        self.repository = Repository.open(str(place / "repository"), create=True)
        self.restart()

    def restart(self) -> None:
        self.spool = Spool(self.directory, Journal(self.directory.recorder_journal), str(self.project))

    def write(self, name: str, text: str) -> Seen:
        path = self.project / name
        path.write_text(text)
        found = path.stat()
        return Seen(str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, 0o644)

    def pin(self, *files: Seen) -> dict[str, object] | None:
        return self.spool.pin(WeightSet("key", files, 0), KNOWN, 0.0, "2026-01-01T00:00:00.000Z")

    def store(self, entry: dict[str, object] | None) -> Checkpoint:
        assert entry is not None
        return self.spool.store(entry, self.repository.content, "experiment", "run", None)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_a_file_that_is_deleted_or_replaced_after_it_was_pinned_is_stored(run: Run) -> None:
    deleted, replaced = run.write("a.pt", "a"), run.write("b.pt", "b")
    entry = run.pin(deleted, replaced)
    os.unlink(deleted.path)
    (run.project / "new").write_text("another")
    os.replace(run.project / "new", replaced.path)
    assert [file.size_bytes for file in run.store(entry).files] == [1, 1]


def test_a_file_that_was_gone_before_it_could_be_pinned_does_not_take_the_others_with_it(run: Run) -> None:
    gone, there = run.write("a.pt", "gone"), run.write("b.pt", "there")
    os.unlink(gone.path)
    stored = run.store(run.pin(gone, there))
    assert [(file.path, file.size_bytes) for file in stored.files] == [("b.pt", 5)]


def test_a_file_that_is_written_into_before_it_was_stored_is_never_stored_as_something_else(run: Run) -> None:
    seen = run.write("a.pt", "epoch 1")
    entry = run.pin(seen)
    os.utime(run.write("a.pt", "epoch 2").path, ns=(0, seen.modified_ns + 1))
    with pytest.raises(Damaged):
        run.store(entry)


def test_while_the_repository_takes_nothing_a_trainer_cannot_write_into_what_is_pinned(run: Run) -> None:
    first = run.pin(run.write("a.pt", "epoch 1"))
    run.spool.hold_copies()
    run.write("a.pt", "epoch 2, in the same file")
    second = run.pin(run.write("b.pt", "epoch 1"))
    run.write("b.pt", "epoch 2, in the same file")
    run.restart()
    assert [file.size_bytes for file in run.store(first).files] == [7]
    assert [file.size_bytes for file in run.store(second).files] == [7]
    assert [entry["sequence"] for entry in run.spool.pinned] == [1, 2]


def test_after_the_last_look_was_taken_no_later_recorder_takes_one(run: Run) -> None:
    assert not run.spool.looked
    run.spool.mark_looked()
    run.restart()
    assert run.spool.looked
