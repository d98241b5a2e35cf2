"""`kwrap verify` finds every wrong, missing and surplus byte of a repository that real runs have made."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kwrap.errors import KwrapError
from kwrap.project import Project
from kwrap.records import Experiment
from kwrap.repository.repository import Repository
from kwrap.repository.verify.problems import Kind, Verified
from support import Kwrap

TRAIN = """
import os, random, sys, time
rng = random.Random(int(sys.argv[1]))
for step in range(3):
    print(f"step={step} loss={1 / (step + 1)}", flush=True)
    print("a line on stderr", file=sys.stderr)
    with open("model.pt.new", "wb") as file:
        file.write(rng.randbytes(100_000) if step % 2 else rng.randbytes(1_000) * 100)
    os.rename("model.pt.new", f"model-{step}.pt")
    time.sleep(0.3)
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kwrap]:
    """A project with two runs, a tag and a note; read only."""
    made = Kwrap(tmp_path_factory.mktemp("recorded"))
    (made.project / "train.py").write_text(TRAIN)
    (made.project / "data").mkdir()
    (made.project / "data" / "names.txt").write_text("Ada\n" * 100)
    for number in (1, 2):
        made.run(["python3", "train.py", str(number)], "--name", f"run-{number}", check=True)
    made("tag", "run-1", "best", check=True)
    made("note", "run-2", "with another seed", check=True)
    yield made
    made.close()


@pytest.fixture
def copied(recorded: Kwrap, tmp_path: Path) -> Path:
    """A copy of its repository to break, old enough that nothing in it is taken for being written now."""
    place = tmp_path / "copied"
    shutil.copytree(recorded.project / ".kwrap", place)
    _grow_old(place)
    return place


def _grow_old(place: Path) -> None:
    old_s = time.time() - 3 * 24 * 3600
    for path in place.rglob("*"):
        if path.is_file():
            os.utime(path, (old_s, old_s))


def verify(place: Path, *names: str, **options: Any) -> Verified:
    return Project(str(place)).verify(names, **options)


def objects(place: Path) -> list[str]:
    found = (path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.startswith("tmp/"))


def everything(place: Path) -> Any:
    """All that can be read of a repository, to see whether a change makes any difference."""
    try:
        repository = Repository.open(str(place))
        states, problems = repository.states()
        content = []
        for state in states:
            trees = [state.experiment.source.tree] if state.experiment.source else []
            trees += [one.tree for one in state.checkpoints if one.tree]
            for tree in trees:
                entries = repository.content.tree(tree)
                content.append(
                    [(entry, stream.read()) for entry, stream in repository.content.entries_in_pack_order(entries)]
                )
            for run in state.runs:
                content.append([*repository.output(state.experiment.id, run.run)])
                content.append([*repository.metric_points(state.experiment.id, run.run)])
        return states, problems, content
    except KwrapError as error:
        return error.message


def kind(name: str) -> str:
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] in ("metadata", "log") and parts[-1] != "log" else parts[0]


@pytest.mark.parametrize("full", [False, True])
def test_nothing_is_the_matter_with_what_was_just_recorded(recorded: Kwrap, full: bool) -> None:
    found = verify(recorded.project / ".kwrap", full=full)
    assert found.problems == ()
    assert found.experiments == 2
    assert found.is_whole


def test_no_object_can_be_deleted_unnoticed(copied: Path) -> None:
    """Events alone can: all that one told is told again at the end of a run."""
    whole = everything(copied)
    for name in objects(copied):
        if name == "repository.json":
            continue
        path = copied / name
        data = path.read_bytes()
        path.unlink()
        found = [one for one in verify(copied).problems if one.kind is not Kind.SURPLUS]
        if name.startswith("log/"):
            assert everything(copied) == whole
        else:
            assert found, name
            assert all(one.experiments for one in found), name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        _grow_old(copied)
    assert verify(copied, full=True).problems == ()


@pytest.mark.parametrize("seed", range(3))
def test_no_wrong_byte_stays_unnoticed_that_makes_a_difference(copied: Path, seed: int) -> None:
    """A byte flipped, an end cut off, a byte added: in every object."""
    rng = random.Random(seed)
    whole = everything(copied)
    noticed: dict[str, int] = {}
    for name in objects(copied):
        if name == "repository.json":
            continue
        path = copied / name
        data = path.read_bytes()
        for change in ("flip", "cut", "add"):
            path.write_bytes(_changed(data, change, rng))
            damage = [one for one in verify(copied, full=True).problems if one.kind is not Kind.SURPLUS]
            if damage:
                noticed[kind(name)] = noticed.get(kind(name), 0) + 1
            else:
                assert everything(copied) == whole, (name, change)
            path.write_bytes(data)
    _grow_old(copied)
    assert verify(copied, full=True).problems == ()
    for folder in ("blobs", "packs", "trees", "output", "series"):
        assert noticed.get(folder), folder


def _changed(data: bytes, change: str, rng: random.Random) -> bytes:
    if change == "cut":
        return data[: rng.randrange(len(data))]
    if change == "add":
        return data + bytes([rng.randrange(256)])
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


