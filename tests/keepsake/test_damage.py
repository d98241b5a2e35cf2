"""What is broken in a repository of Keepsake's is named and passed over, and nothing is restored by halves."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from keepsake_fixture import FIRST, SECOND, THIRD, Keepsake, copied, needs_fixture
from keepsake_fixture import kwrap as run

from kwrap.clock import SYSTEM, to_rfc3339
from kwrap.errors import Damaged
from kwrap.project import Project

WEIGHTS = random.Random(5).randbytes(3_000_000)


@pytest.fixture
def made(tmp_path: Path) -> Keepsake:
    return Keepsake(tmp_path / "repository")


@needs_fixture
@pytest.mark.parametrize(
    "broken",
    [b"", b"{", b"[]", b'{"id": 3}', b'{"created": "yesterday"}', b"\xff\xfe", b'{"checkpoints": 5, "created": ""}'],
)
def test_broken_metadata_costs_one_experiment_and_is_named(tmp_path: Path, broken: bytes) -> None:
    repository = copied(tmp_path)
    path = repository / "metadata" / "experiments" / f"{SECOND}.json"
    path.write_bytes(broken)
    done = run("ls", "-q", "-R", str(repository))
    assert (done.status, done.out.split()) == (0, [FIRST, THIRD])
    assert str(path) in done.err
    assert run("ls", "-q", "--strict", "-R", str(repository)).status == 1
    assert run("show", SECOND, "-R", str(repository)).status == 1
    assert str(path) in run("show", SECOND, "-R", str(repository)).err


def test_metadata_that_is_called_otherwise_within_is_damaged(made: Keepsake) -> None:
    experiment_id = made.experiment(1)
    folder = made.path / "metadata" / "experiments"
    (folder / f"{experiment_id}.json").rename(folder / f"{'2' * 64}.json")
    done = run("ls", "-q", "-R", made.url)
    assert (done.out, f"called {experiment_id}" in done.err) == ("", True)


def test_a_broken_heartbeat_is_named_and_the_experiment_is_stopped(made: Keepsake) -> None:
    experiment_id = made.experiment(1)
    (made.path / "metadata" / "heartbeats").mkdir()
    (made.path / "metadata" / "heartbeats" / f"{experiment_id}.json").write_text("{")
    done = run("ls", "--json", "-R", made.url)
    assert [one["status"] for one in done.data] == ["stopped"]
    assert "heartbeats" in done.errors[0]


def test_a_repository_without_heartbeats_is_read(made: Keepsake) -> None:
    made.experiment(1)
    done = run("ls", "--strict", "--json", "-R", made.url)
    assert (done.status, [one["status"] for one in done.data]) == (0, ["stopped"])


def test_files_of_others_beside_the_metadata_are_passed_over(made: Keepsake) -> None:
    made.experiment(1)
    (made.path / "metadata" / "experiments" / ".DS_Store").write_bytes(b"\0")
    (made.path / "metadata" / "experiments" / "old").mkdir()
    (made.path / "metadata" / "experiments" / "old" / "x.json").write_text("{")
    assert run("ls", "--strict", "-q", "-R", made.url).status == 0


def test_a_checkpoint_without_its_tarball_is_named_and_counts_as_removed(made: Keepsake) -> None:
    primary = {"name": "loss", "goal": "minimize"}
    checkpoints = [
        {"metrics": {"loss": loss}, "primary_metric": primary, "files": {"w": b"%d" % at}}
        for at, loss in enumerate((3, 1, 2))
    ]
    experiment_id = made.experiment(1, *checkpoints)
    best = Project(made.url).experiments.get(experiment_id).best()
    assert best is not None and best.sequence == 2
    (made.path / str(best.record.tree)).unlink()
    done = run("ls", "--json", "--strict", "-R", made.url)
    (found,) = done.data
    assert done.status == 1
    assert str(best.record.tree) in done.errors[0]
    assert (found["num_checkpoints"], found["best_checkpoint"]["sequence"]) == (2, 3)
    assert "was removed" in run("show", f"{experiment_id}@2", "-R", made.url).err
    assert len(run("metrics", experiment_id, "--json", "-R", made.url).data) == 3


def test_code_without_its_tarball_is_named(made: Keepsake) -> None:
    experiment_id = made.experiment(1, {"files": {"w": b"1"}}, path=".")
    done = run("ls", "--json", "-R", made.url)
    assert f"experiments/{experiment_id}.tar.gz is missing" in done.errors[0]
    restored = run("checkout", experiment_id, "-o", str(made.path.parent / "out"), "-R", made.url)
    assert (restored.status, "is missing" in restored.err) == (0, True)


def test_a_checkpoint_that_is_being_uploaded_is_no_damage(made: Keepsake) -> None:
    experiment_id = made.experiment(1, {"files": {"w": b"1"}}, {"path": "."}, path=".")
    (made.path / "metadata" / "heartbeats").mkdir()
    (made.path / "metadata" / "heartbeats" / f"{experiment_id}.json").write_text(
        json.dumps({"experiment_id": experiment_id, "last_heartbeat": to_rfc3339(SYSTEM.wall_ns())})
    )
    done = run("ls", "--strict", "--json", "-R", made.url)
    assert (done.status, done.data[0]["num_checkpoints"], done.data[0]["status"]) == (0, 1, "running")


@pytest.mark.parametrize("kept", [0, 5, 100, 1_000_000, -1])
def test_a_tarball_cut_short_is_told_and_nothing_is_restored(made: Keepsake, kept: int) -> None:
    experiment_id = made.experiment(1, {"files": {"a.bin": b"small", "w.bin": WEIGHTS}}, files={"train.py": b"pass\n"})
    tree = Project(made.url).experiments.get(experiment_id).checkpoint(1).record.tree
    tarball = made.path / str(tree)
    tarball.write_bytes(tarball.read_bytes()[:kept])
    out = made.path.parent / "out"
    done = run("checkout", experiment_id, "-o", str(out), "-R", made.url)
    assert done.status == 1
    assert str(tarball) in done.err
    assert not out.exists()
    shown = run("show", f"{experiment_id}@1", "-R", made.url)
    assert shown.status == 0
    assert f"warning: {tarball} is damaged" in shown.err
    assert tarball.name in run("show", f"{experiment_id}@1", "--json", "-R", made.url).errors[0]


def test_a_changed_byte_is_told_and_nothing_is_restored(made: Keepsake) -> None:
    experiment_id = made.experiment(1, files={"w.bin": WEIGHTS})
    tarball = made.path / "experiments" / f"{experiment_id}.tar.gz"
    data = bytearray(tarball.read_bytes())
    data[len(data) // 2] ^= 1
    tarball.write_bytes(data)
    out = made.path.parent / "out"
    assert run("checkout", experiment_id, "-o", str(out), "-R", made.url).status == 1
    assert not out.exists()


def test_a_tarball_that_changes_between_the_two_looks_at_it_restores_nothing_wrong(made: Keepsake) -> None:
    experiment_id = made.experiment(1, files={"w.bin": WEIGHTS})
    out = made.path.parent / "out"
    plan = Project(made.url).experiments.get(experiment_id).plan_checkout(str(out))
    made.tarball(f"experiments/{experiment_id}", {"w.bin": WEIGHTS[::-1]})
    with pytest.raises(Damaged, match="has changed"):
        plan.apply()
    assert not any(path.is_file() for path in out.rglob("*"))


def test_metadata_that_is_written_while_it_is_read_is_read_again(made: Keepsake) -> None:
    from kwrap.repository.keepsake import gathering
    from kwrap.storage.disk import DiskStorage

    made.experiment(1, {"metrics": {"loss": 1}})

    class Torn(DiskStorage):
        """As where the writer is in the middle of the file at our first look."""

        looks = 0

        def read(self, name: str) -> bytes:
            self.looks += 1
            data = super().read(name)
            return data[: len(data) // 2] if self.looks == 1 else data

    states, problems = gathering.gather(Torn(made.url))
    assert (len(states), problems) == (1, [])
