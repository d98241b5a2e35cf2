"""Every bad input: one clear message with what to do, nothing started, nothing lost, no traceback."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support import PYTHON, Completed, Kwrap

RAN = [PYTHON, "-c", "print('ran')"]


def refused(done: Completed, *words: str) -> None:
    told = done.stderr.decode()
    assert done.returncode == 125, told
    assert done.stdout == b""
    assert "Traceback" not in told
    assert told.count("error: ") == 1
    for word in words:
        assert word in told


def test_an_unknown_key_in_kwrap_yaml_names_the_nearest(kwrap: Kwrap) -> None:
    (kwrap.project / "kwrap.yaml").write_text("repositry: runs\n")
    refused(kwrap.run(RAN), "unknown key 'repositry'", "did you mean 'repository'?")


def test_broken_yaml_is_told_with_line_and_column(kwrap: Kwrap) -> None:
    (kwrap.project / "kwrap.yaml").write_text("repository: runs\nmetrics: [a\nwatch: x\n")
    refused(kwrap.run(RAN), "kwrap.yaml, line 3, column")


def test_a_value_of_the_wrong_kind_is_told(kwrap: Kwrap) -> None:
    (kwrap.project / "kwrap.yaml").write_text("snapshot: perhaps\n")
    refused(kwrap.run(RAN), "'snapshot' is true or false, not 'perhaps'")


def test_a_bad_regular_expression_is_told(kwrap: Kwrap) -> None:
    refused(kwrap.run(RAN, "--metric", "loss=(?P<loss"), "loss=(?P<loss")


def test_a_goal_that_is_none_names_the_nearest(kwrap: Kwrap) -> None:
    refused(kwrap.run(RAN, "--goal", "minimise"), "did you mean 'minimize'?")


def test_a_directory_that_is_no_repository_is_refused_and_not_written_into(kwrap: Kwrap, tmp_path: Path) -> None:
    place = tmp_path / "photos"
    place.mkdir()
    (place / "cat.jpg").write_text("a cat")
    refused(kwrap.run(RAN, "-R", str(place)), "is no repository", "has no repository.json")
    assert [path.name for path in place.iterdir()] == ["cat.jpg"]


def test_a_repository_of_a_newer_format_is_refused(kwrap: Kwrap, tmp_path: Path) -> None:
    place = tmp_path / "newer"
    place.mkdir()
    (place / "repository.json").write_text(json.dumps({"version": 9, "min_reader": 9, "id": "x"}))
    refused(kwrap.run(RAN, "-R", str(place)), "format 9", "upgrade")


def test_a_read_only_repository_is_refused_and_offline_records_all_the_same(kwrap: Kwrap, tmp_path: Path) -> None:
    place = tmp_path / "mounted"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("a read-only file system cannot be mounted here (needs root)")
    try:
        refused(kwrap.run(RAN, "-R", str(place)), "read-only", "--offline")
        assert kwrap.run(RAN, "-R", str(place), "--offline").returncode == 0
        assert len(kwrap.run_directories()) == 1
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_file_in_the_repositorys_place_is_refused(kwrap: Kwrap, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(kwrap.run(RAN, "-R", str(tmp_path / "file")), "is a file")


def test_a_bucket_is_told_to_be_unknown_to_this_version(kwrap: Kwrap) -> None:
    refused(kwrap.run(RAN, "-R", "s3://bucket/runs"), "s3://")


def test_a_project_directory_that_is_not_there_is_refused(kwrap: Kwrap) -> None:
    refused(kwrap.run(RAN, "-D", "nowhere"), "no such directory: nowhere")


@pytest.mark.parametrize("variable", ["KWRAP_PTY", "KWRAP_GRACE"])
def test_a_variable_that_makes_no_sense_is_told_by_its_name(kwrap: Kwrap, variable: str) -> None:
    kwrap.environment[variable] = "perhaps"
    refused(kwrap.run(RAN), variable)


def test_settings_follow_their_precedence(kwrap: Kwrap) -> None:
    """Option over variable over kwrap.yaml over default."""
    (kwrap.project / "kwrap.yaml").write_text("repository: from-yaml\nprimary: yaml\n")
    kwrap.run(RAN, check=True)
    assert (kwrap.project / "from-yaml/repository.json").exists()
    kwrap.environment["KWRAP_REPOSITORY"] = "from-variable"
    kwrap.run(RAN, check=True)
    assert (kwrap.project / "from-variable/repository.json").exists()
    kwrap.run(RAN, "-R", "from-option", check=True)
    assert (kwrap.project / "from-option/repository.json").exists()


def test_a_dry_run_starts_nothing_and_writes_nothing(kwrap: Kwrap) -> None:
    (kwrap.project / "train.py").write_text("print('ran')")
    (kwrap.project / ".env").write_text("TOKEN=1")
    done = kwrap("run", "--dry-run", "--json", "--", PYTHON, "train.py", "--lr", "0.1", "--steps=5")
    data = json.loads(done.stdout)["data"]
    assert {name: param["value"] for name, param in data["params"].items()} == {"lr": 0.1, "steps": 5}
    assert [file["path"] for file in data["files"]] == ["train.py"]
    assert [(one["path"], one["reason"]) for one in data["left_out"]] == [(".env", "secret")]
    assert sorted(path.name for path in kwrap.project.iterdir()) == [".env", "train.py"]
    assert not kwrap.run_directories()
    assert b"would keep 1 file" in kwrap("run", "--dry-run", "--", PYTHON, "train.py").stdout.lower()
