"""The real Keepsake 0.4.2, from its own environment, which `make test` makes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

BIN = Path(__file__).resolve().parents[2] / ".venv-keepsake" / "bin"
needs_keepsake = pytest.mark.skipif(
    not (BIN / "keepsake").exists(), reason="Keepsake 0.4.2 is not here: 'make test' installs it where that is possible"
)


class Client:
    """Keepsake's command and its library, on one repository, with a home of their own."""

    def __init__(self, repository: Path, home: Path) -> None:
        self.url = f"file://{repository}"
        home.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KEEPSAKE"))}
        self._home = home
        self._environment = {**kept, "HOME": str(home), "KEEPSAKE_NO_ANALYTICS": "1", "TZ": "UTC"}

    def __call__(self, command: str, *words: str, fails: bool = False) -> str:
        """What a command prints. One that fails, or warns of anything, fails the test."""
        done = self._run([str(BIN / "keepsake"), command, "-R", self.url, *words])
        assert (done.returncode != 0) == fails, (done.returncode, done.stdout, done.stderr)
        told = done.stderr.lower()
        assert fails or not any(word in told for word in ("warn", "error", "fail", "panic", "different types")), told
        return done.stdout

    def json(self, command: str, *words: str) -> Any:
        return json.loads(self(command, *words, "--json"))

    def python(self, script: str) -> Any:
        """What a script sets `result` to; `project` is there."""
        head = f"import json, keepsake\nproject = keepsake.Project(repository={self.url!r})"
        text = f"{head}\n{script}\nprint(json.dumps(result))"
        done = self._run([str(BIN / "python"), "-W", "ignore", "-c", text])
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def _run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, capture_output=True, text=True, check=False, cwd=self._home, env=self._environment, timeout=120
        )
