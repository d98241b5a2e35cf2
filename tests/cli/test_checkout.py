"""`kwrap checkout`: what it says before, what it does, and that it can be undone."""

from __future__ import annotations

import os
from pathlib import Path

from command_line import Command


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
    assert "'kwrap checkout --undo -o again' brings it back" in done.out
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
