"""What `kwrap export --format keepsake` writes, read by the real Keepsake 0.4.2."""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from keepsake_client import Client, needs_keepsake
from keepsake_fixture import REPOSITORY, by_path, expected, manifest, needs_fixture
from keepsake_fixture import kwrap as run

from kwrap.project import Project
from kwrap.records import Checkpoint, Experiment, Goal, Interpreter, Note, NoteKind, Param, PrimaryMetric, Source
from kwrap.repository import trees
from kwrap.repository.repository import Repository
from kwrap.repository.trees import TreeEntry
from support import Kwrap, child

LOSS = PrimaryMetric(name="loss", goal=Goal.MINIMIZE)
WEIGHTS = random.Random(11).randbytes(2_500_000)


class Own:
    """A repository of kwrap's own in the making."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "own"
        self.repository = Repository.open(str(self.path), create=True)

    def tree(self, files: Mapping[str, bytes], links: Mapping[str, str] | None = None, mode: int = 0o644) -> str:
        entries = []
        for path, data in files.items():
            local = self.directory / "local"
            local.write_bytes(data)
            entries.append(self.repository.content.store_file(str(local), os.fsencode(path), mode))
        entries += [TreeEntry(os.fsencode(path), target=os.fsencode(to)) for path, to in (links or {}).items()]
        return self.repository.content.store_tree(trees.encode(entries))

    def experiment(self, number: int, metrics: Sequence[Mapping[str, Any]] = (), **fields: Any) -> str:
        """One with a checkpoint for each of the metrics; its id."""
        experiment_id = f"20260101-00000{number}-aaaaaaa{number}"
        made = {
            "id": experiment_id,
            "created_at": f"2026-01-01T00:00:0{number}.250Z",
            "argv": ("python", "train.py", "--name", "it's one"),
            "working_directory": "/w",
            "project_directory": "/w",
            "kwrap_version": "0.1.0",
            "user": "ada",
            **fields,
        }
        self.repository.write_experiment(Experiment(**made))
        for sequence, values in enumerate(metrics, 1):
            self.checkpoint(experiment_id, sequence, values)
        self.repository.tell(experiment_id)
        return experiment_id

    def checkpoint(self, experiment_id: str, sequence: int, metrics: Mapping[str, Any], **fields: Any) -> None:
        made = {"created_at": f"2026-01-01T00:01:{sequence:02d}Z", "t_s": 60.0, "run": "r0-a1", "step": sequence * 10}
        made |= {"primary_metric": LOSS, "metrics": metrics, **fields}
        self.repository.write_checkpoint(Checkpoint(experiment=experiment_id, sequence=sequence, **made))

    def source(self, tree: str) -> Source:
        return Source(tree=tree, content_sha256=tree, files=1, size_bytes=1)


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path)


def export(repository: object, to: Path, *words: str) -> Any:
    done = run("export", "-R", str(repository), "--format", "keepsake", "--json", *words, str(to))
    assert done.status == 0, done.err
    return json.loads(done.out)


def ids(exported: Any) -> dict[str, str]:
    return {one["id"]: one["keepsake_id"] for one in exported["data"]["experiments"]}


def client(tmp_path: Path) -> Client:
    return Client(tmp_path / "theirs", tmp_path / "home")


@needs_keepsake
def test_a_real_run_is_listed_shown_compared_and_checked_out_by_keepsake(kwrap: Kwrap, tmp_path: Path) -> None:
    (kwrap.project / "train.py").write_text("print('hello')\n")
    (kwrap.project / "run.sh").write_text("#!/bin/sh\n")
    (kwrap.project / "run.sh").chmod(0o755)
    for size in (900_000, 4000):
        kwrap.run(
            child("writes_weights.py", 3, "rename", 0.4, size), "--primary", "loss", "--goal", "minimize", check=True
        )
    exported = export(kwrap.project / ".kwrap", tmp_path / "theirs")
    theirs = client(tmp_path)
    own = Project(str(kwrap.project / ".kwrap")).experiments.list()
    listed = theirs.json("ls")
    assert [one["id"] for one in listed] == [ids(exported)[one.id] for one in own]
    assert [one["command"] for one in listed] == [one.command for one in own]
    for one, found in zip(own, listed, strict=True):
        best = one.best()
        assert best is not None and found["best_checkpoint"]["metrics"]["loss"] == best.metrics["loss"]
        assert found["num_checkpoints"] == len(one.checkpoints) >= 1
        theirs("show", found["id"])
        theirs("checkout", "-f", "-o", str(tmp_path / "their-out"), found["id"])
        one.checkout(str(tmp_path / "own-out"), force=True)
        assert _bytes(tmp_path / "their-out") == _bytes(tmp_path / "own-out")
    assert "(no difference)" in theirs("diff", listed[0]["id"], listed[1]["id"])
    assert theirs("ps", "-q") == ""


def _bytes(directory: Path) -> dict[str, str]:
    return {one["path"]: one["sha256"] for one in manifest(directory)}


@needs_keepsake
@needs_fixture
def test_what_came_from_keepsake_goes_back_as_it_was(tmp_path: Path) -> None:
    assert run("copy", "--all", "-R", str(REPOSITORY), "--to", str(tmp_path / "own")).status == 0
    export(tmp_path / "own", tmp_path / "theirs")
    theirs = client(tmp_path)
    listed, wanted = theirs.json("ls"), expected("ls-stale")
    for one in (*listed, *wanted):
        for checkpoint in (one["latest_checkpoint"], one["best_checkpoint"]):
            if checkpoint:
                checkpoint["metrics"] = {
                    name: value for name, value in checkpoint["metrics"].items() if value is not None
                }
    assert listed == wanted
    for short_id in ("8720ddd", "7871790", "9dbca3c"):
        theirs("show", short_id)  # the last of them is one that Keepsake cannot show in its own repository
        theirs("checkout", "-f", "-o", str(tmp_path / short_id), short_id)
        assert manifest(tmp_path / short_id) == by_path(expected(f"checkout-exp-{short_id}"))


@needs_keepsake
def test_filters_on_floats_work_whatever_the_values_are(own: Own, tmp_path: Path) -> None:
    for number, loss in enumerate((1, 0.5, 2.0)):
        own.experiment(number, [{"loss": loss}], params={"lr": Param(value=float(loss)), "n": Param(value=number)})
    exported = ids(export(own.path, tmp_path / "theirs"))
    every = list(exported.values())
    theirs = client(tmp_path)
    assert theirs("ls", "-q", "--filter", "loss >= 1.0").split() == [every[0], every[2]]
    assert theirs("ls", "-q", "--filter", "lr <= 1.0").split() == every[:2]
    assert theirs("ls", "-q", "--filter", "loss = 2.0").split() == [every[2]]
    assert theirs("ls", "-q", "--filter", "n > 0", "--sort", "loss-desc").split() == [every[2], every[1]]
    assert theirs("ls", "-q", "--sort", "lr").split() == [every[1], every[0], every[2]]


@needs_keepsake
def test_ragged_metrics_crash_nothing_and_leave_the_best_what_it_is(own: Own, tmp_path: Path) -> None:
    metrics = [
        {"accuracy": 0.1},
        {"loss": 0.5, "accuracy": 0.2},
        {"loss": float("nan")},
        {"loss": 0.25, "other": float("inf")},
        {},
    ]
    experiment_id = own.experiment(1, metrics)
    exported = export(own.path, tmp_path / "theirs")
    assert sum("the worst there is" in one["message"] for one in exported["errors"]) == 3
    theirs = client(tmp_path)
    own_id = ids(exported)[experiment_id]
    shown = theirs("show", own_id)
    assert [line.split()[1] for line in shown.splitlines() if "(best)" in line] == ["40"]
    (listed,) = theirs.json("ls")
    assert listed["best_checkpoint"]["step"] == 40
    assert theirs.python(f"result = project.experiments.get({own_id!r}).best().step") == 40
    series = theirs.python(f"result = str(project.experiments.get({own_id!r}).checkpoints.metrics['accuracy'])")
    assert series == "[0.1, 0.2, None, None, None]"


@needs_keepsake
def test_without_a_value_of_the_primary_metric_there_is_no_best(own: Own, tmp_path: Path) -> None:
    own.experiment(1, [{"accuracy": 0.5}, {}], primary_metric=LOSS)
    assert export(own.path, tmp_path / "theirs")["errors"] == []
    (listed,) = client(tmp_path).json("ls")
    assert listed["best_checkpoint"] is None


@needs_keepsake
def test_values_of_every_kind_come_through(own: Own, tmp_path: Path) -> None:
    params = {
        "float": 2.0,
        "tiny": 1e-12,
        "large": 1e300,
        "integer": 2**53 + 1,
        "beyond": 10**400,
        "text": "première – 日本語\n",
        "surrogate": "\udcff",
        "yes": True,
        "none": None,
        "list": [1, 2.5, "x", float("nan")],
        "nested": {"b": {"a": float("-inf")}},
        "nan": float("nan"),
        "infinite": float("-inf"),
    }
    own.experiment(
        1,
        params={name: Param(value=value) for name, value in params.items()},
        interpreter=Interpreter(executable="/usr/bin/python", version="3.12.4"),
        packages={"numpy": "2.1.0"},
    )
    export(own.path, tmp_path / "theirs")
    theirs = client(tmp_path)
    (listed,) = theirs.json("ls")
    shown = theirs.json("show", listed["id"])
    assert (shown["python_version"], shown["python_packages"], shown["host"]) == ("3.12.4", {"numpy": "2.1.0"}, "")
    assert shown["command"] == "python train.py --name 'it'\"'\"'s one'"
    found = shown["params"]
    assert {name: found[name] for name in ("float", "tiny", "large", "integer", "text", "yes", "none")} == {
        name: params[name] for name in ("float", "tiny", "large", "integer", "text", "yes", "none")
    }
    assert (found["nan"], found["infinite"], found["list"]) == ("[NaN]", "[-Infinity]", [1, 2.5, "x", "NaN"])
    assert (found["beyond"], found["surrogate"], found["nested"]) == (hex(10**400), "?", {"b": {"a": "-Infinity"}})
    assert theirs.python("result = str(project.experiments.list()[0].created)").startswith("2026-01-01 00:00:01.25")


@needs_keepsake
def test_files_of_every_kind_come_through(own: Own, tmp_path: Path) -> None:
    names = ["train.py", "sub/é 日本語.txt", "d/" * 60 + "n" * 120, "empty", "weights/w.bin", "-dash", "blank "]
    files = {name: name.encode() for name in names} | {"empty": b"", "weights/w.bin": WEIGHTS}
    links = {"link.py": "train.py", "sub/up": "../weights/w.bin", "dangling": "nowhere", "out": "/etc/passwd"}
    experiment_id = own.experiment(1, source=own.source(own.tree(files, links)))
    own.checkpoint(experiment_id, 1, {"loss": 1}, tree=own.tree({"weights/w.bin": WEIGHTS[::-1]}), files=())
    own.repository.tell(experiment_id)
    exported = export(own.path, tmp_path / "theirs")
    (problem,) = exported["errors"]
    assert "dangling, out" in problem["message"]
    theirs = client(tmp_path)
    out = tmp_path / "out"
    theirs("checkout", "-f", "-o", str(out), ids(exported)[experiment_id])
    copies = {"link.py": files["train.py"], "sub/up": WEIGHTS}
    wanted = {**files, **copies, "weights/w.bin": WEIGHTS[::-1]}
    assert _bytes(out) == {name: hashlib.sha256(data).hexdigest() for name, data in wanted.items()}
    opened = "import hashlib\nc = project.experiments.list()[0].checkpoints[0]\n"
    digest = theirs.python(f"{opened}result = hashlib.sha256(c.open('weights/w.bin').read()).hexdigest()")
    assert digest == hashlib.sha256(WEIGHTS[::-1]).hexdigest()
    assert theirs.python(f"{opened}result = c.path") == "weights/w.bin"


@needs_keepsake
def test_modes_come_back_with_either(own: Own, tmp_path: Path) -> None:
    experiment_id = own.experiment(1, source=own.source(own.tree({"run.sh": b"#!/bin/sh\n"}, mode=0o755)))
    exported = ids(export(own.path, tmp_path / "theirs"))
    with_kwrap, with_keepsake = tmp_path / "1", tmp_path / "2"
    run("checkout", exported[experiment_id], "-o", str(with_kwrap), "-R", str(tmp_path / "theirs"))
    client(tmp_path)("checkout", "-f", "-o", str(with_keepsake), exported[experiment_id])
    for out in (with_kwrap, with_keepsake):
        assert stat.S_IMODE((out / "run.sh").stat().st_mode) == 0o755


def test_exported_again_only_what_is_new_is_written(own: Own, tmp_path: Path) -> None:
    first = own.experiment(1, [{"loss": 1}], source=own.source(own.tree({"a": b"1"})))
    to = tmp_path / "theirs"
    export(own.path, to)
    before = {path: path.stat().st_mtime_ns for path in to.rglob("*") if path.is_file()}
    assert export(own.path, to)["data"]["tarballs"] == 0
    assert {path: path.stat().st_mtime_ns for path in to.rglob("*") if path.is_file()} == before
    own.checkpoint(first, 2, {"loss": 0.5}, tree=own.tree({"w": b"2"}))
    assert export(own.path, to)["data"]["tarballs"] == 1
    (found,) = Project(str(to)).experiments.list()
    assert len(found.checkpoints) == 2


def test_removed_experiments_and_checkpoints_are_not_exported(own: Own, tmp_path: Path) -> None:
    kept, removed = (own.experiment(number, [{"loss": 1}, {"loss": 2}]) for number in (1, 2))
    for number, (experiment_id, checkpoint) in enumerate(((removed, None), (kept, 1))):
        own.repository.add_note(
            Note(
                id=f"20260101-000000-00{number}-aaaaaaaa",
                experiment=experiment_id,
                at="2026-01-01T00:00:00Z",
                kind=NoteKind.DELETE,
                checkpoint=checkpoint,
            )
        )
    assert list(ids(export(own.path, tmp_path / "theirs"))) == [kept]
    (found,) = Project(str(tmp_path / "theirs")).experiments.list()
    assert [one.metrics["loss"] for one in found.checkpoints] == [2.0]


def test_what_is_damaged_here_is_told_and_comes_without_its_files(own: Own, tmp_path: Path) -> None:
    experiment_id = own.experiment(1, [{"loss": 1}], source=own.source(own.tree({"a": b"1" * 5000})))
    for blob in (own.path / "blobs").rglob("*"):
        if blob.is_file():
            blob.write_bytes(b"0" * blob.stat().st_size)
    to = tmp_path / "theirs"
    words = ("export", "-R", str(own.path), "--format", "keepsake", str(to))
    done = run(*words, "--strict")
    assert (done.status, "damaged" in done.err) == (1, True)
    assert run(*words).status == 0
    assert not list(to.glob("experiments/*"))
    (found,) = Project(str(to)).experiments.list()
    assert (found.record.source, len(found.checkpoints)) == (None, 1)
    assert found.id == hashlib.sha256(experiment_id.encode()).hexdigest()


def test_tarballs_are_there_before_what_names_them(own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kwrap.storage.disk import DiskStorage

    own.experiment(1, [{"loss": 1}], source=own.source(own.tree({"a": b"1"})))
    written: list[str] = []
    for name in ("write", "create", "write_stream"):
        original = getattr(DiskStorage, name)
        monkeypatch.setattr(
            DiskStorage, name, lambda self, at, *rest, _call=original: (written.append(at), _call(self, at, *rest))[1]
        )
    export(own.path, tmp_path / "theirs")
    assert [name.split("/")[0] for name in written] == ["repository.json", "experiments", "metadata"]


def test_a_place_that_holds_something_else_is_not_written_into(own: Own, tmp_path: Path) -> None:
    own.experiment(1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("x")
    for to in (own.path, tmp_path / "other"):
        before = sorted(to.rglob("*"))
        assert run("export", "-R", str(own.path), "--format", "keepsake", str(to)).status == 1
        assert sorted(to.rglob("*")) == before
    assert run("export", "-R", str(own.path), str(tmp_path / "theirs")).status == 2
    assert run("export", "-R", str(own.path), "--format", "mlflow", str(tmp_path / "theirs")).status == 2
