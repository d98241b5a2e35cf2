"""Fixtures for every test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import gcs, s3, seaweed

from support import Kwrap

__all__ = ["gcs", "s3", "seaweed"]


@pytest.fixture
def kwrap(tmp_path: Path) -> Iterator[Kwrap]:
    """kwrap with a home, a state directory and a project of its own."""
    made = Kwrap(tmp_path)
    yield made
    made.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes of its own; skips where mounting is not allowed."""
    place = tmp_path / "small-disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small tmpfs cannot be mounted here (needs root)")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)
