"""Where things lie in a repository of format 1, Keepsake's. Names are spelled here and nowhere else."""

from __future__ import annotations

FORMAT = 1
EXPERIMENTS = "metadata/experiments/"
HEARTBEATS = "metadata/heartbeats/"
CODE = "experiments/"
CHECKPOINTS = "checkpoints/"
_TARBALL = ".tar.gz"


def experiment(experiment_id: str) -> str:
    return f"{EXPERIMENTS}{experiment_id}.json"


def heartbeat(experiment_id: str) -> str:
    return f"{HEARTBEATS}{experiment_id}.json"


def code(experiment_id: str) -> str:
    """The tarball of `init(path=…)`."""
    return f"{CODE}{experiment_id}{_TARBALL}"


def checkpoint(checkpoint_id: str) -> str:
    """The tarball of `checkpoint(path=…)`."""
    return f"{CHECKPOINTS}{checkpoint_id}{_TARBALL}"


def id_of(name: str, folder: str) -> str | None:
    """Which experiment a metadata file is of; None for what is none."""
    stem = name[len(folder) :]
    return stem[: -len(".json")] if stem.endswith(".json") and "/" not in stem else None