@pytest.mark.parametrize("folder", ["blobs", "packs", "trees"])
def test_one_wrong_byte_of_content_is_found_by_full_and_named_with_its_experiments(copied: Path, folder: str) -> None:
    name = next(one for one in objects(copied) if one.startswith(f"{folder}/"))
    data = (copied / name).read_bytes()
    (copied / name).write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    (only,) = verify(copied, full=True).problems
    assert only.kind is Kind.WRONG
    assert only.object == name
    assert name in only.message
    assert only.experiments
    assert set(only.experiments) <= set(Repository.open(str(copied)).ids())


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "a b",
        "blobs/zz/x",
        "blobs/ab/not-a-hash",
        f"blobs/ab/{'c' * 64}",
        f"packs/{'d' * 64}.tar.gz",
        "metadata/experiments/x.txt",
        "metadata/strange/x.json",
        "output/stray",
        "tmp/host.1.0.abcdef",
    ],
)
def test_whatever_nothing_needs_is_named(copied: Path, name: str) -> None:
    path = copied / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    _grow_old(copied)
    found = verify(copied)
    assert [(one.kind, one.object, one.size_bytes) for one in found.problems] == [(Kind.SURPLUS, name, 1)]
    assert found.is_whole
    assert path.exists()


def test_content_that_nothing_names_is_surplus(copied: Path) -> None:
    stored = Repository.open(str(copied)).content.store_tree(b'{"files":[],"format":2}')
    (only,) = verify(copied, full=True).problems
    assert only.kind is Kind.SURPLUS
    assert stored in only.object


def test_of_one_experiment_only_that_is_looked_at(copied: Path) -> None:
    for path in copied.glob("metadata/outcomes/*/*.json"):
        path.write_text("{")
    repository = Repository.open(str(copied))
    first, second = repository.ids()
    for one in (first, second):
        found = verify(copied, one)
        assert {experiment for problem in found.problems for experiment in problem.experiments} == {one}
        assert found.experiments == 1


# Repair


@pytest.fixture
def here(recorded: Kwrap, monkeypatch: pytest.MonkeyPatch) -> Kwrap:
    """On the machine that recorded it."""
    monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(recorded.state))
    return recorded


@pytest.mark.parametrize("how", ["missing", "wrong"])
def test_content_is_repaired_from_the_files_of_the_project(here: Kwrap, copied: Path, how: str) -> None:
    """The last run's weights still lie there, and so does its code; the local store has the manifest of the code."""
    whole = everything(copied)
    shutil.rmtree(here.state / "store" / "packs", ignore_errors=True)
    last = Repository.open(str(copied)).states()[0][-1]
    assert last.experiment.source is not None
    code = last.experiment.source.tree
    broken = [one for one in objects(copied) if one.startswith(("packs/", "blobs/")) or code in one]
    for name in broken:
        if how == "missing":
            (copied / name).unlink()
        else:
            (copied / name).write_bytes(b"rubbish" + (copied / name).read_bytes())
    found = verify(copied, last.experiment.id, full=True, repair=True)
    assert found.problems
    assert found.is_whole, found.problems
    assert verify(copied, last.experiment.id, full=True).problems == ()
    # What the first run has overwritten nobody has any more.
    assert (everything(copied) == whole) is verify(copied, full=True).is_whole


def test_lost_and_unreadable_records_are_repaired_from_the_log(copied: Path) -> None:
    states, _ = Repository.open(str(copied)).states()
    for name in objects(copied):
        if name.startswith("metadata/"):
            path = copied / name
            path.unlink() if len(name) % 2 else path.write_bytes(b"\xff" * 10)
    _grow_old(copied)
    found = verify(copied, repair=True)
    assert found.problems
    assert found.is_whole
    repaired, problems = Repository.open(str(copied)).states()
    assert problems == []
    assert [replace(one, experiment=_as_told(one.experiment)) for one in states] == repaired
    assert sum("packages and environment are lost" in one.message for one in found.problems) == 2
    assert verify(copied, full=True).problems == ()


def _as_told(one: Experiment) -> Experiment:
    """The log leaves the largest fields out."""
    return replace(one, packages=None, environment={})


def test_what_the_log_lacks_is_told_again(copied: Path) -> None:
    shutil.rmtree(copied / "log")
    lacking = verify(copied)
    assert lacking.problems
    assert all("not in the log" in one.message for one in lacking.problems)
    assert verify(copied, repair=True).is_whole
    assert verify(copied).problems == ()


def test_a_damaged_event_is_told_again(copied: Path) -> None:
    event = next(one for one in objects(copied) if one.startswith("log/"))
    (copied / event).write_bytes(b"{")
    (only,) = verify(copied).problems
    assert (only.kind, only.object) == (Kind.WRONG, event)
    assert verify(copied, repair=True).is_whole
    assert verify(copied, full=True).problems == ()


def test_what_cannot_be_repaired_is_said_and_left(
    copied: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(tmp_path / "elsewhere"))
    name = next(one for one in objects(copied) if one.startswith("trees/"))
    (copied / name).write_bytes(b"rubbish")
    found = verify(copied, repair=True)
    assert not found.is_whole
    assert "cannot be mended from this machine" in found.problems[0].message
    assert (copied / name).read_bytes() == b"rubbish"


# The command


def test_the_command_fails_when_something_is_wrong_and_says_what(recorded: Kwrap, copied: Path) -> None:
    assert recorded("verify", "-R", str(copied)).returncode == 0
    assert b"All is well: 2 experiments" in recorded("verify", "-R", str(copied), "--full").stdout
    (copied / "stray").write_bytes(b"x")
    assert recorded("verify", "-R", str(copied)).returncode == 0
    assert recorded("verify", "-R", str(copied), "--strict").returncode == 1
    name = next(one for one in objects(copied) if one.startswith("blobs/"))
    (copied / name).unlink()
    done = recorded("verify", "-R", str(copied), "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)["data"]
    assert not found["whole"]
    assert {one["kind"] for one in found["problems"]} == {"missing", "surplus"}
