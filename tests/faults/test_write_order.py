"""What a power cut could take: never something that a record names. Told from the order of the system calls."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from recorded_run import RecordedRun, everything
from system_calls import PowerCut

from kwrap.recorder.session import record
from kwrap.repository import layout
from kwrap.repository.repository import Repository
from kwrap.rundir import RECORDED
from kwrap.storage.disk import DiskStorage


@pytest.mark.usefixtures("asked_once")
def test_what_a_record_names_is_durable_before_the_record_is_there(
    recorded_run: RecordedRun, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(quick_path / "repository")
    named: list[str] = []
    checked: list[str] = []

    def check(cut: PowerCut, path: str) -> list[str]:
        """On the thread that is about to name it."""
        name = os.path.relpath(path, root)
        needed = needs(repository, name, record_of.get(name, {}))
        named.append(name)
        checked.extend(needed)
        missing = [one for one in needed if not cut.is_durable(os.path.join(root, one))]
        return [f"{name} is there before {one} is durable" for one in missing]

    # What each record says is known from a recording that went before: it is not read while calls are watched.
    monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(quick_path / "before"))
    directory = recorded_run.copy(quick_path / "before", str(quick_path / "first"))
    assert record(directory, None) == RECORDED
    first = quick_path / "first"
    record_of = {str(path.relative_to(first)): json.loads(path.read_bytes()) for path in first.rglob("*/*.json")}
    assert everything(DiskStorage(str(first)))
    repository = Repository(DiskStorage(str(first)), "")

    monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(quick_path / "state"))
    directory = recorded_run.copy(quick_path / "state", root)
    cut = PowerCut(root, check)
    with cut:
        assert record(directory, None) == RECORDED
    assert not cut.wrong
    for name in named:
        assert cut.is_durable(os.path.join(root, name)) or name.startswith(layout.HEARTBEATS), name
    for prefix in (layout.TREES, layout.BLOBS, layout.PACKS, layout.RUNS):
        assert any(name.startswith(prefix) for name in checked), prefix


def needs(repository: Repository, name: str, recorded: dict[str, object]) -> list[str]:
    """The objects that must be there before that of this name is."""
    if name.startswith(layout.CHECKPOINTS):
        return content(repository, str(recorded["tree"]))
    if name.startswith(layout.EXPERIMENTS):
        source = recorded["source"]
        assert isinstance(source, dict)
        run = layout.run(str(recorded["id"]), "r0-a1")
        return [run, *content(repository, source["tree"])]
    if name.startswith(layout.TREES):
        sha256 = name.rpartition("/")[2].partition(".")[0]
        return content(repository, sha256)[1:]
    if name.startswith(layout.OUTCOMES):
        _, _, experiment_id, _ = name.split("/")
        return [
            stored.name
            for stored in repository.storage.list("")
            if f"/{experiment_id}/" in stored.name and stored.name != name and not stored.name.startswith("log")
        ]
    return []


def content(repository: Repository, tree: str) -> list[str]:
    """A tree and what it names."""
    entries = repository.content.tree(tree)
    hashes = {piece for entry in entries for piece, _ in entry.pieces}
    blobs = [layout.blob(one, compressed=packed) for one in hashes for packed in (False, True)]
    packs = {layout.pack(entry.pack) for entry in entries if entry.pack is not None}
    there = [name for name in blobs if repository.storage.size(name) is not None]
    assert len(there) == len(hashes)
    return [layout.tree(tree), *there, *packs]
