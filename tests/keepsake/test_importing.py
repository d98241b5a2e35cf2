"""`kwrap copy` brings experiments of Keepsake's into a repository of kwrap's own: all of each, and each once."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from keepsake_fixture import FIRST, REPOSITORY, Done, Keepsake, by_path, expected, manifest, needs_fixture
from keepsake_fixture import kwrap as run

from kwrap.clock import SYSTEM, to_rfc3339
from kwrap.project import Project
from kwrap.records import Status
from kwrap.repository.keepsake.importing import import_experiment, imported_id
from kwrap.repository.keepsake.repository import KeepsakeRepository
from kwrap.repository.repository import Repository

SHORT = ("8720ddd", "7871790", "9dbca3c")
WEIGHTS = random.Random(7).randbytes(700_000)


def copy(source: str, target: Path) -> Done:
    return run("copy", "--all", "-R", source, "--to", str(target), "--json")


def import_all(source: str, target: Repository) -> list[Any]:
    opened = Repository.open(source)
    assert isinstance(opened, KeepsakeRepository)
    return [import_experiment(opened, state, target) for state in opened.states()[0]]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "own"


@needs_fixture
def test_what_was_brought_in_says_what_keepsakes_own_repository_says(target: Path) -> None:
    assert copy(str(REPOSITORY), target).status == 0
    there, here = (run("ls", "--json", "-R", str(one)).data for one in (REPOSITORY, target))
    same = ("user", "host", "command", "params", "metrics", "step", "primary_metric", "num_checkpoints", "status")
    assert [{name: one[name] for name in same} for one in here] == [{name: one[name] for name in same} for one in there]
    assert [one["id"] for one in here] == [
        "20261121-191745-k8720ddd",
        "20261121-191747-k7871790",
        "20261121-191827-k9dbca3c",
    ]
    assert [one["duration_s"] for one in here] == [one["duration_s"] for one in there]
    for one, other in zip(there, here, strict=True):
        points = [
            run("metrics", each["id"], "--json", "-R", str(at)).data
            for each, at in ((one, REPOSITORY), (other, target))
        ]
        assert [(each["name"], each["value"], each["step"]) for each in points[0]] == [
            (each["name"], each["value"], each["step"]) for each in points[1]
        ]


@needs_fixture
@pytest.mark.parametrize("short_id", SHORT)
def test_what_was_brought_in_is_checked_out_as_keepsake_did(target: Path, tmp_path: Path, short_id: str) -> None:
    copy(str(REPOSITORY), target)
    assert run("checkout", short_id, "-o", str(tmp_path / "out"), "-R", str(target)).status == 0
    assert manifest(tmp_path / "out") == by_path(expected(f"checkout-exp-{short_id}"))


@needs_fixture
def test_old_ids_still_find_what_was_brought_in(target: Path) -> None:
    copy(str(REPOSITORY), target)
    assert run("show", "8720ddd", "--json", "-R", str(target)).data["keepsake"]["id"] == FIRST
    assert run("show", "k8720", "--json", "-R", str(target)).data["keepsake"]["id"] == FIRST
    shown = run("show", "8720ddd@49cbd09", "--json", "-R", str(target)).data
    assert (shown["sequence"], shown["keepsake"]["path"]) == (2, "weights/")


@needs_fixture
def test_brought_in_again_nothing_is_written(target: Path) -> None:
    copy(str(REPOSITORY), target)
    before = _files(target)
    again = copy(str(REPOSITORY), target)
    assert [one["state"] for one in again.data["experiments"]] == ["unchanged"] * 3
    assert _files(target) == before


def _files(directory: Path) -> dict[str, int]:
    return {
        str(path.relative_to(directory)): path.stat().st_mtime_ns
        for path in directory.rglob("*")
        if path.is_file() and not path.is_relative_to(directory / "tmp")
    }


def test_of_an_experiment_that_runs_the_rest_comes_later(tmp_path: Path, target: Path) -> None:
    made = Keepsake(tmp_path / "repository")
    checkpoint = {"metrics": {"loss": 1.5}, "files": {"w": b"1"}}
    made.experiment(1, checkpoint, files={"train.py": b"pass\n"})
    heartbeat = made.path / "metadata" / "heartbeats" / f"{'1' * 64}.json"
    heartbeat.parent.mkdir()
    heartbeat.write_text(json.dumps({"experiment_id": "1" * 64, "last_heartbeat": to_rfc3339(SYSTEM.wall_ns())}))
    copy(made.url, target)
    (first,) = Project(str(target)).experiments.list()
    assert (first.status, len(first.checkpoints)) == (Status.RUNNING, 1)

    heartbeat.unlink()
    made.experiment(1, checkpoint, {"metrics": {"loss": 0.5}, "files": {"w": b"2"}}, files={"train.py": b"pass\n"})
    assert [one["state"] for one in copy(made.url, target).data["experiments"]] == ["updated"]
    (second,) = Project(str(target)).experiments.list()
    assert (second.id, second.status, len(second.checkpoints)) == (first.id, Status.STOPPED, 2)
    assert [point.value for point in second.metrics("loss")] == [1.5, 0.5]
    assert second.summaries["loss"].minimum == 0.5


def test_an_experiment_whose_code_is_still_to_come_is_left_for_later(tmp_path: Path, target: Path) -> None:
    made = Keepsake(tmp_path / "repository")
    experiment_id = made.experiment(1, path=".")
    heartbeat = made.path / "metadata" / "heartbeats" / f"{experiment_id}.json"
    heartbeat.parent.mkdir()
    heartbeat.write_text(json.dumps({"experiment_id": experiment_id, "last_heartbeat": to_rfc3339(SYSTEM.wall_ns())}))
    (early,) = copy(made.url, target).data["experiments"]
    assert "copy it later" in early["problems"][0]
    made.tarball(f"experiments/{experiment_id}", {"a": b"1"})
    copy(made.url, target)
    (here,) = Project(str(target)).experiments.list()
    assert [entry.path for entry in here.code()] == [b"a"]


def test_large_and_small_files_come_through_with_their_modes(tmp_path: Path, target: Path) -> None:
    made = Keepsake(tmp_path / "repository")
    files = {"large.bin": WEIGHTS, "empty": b"", "same-1": b"x" * 100, "same-2": b"x" * 100, "sub/é.txt": "é".encode()}
    experiment_id = made.experiment(1, {"files": {"w.bin": WEIGHTS[::-1]}}, files=files)
    copy(made.url, target)
    for number, repository in enumerate((made.url, str(target))):
        assert run("checkout", experiment_id[:7], "-o", str(tmp_path / f"out{number}"), "-R", repository).status == 0
    assert manifest(tmp_path / "out0") == manifest(tmp_path / "out1")
    assert {one["path"] for one in manifest(tmp_path / "out1")} == {*files, "w.bin"}


def test_equal_files_are_stored_once(tmp_path: Path, target: Path) -> None:
    made = Keepsake(tmp_path / "repository")
    made.experiment(1, *({"files": {"frozen.bin": WEIGHTS}} for _ in range(5)))
    copy(made.url, target)
    stored = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    assert stored < 1.1 * len(WEIGHTS)


def test_what_is_damaged_is_named_left_out_and_comes_when_it_is_mended(tmp_path: Path, target: Path) -> None:
    made = Keepsake(tmp_path / "repository")
    made.experiment(1, *({"metrics": {"loss": at}, "files": {"w": b"%d" % at}} for at in range(3)), files={"a": b"1"})
    trees = [one.record.tree for one in Project(made.url).experiments.get("1" * 64).checkpoints]
    tarball = made.path / str(trees[1])
    whole = tarball.read_bytes()
    tarball.write_bytes(whole[:-9])
    done = copy(made.url, target)
    (one,) = done.data["experiments"]
    assert (one["state"], one["checkpoints"]) == ("copied", 2)
    assert tarball.name in one["problems"][0] and "left out" in one["problems"][0]
    (here,) = Project(str(target)).experiments.list()
    assert [each.sequence for each in here.checkpoints] == [1, 3]
    assert [point.value for point in here.metrics("loss")] == [0, 1, 2]
    tarball.write_bytes(whole)
    (again,) = copy(made.url, target).data["experiments"]
    assert (again["state"], again["checkpoints"], again["problems"]) == ("updated", 1, [])
    assert [each.sequence for each in here.refresh().checkpoints] == [1, 2, 3]


def test_an_unsafe_member_is_left_out_and_the_rest_comes(tmp_path: Path, target: Path) -> None:
    made = Keepsake(tmp_path / "repository")
    made.experiment(1, files={"good": b"1", "../bad": b"2", "file": b"3", "file/below": b"4"})
    (brought,) = import_all(made.url, Repository.open(str(target), create=True))
    assert len(brought.problems) == 2
    (here,) = Project(str(target)).experiments.list()
    assert [entry.path for entry in here.code()] == [b"file", b"good"]
    source = here.record.source
    assert source is not None and sorted(one.path for one in source.left_out) == ["../bad", "file/below"]


def test_killed_at_any_write_it_is_complete_when_it_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Keepsake(tmp_path / "repository")
    made.experiment(
        1,
        *({"metrics": {"loss": at}, "files": {"w": b"%d" % at, "big": WEIGHTS}} for at in range(2)),
        files={"a": b"1"},
    )
    source = Repository.open(made.url)
    assert isinstance(source, KeepsakeRepository)
    (state,) = source.states()[0]

    class Killed(BaseException):
        pass

    cut = 0
    while True:
        left = cut
        where = str(tmp_path / f"own-{cut}")

        def dying(name: str, original: Any) -> Any:
            def call(self: Any, *arguments: Any, **options: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    raise Killed(name)
                return original(self, *arguments, **options)

            return call

        target = Repository.open(where, create=True)
        kind = type(target.storage)
        with monkeypatch.context() as patch:
            for name in ("write", "create", "write_stream"):
                patch.setattr(kind, name, dying(name, getattr(kind, name)))
            try:
                import_experiment(source, state, target)
                finished = True
            except Killed:
                finished = False
        import_experiment(source, state, Repository.open(where))
        (here,) = Project(where).experiments.list()
        assert (here.id, len(here.checkpoints), here.status) == (imported_id(state.experiment), 2, Status.STOPPED)
        assert [point.value for point in here.metrics("loss")] == [0, 1]
        assert here.code()[0].path == b"a"
        assert {name.split("/")[0] for name in os.listdir(where)} >= {"log", "metadata"}
        if finished:
            break
        cut += 1
    assert cut > 8
