"""What tests of the whole tool share: a kwrap of their own (home, state, project), and waiting for a condition."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kwrap.records import State
from kwrap.repository.repository import Repository

CHILDREN = Path(__file__).parent / "children"
PYTHON = sys.executable
Completed = subprocess.CompletedProcess[bytes]


def child(name: str, *arguments: object) -> list[str]:
    """The command of a script in tests/children."""
    return [PYTHON, str(CHILDREN / name), *map(str, arguments)]


def wait_until(condition: Callable[[], Any], *, limit_s: float = 30.0, what: str = "the condition") -> Any:
    """What the condition gives once that is true; fails when it is not within the limit."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {limit_s:g} s")


class Kwrap:
    """kwrap with a home, a state directory and a project of its own below one directory."""

    def __init__(self, directory: Path) -> None:
        self.project = directory / "project"
        self.state = directory / "state"
        self.project.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KWRAP_", "GIT_", "XDG_"))}
        kept.pop("PYTHONUNBUFFERED", None)
        self.environment = {
            **kept,
            "HOME": str(directory / "home"),
            "KWRAP_STATE_DIRECTORY": str(self.state),
            "COLUMNS": "100",
            "TERM": "xterm",
        }
        (directory / "home").mkdir()
        self._started: list[subprocess.Popen[bytes]] = []

    def arguments(self, *words: str) -> list[str]:
        return [PYTHON, "-m", "kwrap", *words]

    def __call__(self, *words: str, check: bool = False, limit_s: float = 120, **options: Any) -> Completed:
        """Run a kwrap command to its end."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        done = subprocess.run(
            self.arguments(*words), cwd=self.project, env=self.environment, timeout=limit_s, check=False, **options
        )
        if check:
            assert done.returncode == 0, (done.stdout, done.stderr)
        return done

    def run(self, command: Sequence[str], *options: str, **more: Any) -> Completed:
        """`kwrap run options -- command`."""
        return self("run", *options, "--", *command, **more)

    def start(self, command: Sequence[str], *options: str, **more: Any) -> subprocess.Popen[bytes]:
        """The same, in the background, in a process group of its own."""
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen(
            self.arguments("run", *options, "--", *command),
            cwd=self.project,
            env=self.environment,
            start_new_session=True,
            **more,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what a test left behind."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def json(self, *words: str) -> Any:
        """The data of a command's `--json`."""
        done = self(*words, "--json", check=True)
        return json.loads(done.stdout)["data"]

    @property
    def repository(self) -> Repository:
        return Repository.open(str(self.project / ".kwrap"))

    def states(self) -> list[State]:
        found, problems = self.repository.states()
        assert not problems, problems
        return found

    def state_of_only(self) -> State:
        """The one experiment there is."""
        (found,) = self.states()
        return found

    def output(self, state: State, stream: int | None = None) -> bytes:
        """What the run printed, on one stream or on both, as the repository has it."""
        chunks = self.repository.output(state.experiment.id, state.runs[0].run)
        return b"".join(chunk.data for chunk in chunks if stream in (None, chunk.stream))

    def run_directories(self) -> list[Path]:
        return sorted(self.state.glob("runs/*/*"))

    def journal(self) -> dict[str, dict[str, Any]]:
        """The journal of the one run directory there is, by event; what is not whole yet is left out."""
        events = {}
        for directory in self.run_directories():
            for line in _lines(directory / "journal.jsonl"):
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                events[entry["event"]] = entry
        return events


def _lines(path: Path) -> list[str]:
    """None while the file is not there yet, or no longer."""
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []
