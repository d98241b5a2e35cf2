"""The repository that Keepsake 0.4.2 wrote, what it said of it, and repositories of its format that tests make."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kwrap.cli.main import main
from kwrap.cli.screen import Screen
from kwrap.clock import SYSTEM, Clock

FIXTURE = Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "keepsake-repo"
REPOSITORY = FIXTURE / "repository"
EXPECTED = FIXTURE / "expected"
needs_fixture = pytest.mark.skipif(not FIXTURE.is_dir(), reason="the Keepsake fixture (../shared) is not here")

FIRST = "8720dddd579efc488f6c3c13f7238793b00b87d409f3b22617041ab2db1cc044"
SECOND = "7871790db9959ec322817d782ae613b7d5c94eea2670cb7774dfe628ef3227f1"
THIRD = "9dbca3c6e740a3c5504e3906ff1846963e8a5a76cc557b942561d24dd655a0ce"


class Done(NamedTuple):
    """What a command left."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)["data"]

    @property
    def errors(self) -> list[str]:
        return [one["message"] for one in json.loads(self.out)["errors"]]


def kwrap(*words: str, columns: int | None = None, clock: Clock = SYSTEM) -> Done:
    """Run a command in this process."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", newline=""), io.StringIO()
    screen = Screen(out, err, columns=columns, colours=False, terminal=False, clock=clock)
    status = main(list(words), screen)
    out.flush()
    return Done(status, out.buffer.getvalue().decode("utf-8"), err.getvalue())  # type: ignore[attr-defined]


def expected(name: str) -> Any:
    return json.loads((EXPECTED / f"{name}.json").read_text(encoding="utf-8"))


def copied(directory: Path) -> Path:
    """A copy of the fixture that a test may change."""
    return Path(shutil.copytree(REPOSITORY, directory / "repository"))


def stored(value: Any) -> Any:
    """A value of kwrap's JSON as Keepsake writes it: what is not finite is called otherwise."""
    names = {"NaN": "[NaN]", "Infinity": "[+Infinity]", "-Infinity": "[-Infinity]"}
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, list):
        return [stored(one) for one in value]
    return {name: stored(one) for name, one in value.items()} if isinstance(value, dict) else value


def manifest(directory: Path) -> list[dict[str, Any]]:
    """What lies in a directory, as `expected/checkout-….json` lists it, by path."""
    found = []
    for path in directory.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found.append(
                {
                    "mode": oct(path.stat().st_mode & 0o7777),
                    "path": path.relative_to(directory).as_posix(),
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "size": len(data),
                    "type": "file",
                }
            )
    return by_path(found)


def by_path(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda one: str(one["path"]))


class Keepsake:
    """A repository of format 1 in the making, byte for byte as Keepsake lays it out."""

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self.url = str(directory)
        (directory / "metadata" / "experiments").mkdir(parents=True)
        (directory / "repository.json").write_text('{"version":1}')

    def experiment(
        self, number: int, *checkpoints: Mapping[str, Any], files: Mapping[str, bytes] | None = None, **fields: Any
    ) -> str:
        """Write one, with the tarballs of all that have `files`; its id, of 64 equal digits."""
        experiment_id = f"{number:x}" * 64
        listed = [self._checkpoint(experiment_id, at, dict(one)) for at, one in enumerate(checkpoints)]
        if files is not None:
            self.tarball(f"experiments/{experiment_id}", files)
        record = {
            "id": experiment_id,
            "created": f"2021-03-11T10:{number:02d}:00.5Z",
            "params": {},
            "host": "",
            "user": "ada",
            "config": {"repository": "file:///srv", "storage": ""},
            "command": "train.py",
            "path": "" if files is None else ".",
            "python_version": "3.8.5",
            "python_packages": {},
            "checkpoints": listed,
            "keepsake_version": "0.4.2",
            **fields,
        }
        path = self.path / "metadata" / "experiments" / f"{experiment_id}.json"
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
        return experiment_id

    def _checkpoint(self, experiment_id: str, at: int, fields: dict[str, Any]) -> dict[str, Any]:
        checkpoint_id = hashlib.sha256(f"{experiment_id}{at}".encode()).hexdigest()
        files = fields.pop("files", None)
        if files is not None:
            self.tarball(f"checkpoints/{checkpoint_id}", files)
        return {
            "id": checkpoint_id,
            "created": f"2021-03-11T11:00:{at:02d}Z",
            "metrics": None,
            "step": at,
            "path": "" if files is None else ".",
            "primary_metric": None,
            **fields,
        }

    def tarball(self, name: str, files: Mapping[str, bytes]) -> Path:
        top = name.partition("/")[2]
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path, data in files.items():
                member = tarfile.TarInfo(f"{top}/{path}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        return self.packed(name, made.getvalue())

    def packed(self, name: str, plain: bytes) -> Path:
        """A tarball of any bytes."""
        path = self.path / f"{name}.tar.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(plain, 1))
        return path
