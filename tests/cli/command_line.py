"""Commands run in this process on a screen that is text, and what they print compared with goldens."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import sample_repository

from kwrap.cli.main import main
from kwrap.cli.screen import Screen
from kwrap.project import Project

GOLDEN = Path(__file__).parent / "golden"


class Done(NamedTuple):
    """What a command left."""

    status: int
    out: str
    err: str
    raw: bytes

    @property
    def data(self) -> Any:
        """The data of `--json`."""
        return json.loads(self.out)["data"]


class Command:
    """Runs commands in this process, on the clock of the sample repository."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.repository = directory / "repository"
        self.clock = sample_repository.FixedClock()

    def __call__(self, *words: str, columns: int | None = 100, colours: bool = False, terminal: bool = False) -> Done:
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", newline=""), io.StringIO()
        screen = Screen(out, err, columns=columns, colours=colours, terminal=terminal, clock=self.clock)
        status = main(list(words), screen)
        out.flush()
        raw: bytes = out.buffer.getvalue()  # type: ignore[attr-defined]
        return Done(status, raw.decode("utf-8", "replace"), err.getvalue(), raw)

    def project(self) -> Project:
        return Project(str(self.repository), clock=self.clock)


class Golden:
    """Compares with a file in `golden/`; with KWRAP_UPDATE_GOLDENS=1 writes it instead."""

    def __call__(self, name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("KWRAP_UPDATE_GOLDENS"):
            path.write_text(text)
        assert text == path.read_text(), f"{path.name} differs; KWRAP_UPDATE_GOLDENS=1 writes it anew, then look at it"
