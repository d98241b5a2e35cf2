"""The run directory: what is written stays readable, whatever happens between two writes."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from kwrap import rundir
from kwrap.rundir import Journal, RunDirectory, all_run_directories, read_journal, state_directory


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_journal_torn_at_every_byte_gives_its_whole_lines_and_can_be_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(str(path))
    for number in range(3):
        journal.append("event", number=number, text="ü\n")
    journal.close()
    whole = path.read_bytes()
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        kept = [event["number"] for event in read_journal(str(path))]
        # Only its newline is missing from a line that ends with its brace.
        assert len(kept) in (whole[:end].count(b"\n"), whole[:end].count(b"}"))
        journal = Journal(str(path))
        journal.append("event", number=9)
        journal.close()
        assert [event["number"] for event in read_journal(str(path))] == [*kept, 9]


def test_the_zeros_that_a_power_cut_leaves_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"event": "created"}\n' + bytes(100))
    assert [event["event"] for event in read_journal(str(path))] == ["created"]
    journal = Journal(str(path))
    journal.append("exited")
    journal.close()
    assert [event["event"] for event in read_journal(str(path))] == ["created", "exited"]


def test_the_last_lines_of_the_journal_have_room_on_a_full_disk(small_disk: Path) -> None:
    run_directory = RunDirectory(str(small_disk))
    run_directory._set_room_aside()
    journal = run_directory.open_journal()
    journal.append("created")
    with (small_disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space"):
        while True:
            filler.write(bytes(4096))
    for number in range(5):
        journal.append("exited", number=number, text="x" * 1000)
    assert [event["event"] for event in read_journal(run_directory.journal)] == ["created", *["exited"] * 5]


def test_a_file_system_without_locks_still_gets_its_recorder(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lustre answers ENOSYS where it is mounted without `flock`."""
    run_directory = RunDirectory.create("e", "r")
    first = run_directory.try_lock()
    assert first is not None
    assert run_directory.try_lock() is None

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    second = run_directory.try_lock()
    assert second is not None
    os.close(first)
    os.close(second)


def test_a_removal_that_is_interrupted_leaves_the_journal(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_directory = RunDirectory.create("e", "r")
    run_directory.open_journal().append("created")
    Path(run_directory.output).write_text("output")
    os.makedirs(run_directory.spool + "/000001")
    run_directory.mark_recorded()
    removed: list[str] = []

    def unlink(path: str) -> None:
        removed.append(path)
        os.unlink(path)

    monkeypatch.setattr(rundir, "_unlink", unlink)
    run_directory.remove()
    assert removed[-1] == run_directory.journal
    assert all_run_directories() == []
    assert not (state / "runs/e").exists()


def test_a_user_without_a_home_has_a_state_directory_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs with any user id; never a directory that is called '~'."""
    monkeypatch.delenv("KWRAP_STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "relative/and/therefore/ignored")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.setenv("TMPDIR", "/scratch")
    assert state_directory() == f"/scratch/kwrap-{os.getuid()}"
    monkeypatch.delenv("TMPDIR")
    assert state_directory() == f"/tmp/kwrap-{os.getuid()}"
