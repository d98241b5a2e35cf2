"""`kwrap init` and `kwrap doctor`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from command_line import Command

from kwrap import config
from kwrap.options import OPTIONS
from kwrap.project.starting import example


@pytest.fixture
def empty(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KWRAP_REPOSITORY")
    place = tmp_path / "empty"
    place.mkdir()
    return place


def test_init_writes_a_kwrap_yaml_that_is_read_and_makes_the_repository(command: Command, empty: Path) -> None:
    done = command("init", "-D", str(empty))
    assert done.status == 0
    assert (empty / ".kwrap" / "repository.json").exists()
    assert config.read_config(str(empty))[1] == {"repository": ".kwrap"}
    assert command("ls", "-D", str(empty)).err.startswith("No experiments yet")


def test_init_never_writes_over_a_kwrap_yaml(command: Command, empty: Path) -> None:
    (empty / "kwrap.yaml").write_text("repository: elsewhere\n")
    done = command("init", "-D", str(empty))
    assert "kwrap.yaml was there and is as it was; made the repository" in done.out
    assert (empty / "kwrap.yaml").read_text() == "repository: elsewhere\n"
    assert (empty / "elsewhere" / "repository.json").exists()
    assert f"the repository {empty / 'elsewhere'} was there" in command("init", "-D", str(empty)).out


def test_init_names_the_repository_that_was_given(command: Command, empty: Path, tmp_path: Path) -> None:
    command("init", "-D", str(empty), "-R", str(tmp_path / "shared"))
    assert config.read_config(str(empty))[1] == {"repository": str(tmp_path / "shared")}


def test_init_refuses_a_directory_that_holds_something_else(command: Command, empty: Path) -> None:
    done = command("init", "-D", str(empty), "-R", "/etc")
    assert done.status == 1 and "/etc is no repository" in done.err
    assert not (empty / "kwrap.yaml").exists()


def test_init_says_what_to_add_to_gitignore(command: Command, empty: Path) -> None:
    subprocess.run(["git", "init", "-q", str(empty)], check=True)
    assert "add '/.kwrap/' to .gitignore" in command("init", "-D", str(empty)).err
    (empty / ".gitignore").write_text("/.kwrap/\n")
    assert ".gitignore" not in command("init", "-D", str(empty)).err


def test_every_key_is_in_the_example_and_every_example_is_a_valid_value(tmp_path: Path) -> None:
    text = example()
    uncommented = "\n".join(line.removeprefix("# ") for line in text.splitlines() if _is_setting(line))
    assert set(yaml.safe_load(uncommented)) == {option.key for option in OPTIONS if option.key}
    (tmp_path / "kwrap.yaml").write_text(uncommented)
    config.read_config(str(tmp_path))


def _is_setting(line: str) -> bool:
    text = line.removeprefix("# ")
    return text.startswith("  ") or any(text.startswith(f"{option.key}:") for option in OPTIONS if option.key)


def test_doctor_has_a_line_for_each_check(command: Command) -> None:
    done = command("doctor")
    names = [line.split("  ")[0] for line in done.out.splitlines() if line.startswith(("works", "partly", "fails"))]
    assert len(names) >= 10
    for name in ("zstandard", "git", "file events", "pseudo-terminal", "state directory", "repository", "terminal"):
        assert f"  {name} " in done.out


def test_doctor_says_why_a_repository_cannot_be_used_and_fails(command: Command) -> None:
    done = command("doctor", "-R", "/etc")
    assert done.status == 1
    assert "fails   repository" in done.out and "→ choose another place" in done.out
    assert command("doctor", "-R", "/etc", "--json").status == 1


def test_doctor_says_when_the_state_directory_cannot_be_written(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(tmp_path / "file" / "state"))
    done = command("doctor")
    assert done.status == 1
    assert "fails   state directory" in done.out and "KWRAP_STATE_DIRECTORY" in done.out


def test_doctor_leaves_nothing_behind(command: Command, tmp_path: Path) -> None:
    command("doctor")
    assert [path.name for path in (tmp_path / "state").iterdir()] == []
