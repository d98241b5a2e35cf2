"""Fixtures for tests that record one run again and again."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from asked_once import ask_once
from recorded_run import RecordedRun

# Of a process that is killed the system keeps all: hundreds of recordings need not wait for a disk.
_MEMORY = "/dev/shm"


@pytest.fixture(scope="session")
def quick_directory() -> Iterator[Path]:
    """Where to sync costs nothing, if there is such a place."""
    made = Path(tempfile.mkdtemp(prefix="kwrap-faults-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def quick_path(quick_directory: Path) -> Iterator[Path]:
    """A directory there for one test."""
    made = Path(tempfile.mkdtemp(dir=quick_directory))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def recorded_run(quick_directory: Path) -> RecordedRun:
    return RecordedRun(quick_directory / "run")


@pytest.fixture
def asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ask_once(monkeypatch.setattr)
