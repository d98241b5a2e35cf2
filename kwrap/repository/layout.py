"""Where things lie in a repository of format 2. Names are spelled here and nowhere else."""

from __future__ import annotations

FORMAT = 2
REPOSITORY = "repository.json"
EXPERIMENTS = "metadata/experiments/"
RUNS = "metadata/runs/"
OUTCOMES = "metadata/outcomes/"
CHECKPOINTS = "metadata/checkpoints/"
HEARTBEATS = "metadata/heartbeats/"
NOTES = "metadata/notes/"
SERIES = "series/"
OUTPUT = "output/"
TREES = "trees/"
BLOBS = "blobs/"
PACKS = "packs/"


def experiment(experiment_id: str) -> str:
    return f"{EXPERIMENTS}{experiment_id}.json"


def run(experiment_id: str, run_id: str) -> str:
    return f"{RUNS}{experiment_id}/{run_id}.json"


def outcome(experiment_id: str, run_id: str) -> str:
    return f"{OUTCOMES}{experiment_id}/{run_id}.json"


def checkpoints(experiment_id: str) -> str:
    """The prefix of an experiment's checkpoints."""
    return f"{CHECKPOINTS}{experiment_id}/"


def checkpoint(experiment_id: str, sequence: int) -> str:
    return f"{checkpoints(experiment_id)}{sequence:06d}.json"


def heartbeat(experiment_id: str, run_id: str) -> str:
    return f"{HEARTBEATS}{experiment_id}/{run_id}.json"


def note(experiment_id: str, note_id: str) -> str:
    return f"{NOTES}{experiment_id}/{note_id}.json"


def metrics_segments(experiment_id: str, run_id: str | None = None) -> str:
    """The prefix of a run's metric series, or of those of all runs."""
    return f"{SERIES}{experiment_id}/" + (f"{run_id}/metrics-" if run_id is not None else "")


def metrics_segment(experiment_id: str, run_id: str, first_point: int) -> str:
    """A closed piece of a run's metric series, named by the number of the first point in it."""
    return f"{metrics_segments(experiment_id, run_id)}{first_point:012d}.ndjson.zst"


def output_segments(experiment_id: str, run_id: str) -> str:
    """The prefix of a run's output."""
    return f"{OUTPUT}{experiment_id}/{run_id}/"


def output_segment(experiment_id: str, run_id: str, start: int) -> str:
    """A closed piece of a run's output, named by the byte it begins at."""
    return f"{output_segments(experiment_id, run_id)}{start:016d}.zst"


def segment_number(name: str) -> int:
    """What a segment begins at, from its name."""
    return int(name.rpartition("/")[2].partition(".")[0].rpartition("-")[2])


def tree(sha256: str) -> str:
    return f"{TREES}{sha256[:2]}/{sha256}.json.zst"


def blob(sha256: str, *, compressed: bool) -> str:
    return f"{BLOBS}{sha256[:2]}/{sha256}" + (".zst" if compressed else "")


def pack(sha256: str) -> str:
    return f"{PACKS}{sha256}.tar.zst"
