"""`kwrap copy`: whole experiments in another repository, whatever kinds the two are of, and nothing twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from servers import Server

from kwrap.repository import layout
from kwrap.repository.repository import Repository
from support import Kwrap, child, wait_until

# What says how a repository came to be, and not what is in it.
_OWN = (layout.REPOSITORY, layout.LOG, layout.GC)


def objects(url: str) -> dict[str, bytes]:
    """All that a repository holds of its experiments, by name."""
    storage = Repository.open(url).storage
    return {stored.name: storage.read(stored.name) for stored in storage.list("") if not stored.name.startswith(_OWN)}


def copied(kwrap: Kwrap, *words: str, status: int = 0) -> dict[str, Any]:
    """What `kwrap copy --json` says of each experiment, by its short id's part."""
    done = kwrap("copy", *words, "--json")
    assert done.returncode == status, (done.stdout, done.stderr)
    return {one["id"]: one for one in json.loads(done.stdout)["data"]["experiments"]}


def record_one(kwrap: Kwrap, *options: str, size: int = 20_000) -> str:
    """A run with code, output, metrics and two checkpoints; its id."""
    (kwrap.project / "train.txt").write_text("code")
    known = {row["id"] for row in kwrap.json("ls")}
    kwrap.run(child("writes_weights.py", 2, "rename", 0.3, size), *options, check=True)
    (new,) = {row["id"] for row in kwrap.json("ls")} - known
    return str(new)


