"""What the tests of the commands share: a copy of the sample repository for each, and goldens."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sample_repository
from command_line import Command, Golden


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sample")
    sample_repository.make(directory)
    return directory


@pytest.fixture
def command(_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Commands in a project whose repository is a copy of the sample, with a state directory of its own."""
    directory = tmp_path / "project"
    directory.mkdir()
    shutil.copytree(_made / "repository", directory / "repository")
    for name in [name for name in os.environ if name.startswith("KWRAP_") and name != "KWRAP_UPDATE_GOLDENS"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("KWRAP_REPOSITORY", "repository")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(directory)
    time.tzset()
    yield Command(directory)
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def golden() -> Golden:
    return Golden()
