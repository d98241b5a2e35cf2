"""`kwrap checkout`: what it says before, what it does, and that it can be undone."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from command_line import Command

from kwrap.project import kept_checkouts


def _files(directory: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    return dict(sorted(found.items()))


def test_code_and_best_checkpoint_come_back_with_modes(command: Command) -> None:
    done = command("checkout", "adam", "-o", "again")
    again = command.directory / "again"
    assert done.status == 0
    assert list(_files(again)) == ["model.py", "run.sh", "train.py", "weights/model.npz"]
    assert (again / "weights/model.npz").read_bytes().startswith(b"weights 20261121-190000-m2vtb8rd 2 ")
    assert os.stat(again / "run.sh").st_mode & 0o777 == 0o755
    assert "It was run with: python train.py --lr=0.01" in done.out


def test_a_checkpoint_that_was_asked_for_comes_back(command: Command) -> None:
    command("checkout", "adam@1", "-o", "again")
    assert b"m2vtb8rd 1 " in (command.directory / "again/weights/model.npz").read_bytes()[:40]


def test_a_dry_run_writes_nothing(command: Command) -> None:
    done = command("checkout", "adam", "-o", "again", "--dry-run")
    assert "4 files to create" in done.out and "create     run.sh" in done.out
    assert not (command.directory / "again").exists()


def test_paths_choose_files_directories_and_globs(command: Command) -> None:
    command("checkout", "adam", "-o", "one", "--path", "train.py")
    command("checkout", "adam", "-o", "two", "--path", "weights")
    command("checkout", "adam", "-o", "three", "--path", "*.py", "--path", "run.sh")
    assert list(_files(command.directory / "one")) == ["train.py"]
    assert list(_files(command.directory / "two")) == ["weights/model.npz"]
    assert list(_files(command.directory / "three")) == ["model.py", "run.sh", "train.py"]


def test_without_a_terminal_nothing_is_overwritten_unless_forced(command: Command) -> None:
    again = command.directory / "again"
    again.mkdir()
    (again / "train.py").write_text("mine\n")
    refused = command("checkout", "adam", "-o", "again")
    assert refused.status == 1
    assert "overwrite  train.py" in refused.out
    assert "holds files that would be changed: train.py" in refused.err and "--force" in refused.err
    assert _files(again) == {"train.py": b"mine\n"}


def test_undo_brings_back_what_was_overwritten_and_removes_what_was_created(command: Command) -> None:
    again = command.directory / "again"
    again.mkdir()
    (again / "train.py").write_text("mine\n")
    (again / "train.py").chmod(0o640)
    done = command("checkout", "adam", "-o", "again", "--force")
    assert "this brings it back: kwrap checkout --undo -o again\n" in done.out
    assert len(_files(again)) == 4
    undone = command("checkout", "--undo", "-o", "again")
    assert undone.out.startswith("again is as it was before m2vtb8rd@2 was checked out")
    assert _files(again) == {"train.py": b"mine\n"}
    assert os.stat(again / "train.py").st_mode & 0o777 == 0o640
    assert [path for path in again.rglob("*") if path.name != "train.py"] == []


def test_checkouts_are_undone_one_after_the_other(command: Command) -> None:
    again = command.directory / "again"
    command("checkout", "baseline", "-o", "again")
    first = _files(again)
    command("checkout", "adam", "-o", "again", "--force")
    command("checkout", "--undo", "-o", "again")
    assert _files(again) == first
    command("checkout", "--undo", "-o", "again")
    assert not again.exists()
    assert command("checkout", "--undo", "-o", "again").status == 1


def test_the_project_itself_is_where_it_goes_by_default(command: Command) -> None:
    (command.directory / "train.py").write_text("mine\n")
    assert command("checkout", "baseline", "--force").status == 0
    assert "hidden=64" in (command.directory / "train.py").read_text()
    assert command("checkout", "--undo").status == 0
    assert (command.directory / "train.py").read_text() == "mine\n"


def test_checking_out_what_is_there_already_changes_nothing_and_needs_no_force(command: Command) -> None:
    command("checkout", "baseline", "-o", "again")
    done = command("checkout", "baseline", "-o", "again")
    assert done.status == 0 and "4 unchanged" in done.out


def test_json_says_where_the_backup_is(command: Command) -> None:
    data = command("checkout", "baseline", "-o", "again", "--json").data
    assert data["checked_out"] == "k3f9qx7a@2"
    assert Path(data["backup"]).is_dir()
    assert {change["action"] for change in data["changes"]} == {"create"}
    undone = command("checkout", "--undo", "-o", "again", "--json").data
    assert undone["undone"] == "k3f9qx7a@2"


def test_undo_tells_what_was_edited_since(command: Command) -> None:
    again = command.directory / "again"
    command("checkout", "adam", "-o", "again")
    (again / "train.py").write_text("edited\n")
    done = command("checkout", "--undo", "-o", "again")
    assert "What was edited since is kept beside: train.py.edited" in done.out
    assert _files(again) == {"train.py.edited": b"edited\n"}


def test_undo_where_nothing_was_checked_out_names_where_something_was(command: Command) -> None:
    command("checkout", "adam", "-o", "again")
    assert f"there are checkouts into {command.directory / 'again'}" in command("checkout", "--undo").err


def test_what_takes_it_back_can_be_typed_as_it_is_printed(command: Command) -> None:
    (command.directory / "with blanks").mkdir()
    (command.directory / "with blanks/train.py").write_text("mine\n")
    done = command("checkout", "adam", "-o", "with blanks", "--force")
    (line,) = [line for line in done.out.splitlines() if "this brings it back" in line]
    assert command(*shlex.split(line.partition(": ")[2])[1:]).status == 0
    assert _files(command.directory / "with blanks") == {"train.py": b"mine\n"}


def test_a_checkout_that_fails_half_way_says_how_to_take_it_back(command: Command) -> None:
    for blob in (command.repository / "blobs").rglob("*.zst"):
        blob.write_bytes(b"nonsense")
    done = command("checkout", "adam", "-o", "again")
    assert done.status == 1
    assert f"can be undone: kwrap checkout --undo -o {command.directory / 'again'}" in done.err
    assert command("checkout", "--undo", "-o", "again").status == 0
    assert not (command.directory / "again").exists()


def test_two_checkouts_into_one_directory_do_not_mix(command: Command) -> None:
    project = command.project()
    target = str(command.directory / "again")
    with kept_checkouts.keep("the other", target, project.clock):
        done = command("checkout", "adam", "-o", "again")
        assert done.status == 1 and f"another checkout into {target} is under way" in done.err
        assert "is under way" in command("checkout", "--undo", "-o", "again").err
        assert command("checkout", "adam", "-o", "elsewhere").status == 0
    assert command("checkout", "adam", "-o", "again").status == 0


def test_where_nothing_can_be_kept_nothing_is_changed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KWRAP_STATE_DIRECTORY", "/proc/no")
    done = command("checkout", "adam", "-o", "again")
    assert done.status == 1
    assert "nothing was changed, because what is there cannot be kept: /proc/no" in done.err
    assert not (command.directory / "again").exists()