@pytest.fixture
def clouds(s3: Server, gcs: Server, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Where two repositories can be made in buckets; kwrap is let in."""
    s3.enter(monkeypatch)
    gcs.enter(monkeypatch)
    return s3.fresh_url(), gcs.fresh_url()


def test_from_a_directory_over_two_buckets_back_to_a_directory_every_object_is_the_same(
    clouds: tuple[str, str], kwrap: Kwrap, tmp_path: Path
) -> None:
    first, second = record_one(kwrap, size=5_000_000), record_one(kwrap, "--name", "other")
    kwrap("tag", first, "kept", check=True)
    on_s3, on_gcs = clouds
    end = str(tmp_path / "end")
    assert set(copied(kwrap, "--all", "--to", on_s3)) == {first, second}
    assert set(copied(kwrap, "-R", on_s3, "--all", "--to", on_gcs)) == {first, second}
    assert set(copied(kwrap, "-R", on_gcs, "--all", "--to", end)) == {first, second}
    assert objects(end) == objects(str(kwrap.project / ".kwrap"))
    kwrap("verify", "--full", "-R", end, check=True)
    assert [row["id"] for row in kwrap.json("ls", "-R", end, "-f", "tags contains kept")] == [first]
    for url in (on_s3, on_gcs):
        again = copied(kwrap, "--all", "--to", url)
        assert {one["state"] for one in again.values()} == {"unchanged"}
        assert not any(one["content_bytes"] or one["series_bytes"] for one in again.values())


def test_a_repository_that_was_copied_with_cp_works_and_takes_what_is_new(kwrap: Kwrap, tmp_path: Path) -> None:
    first = record_one(kwrap)
    place = tmp_path / "copied"
    shutil.copytree(kwrap.project / ".kwrap", place)
    assert [row["id"] for row in kwrap.json("ls", "-R", str(place))] == [first]
    kwrap("verify", "--full", "-R", str(place), check=True)
    kwrap("checkout", first, "-R", str(place), "-o", str(tmp_path / "out"), check=True)
    assert (tmp_path / "out/train.txt").read_text() == "code"
    assert (tmp_path / "out/weights/step-2.npz").stat().st_size == 20_000
    again = copied(kwrap, "--all", "--to", str(place))
    assert again[first]["state"] == "unchanged"
    assert again[first]["content_bytes"] == 0
    second = record_one(kwrap)
    found = copied(kwrap, "--all", "--to", str(place))
    assert (found[first]["state"], found[second]["state"]) == ("unchanged", "copied")
    assert found[second]["content_bytes"] == 0  # the same code and the same weights
    assert objects(str(place)) == objects(str(kwrap.project / ".kwrap"))


def test_of_one_that_runs_what_there_is_comes_first_and_the_rest_later(kwrap: Kwrap, tmp_path: Path) -> None:
    target = str(tmp_path / "target")
    process = kwrap.start(child("writes_weights.py", 2, "rename", 1.5))
    (running,) = wait_until(
        lambda: (kwrap.project / ".kwrap").exists() and [row for row in kwrap.json("ls") if row["latest_checkpoint"]],
        what="a first checkpoint",
    )
    first = copied(kwrap, "--all", "--to", target)[running["id"]]
    assert (first["state"], first["checkpoints"]) == ("copied", 1)
    assert [row["status"] for row in kwrap.json("ls", "-R", target)] == ["running"]
    process.communicate(timeout=60)
    second = copied(kwrap, "--all", "--to", target)[running["id"]]
    assert (second["state"], second["checkpoints"]) == ("updated", 1)
    assert objects(target) == objects(str(kwrap.project / ".kwrap"))
    assert [row["status"] for row in kwrap.json("ls", "-R", target)] == ["finished"]


def test_what_is_damaged_is_named_and_not_copied_and_the_others_are(kwrap: Kwrap, tmp_path: Path) -> None:
    good = record_one(kwrap)
    before = set(objects(str(kwrap.project / ".kwrap")))
    (kwrap.project / "new.txt").write_text("more code")
    bad = record_one(kwrap, size=30_000)
    new = sorted(set(objects(str(kwrap.project / ".kwrap"))) - before)
    content = ["blobs/", "packs/", "trees/"]
    wrong = [*content, "output/", "series/", "metadata/checkpoints/", "metadata/outcomes/"]
    for number, (folder, missing) in enumerate([(one, True) for one in content] + [(one, False) for one in wrong]):
        source, target = tmp_path / f"source-{number}", str(tmp_path / f"target-{number}")
        shutil.copytree(kwrap.project / ".kwrap", source)
        broken = source / next(name for name in new if name.startswith(folder))
        if missing:
            broken.unlink()
        else:
            broken.write_bytes(b"\0" + broken.read_bytes()[1:])
        found = copied(kwrap, "-R", str(source), "--all", "--to", target, status=1)
        assert (found[good]["state"], found[bad]["state"]) == ("copied", "failed"), folder
        assert broken.name in found[bad]["problems"][0]
        assert [row["id"] for row in kwrap.json("ls", "-R", target)] == [good]
        assert not [name for name in objects(target) if name.startswith("metadata/") and bad in name]
    said = kwrap("copy", bad, "-R", str(source), "--to", target)
    assert said.returncode == 1
    assert broken.name.encode() in said.stderr


def test_another_experiment_of_the_same_id_stays_as_it_is(kwrap: Kwrap, tmp_path: Path) -> None:
    taken, free = record_one(kwrap), record_one(kwrap)
    target = tmp_path / "target"
    copied(kwrap, taken, "--to", str(target))
    record = target / layout.experiment(taken)
    record.write_text(record.read_text().replace('"write_id": "', '"write_id": "another'))
    shutil.rmtree(target / "log")
    found = copied(kwrap, "--all", "--to", str(target), status=1)
    assert (found[taken]["state"], found[free]["state"]) == ("failed", "copied")
    assert "another experiment of the id" in found[taken]["problems"][0]
    assert "another" in record.read_text()


def test_a_checkpoint_that_was_removed_comes_without_its_files(kwrap: Kwrap, tmp_path: Path) -> None:
    experiment = record_one(kwrap, size=5_000_000)
    kwrap("rm", f"{experiment}@1", "--force", check=True)
    target = str(tmp_path / "target")
    found = copied(kwrap, experiment, "--to", target)[experiment]
    assert found["checkpoints"] == 2
    assert found["content_bytes"] < 6_000_000
    assert len(kwrap.json("show", experiment, "-R", target)["checkpoints"]) == 1


def test_what_makes_no_sense_is_said_before_anything_is_made(kwrap: Kwrap, tmp_path: Path) -> None:
    experiment = record_one(kwrap)
    target = tmp_path / "target"
    for words, said in (
        (["copy", experiment], b"--to URL"),
        (["copy", "--to", str(target)], b"which experiments"),
        (["copy", experiment, "--all", "--to", str(target)], b"exclude each other"),
        (["copy", "nonesuch", "--to", str(target)], b"nonesuch"),
        (["copy", "--all", "--to", ".kwrap"], b"where the experiments are"),
        (["copy", "--all", "--to", str(kwrap.project)], b"is no repository"),
    ):
        done = kwrap(*words)
        assert done.returncode in (1, 2)
        assert said in done.stderr, done.stderr
    assert not target.exists()


def test_an_experiment_that_was_removed_in_the_target_stays_removed_there(kwrap: Kwrap, tmp_path: Path) -> None:
    experiment = record_one(kwrap)
    target = str(tmp_path / "target")
    copied(kwrap, experiment, "--to", target)
    kwrap("rm", experiment, "--force", "-R", target, check=True)
    assert copied(kwrap, experiment, "--to", target)[experiment]["state"] == "removed"
    assert kwrap.json("ls", "-R", target) == []
