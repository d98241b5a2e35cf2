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
LOG = "log/"
INDEX = "log/index/"  # sorts behind the hours, so that one listing of the log gives both
SERIES = "series/"
OUTPUT = "output/"
TREES = "trees/"
BLOBS = "blobs/"
PACKS = "packs/"
GC = "gc/"
LOCK = "LOCK-"


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


def event(event_id: str, experiment_id: str) -> str:
    """An event of the log. Its id begins with the UTC hour that is its folder's name."""
    return f"{LOG}{event_id[:11]}/{event_id}-{experiment_id}.json"


def event_experiment(name: str) -> str:
    """The experiment that an event is of, from its name; empty when that says none."""
    parts = name.rpartition("/")[2].removesuffix(".json").split("-", 4)
    return parts[4] if len(parts) == 5 else ""


def event_id(name: str) -> str:
    """The id in the name of an event or of a segment of the log."""
    return "-".join(name.rpartition("/")[2].partition(".")[0].split("-", 4)[:4])


def of_experiment(name: str) -> str:
    """The experiment that a record is of, from its name."""
    return name.split("/")[2].removesuffix(".json")


def log_segment(segment_id: str) -> str:
    """Many events in one object."""
    return f"{INDEX}{segment_id}.ndjson.zst"


def metrics_segments(experiment_id: str, run_id: str | None = None) -> str:
    """The prefix of a run's metric series, or of those of all runs."""
    return f"{SERIES}{experiment_id}/" + (f"{run_id}/metrics-" if run_id is not None else "")


def metrics_segment(experiment_id: str, run_id: str, first_point: int) -> str:
    """A closed piece of a run's metric series, named by the number of the first point in it."""
    return f"{metrics_segments(experiment_id, run_id)}{first_point:012d}.ndjson.zst"


def run_series(experiment_id: str, run_id: str) -> str:
    """The prefix of all series of a run."""
    return f"{metrics_segments(experiment_id)}{run_id}/"


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


def condemned(list_id: str) -> str:
    """A list of content that a collector is about to delete."""
    return f"{GC}{list_id}.json"


def sweep(list_id: str) -> str:
    """What says that a condemned list is about to be acted on: nobody stores again what it names."""
    return f"{GC}{list_id}.sweep"


def done(list_id: str) -> str:
    """What says that a condemned list was acted on."""
    return f"{GC}{list_id}.done"


def collector_lock(lock_id: str) -> str:
    return f"{GC}{LOCK}{lock_id}"


def content_hash(name: str) -> str | None:
    """The hash that a tree, a pack or a blob is named by; None for a name of anything else."""
    folder, _, rest = name.partition("/")
    stem = rest.rpartition("/")[2].partition(".")[0]
    if len(stem) != 64 or stem.strip("0123456789abcdef"):
        return None
    if folder == "blobs" and name in (blob(stem, compressed=False), blob(stem, compressed=True)):
        return stem
    if (folder == "trees" and name == tree(stem)) or (folder == "packs" and name == pack(stem)):
        return stem
    return None
