"""A real run, recorded on this machine only, that can be brought into a repository again and again.

And what a reader gets from a repository: everything, verified, without what differs from one recording to the next.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kwrap.encoding import to_json
from kwrap.records import State
from kwrap.repository import compression, layout
from kwrap.repository.events import LEFT_OUT
from kwrap.repository.repository import Repository
from kwrap.repository.transfer import told
from kwrap.repository.trees import TreeEntry
from kwrap.rundir import RunDirectory, read_journal
from kwrap.storage.base import Storage
from support import PYTHON, Kwrap

# Counted and timed by how the recording went, and not by what was run.
_OF_THE_RECORDING = ("warnings",)
# The first checkpoint is large enough to be cut into pieces.
TRAINING = """
import os, time
for step, size in (1, 4_500_000), (2, 20_000):
    time.sleep(0.3)
    print(f"step {step} loss: {1 / step}", flush=True)
    with open(f"step-{step}.npz.tmp", "wb") as file:
        file.write(os.urandom(size))
    os.rename(f"step-{step}.npz.tmp", f"step-{step}.npz")
"""


class RecordedRun:
    """A run with code (files of a pack, and a file in pieces), output, metrics and two checkpoints."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        kwrap = Kwrap(directory)
        (kwrap.project / "package").mkdir()
        (kwrap.project / "package/model.py").write_text("layers = 3\n")
        (kwrap.project / "train.py").write_text("import package.model\n")
        (kwrap.project / "table.bin").write_bytes(os.urandom(1_500_000))
        kwrap.run([PYTHON, "-c", TRAINING], "--offline", check=True)
        (self._original,) = kwrap.run_directories()
        self._state = kwrap.state
        self.experiment = self._original.parent.name

    def copy(self, state: Path, repository: str) -> RunDirectory:
        """The run directory as it was left, below another state directory, to be recorded in this repository."""
        state.mkdir()
        (state / "store").symlink_to(self._state / "store")
        place = state / "runs" / self.experiment / self._original.name
        shutil.copytree(self._original, place, ignore=shutil.ignore_patterns("spool"))
        # Nobody writes into what is pinned: its bytes need not be copied.
        shutil.copytree(self._original / "spool", place / "spool", copy_function=os.link)
        with (place / "journal.jsonl").open("w") as journal:
            for event in read_journal(str(self._original / "journal.jsonl")):
                if event["event"] == "created":
                    event.update(repository=repository, offline=False)
                journal.write(json.dumps(event) + "\n")
        return RunDirectory(str(place))


def everything(storage: Storage) -> dict[str, Any]:
    """All that a reader gets, each byte verified. Fails when something that is there is torn."""
    repository = Repository(storage, "")
    states, problems = repository.states()
    assert not problems, problems
    return {state.experiment.id: _of(repository, state) for state in states}


def _of(repository: Repository, state: State) -> dict[str, Any]:
    records = to_json(state)
    for outcome in records["outcomes"]:
        for name in _OF_THE_RECORDING:
            outcome.pop(name, None)
    source = state.experiment.source
    trees = [checkpoint.tree for checkpoint in state.checkpoints] + ([source.tree] if source else [])
    return {
        "records": records,
        "output": {run.run: _output(repository, state.experiment.id, run.run) for run in state.runs},
        "points": list(repository.metric_points(state.experiment.id)),
        "files": {tree: sorted(_files(repository, tree)) for tree in trees if tree},
    }


def _output(repository: Repository, experiment_id: str, run_id: str) -> bytes:
    data = b""
    for chunk in repository.output(experiment_id, run_id):
        assert chunk.offset == len(data)
        data += chunk.data
    return data


def _files(repository: Repository, tree: str) -> Iterator[TreeEntry]:
    entries = repository.content.tree(tree)
    yield from (entry for entry in entries if entry.target is not None or entry.directory)
    for entry, stream in repository.content.entries_in_pack_order(entries):
        while stream.read(1 << 20):  # verified as it is read
            pass
        yield entry


def check_told(storage: Storage) -> None:
    """The log tells of everything, so that lists that follow it show what the records say."""
    repository = Repository(storage, "")
    listing = told(repository)
    for state in repository.states()[0]:
        brief = listing.brief_state(state.experiment.id)
        assert brief is not None
        assert _without_long(brief) == _without_long(state)


def _without_long(state: State) -> State:
    return replace(state, experiment=replace(state.experiment, **dict.fromkeys(LEFT_OUT)))


def check_objects(storage: Storage) -> None:
    """Whatever has a name is whole, whether anything refers to it or not: JSON can be parsed, content has its hash."""
    for stored in storage.list(""):
        data = storage.read(stored.name)
        assert len(data) == stored.size_bytes
        if stored.name.endswith(".zst"):
            data = compression.decompress(data, stored.name)
        if stored.name.endswith(".json"):
            json.loads(data)
        if stored.name.startswith((layout.TREES, layout.BLOBS, layout.PACKS)):
            assert hashlib.sha256(data).hexdigest() in stored.name
