"""What docs/keepsake.md says that kwrap does otherwise than Keepsake, on repositories of Keepsake's format."""

from __future__ import annotations

import io
import math
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest
from keepsake_client import Client, needs_keepsake
from keepsake_fixture import REPOSITORY, Done, Keepsake, needs_fixture
from keepsake_fixture import kwrap as run

from kwrap.project import Project

LOSS = {"name": "loss", "goal": "minimize"}


@pytest.fixture
def made(tmp_path: Path) -> Keepsake:
    return Keepsake(tmp_path / "repository")


def ls(made: Keepsake, *words: str) -> Done:
    return run("ls", "-R", made.url, *words)


def listed(made: Keepsake, *words: str) -> list[str]:
    """The first digits of the ids."""
    done = ls(made, "-q", *words)
    assert done.status == 0, done.err
    return [one[0] for one in done.out.split()]


def losses(made: Keepsake, *values: Any) -> None:
    for number, value in enumerate(values, 1):
        made.experiment(number, {"metrics": {"loss": value}, "primary_metric": LOSS})


def test_integers_and_floats_compare_as_numbers_in_filters(made: Keepsake) -> None:
    losses(made, 1, 0.5, 2)
    assert listed(made, "--filter", "loss <= 1.0") == ["1", "2"]
    assert listed(made, "--filter", "loss = 1.0") == ["1"]
    assert listed(made, "--filter", "loss != 0.5") == ["1", "3"]


@needs_keepsake
def test_where_keepsake_ends_its_listing(made: Keepsake, tmp_path: Path) -> None:
    losses(made, 1, 0.5, 2)
    Client(made.path, tmp_path / "home")("ls", "--filter", "loss <= 1.0", fails=True)


def test_values_of_different_kinds_are_sorted_and_what_is_missing_is_last(made: Keepsake) -> None:
    losses(made, "text", 0.5, None, 2, math.nan, 1)
    made.experiment(7)
    for key, known in (("loss", ["2", "6", "4", "1"]), ("loss-desc", ["4", "6", "2", "1"])):
        found = listed(made, "--sort", key)
        assert (found[:4], sorted(found[4:])) == (known, ["3", "5", "7"])


def test_a_metric_of_a_run_without_a_primary_metric_can_be_filtered_by(made: Keepsake) -> None:
    made.experiment(1, {"metrics": {"loss": 2}}, {"metrics": {"loss": 0.5}})
    made.experiment(2, {"metrics": {"loss": 0.4}}, {"metrics": {"loss": 3}})
    assert listed(made, "--filter", "loss < 1") == ["1"]


def test_a_metric_that_the_shown_checkpoint_lacks_has_its_last_value(made: Keepsake) -> None:
    made.experiment(1, {"metrics": {"loss": 2, "early": 7}}, {"metrics": {"loss": 0.5}})
    assert listed(made, "--filter", "early = 7") == ["1"]


def test_a_checkpoint_that_lacks_a_metric_of_the_first_one_is_shown(made: Keepsake) -> None:
    made.experiment(1, {"metrics": {"a": 1, "b": 2}}, {"metrics": {"a": 3}}, {"metrics": None})
    done = run("show", "1111", "-R", made.url)
    assert (done.status, "@3" in done.out) == (0, True)


def test_the_best_is_found_among_ragged_and_unordered_values(made: Keepsake) -> None:
    values = [None, 3, "NaN", 1, "[NaN]", 2, {}]
    checkpoints = [{"metrics": {"loss": value} if value != {} else {}, "primary_metric": LOSS} for value in values]
    made.experiment(1, *checkpoints)
    best = Project(made.url).experiments.get("1111").best()
    assert best is not None and best.metrics["loss"] == 1


def test_the_primary_metric_is_the_first_that_any_checkpoint_names(made: Keepsake) -> None:
    made.experiment(1, {"metrics": {"loss": 3}}, *({"metrics": {"loss": n}, "primary_metric": LOSS} for n in (1, 2)))
    best = Project(made.url).experiments.get("1111").best()
    assert best is not None and best.sequence == 2


def test_a_param_that_some_experiments_lack_differs(made: Keepsake) -> None:
    made.experiment(1, params={"same": 1})
    made.experiment(2, params={"same": 1, "new": 2})
    assert "new" in ls(made).out and "same" not in ls(made).out


def test_a_file_keeps_the_mode_that_its_tarball_says(made: Keepsake, tmp_path: Path) -> None:
    experiment_id = made.experiment(1, files={})
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, mode in (("run.sh", 0o755), ("key", 0o600)):
            member = tarfile.TarInfo(f"{experiment_id}/{name}")
            member.mode = mode
            tar.addfile(member)
    made.packed(f"experiments/{experiment_id}", plain.getvalue())
    run("checkout", experiment_id, "-o", str(tmp_path / "out"), "-R", made.url)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()}
    assert modes == {"run.sh": 0o755, "key": 0o600}


def test_what_a_path_does_not_name_is_an_error(made: Keepsake, tmp_path: Path) -> None:
    made.experiment(1, files={"train.py": b"1", "sub/a.txt": b"2"})
    for path in ("train", "nothing"):
        done = run("checkout", "1111", "--path", path, "-o", str(tmp_path / "out"), "-R", made.url)
        assert (done.status, (tmp_path / "out").exists()) == (1, False)
    assert run("checkout", "1111", "--path", "*.txt", "-o", str(tmp_path / "out"), "-R", made.url).status == 0
    assert [path.name for path in (tmp_path / "out").rglob("*.txt")] == ["a.txt"]


def test_a_path_is_checked_out_into_another_file_system(made: Keepsake, small_disk: Path) -> None:
    made.experiment(1, files={"train.py": b"1", "sub/a.txt": b"2"})
    assert run("checkout", "1111", "--path", "sub", "-o", str(small_disk / "out"), "-R", made.url).status == 0
    assert (small_disk / "out" / "sub" / "a.txt").read_bytes() == b"2"


def test_what_a_checkout_overwrites_can_be_brought_back(made: Keepsake, tmp_path: Path) -> None:
    made.experiment(1, files={"train.py": b"theirs"})
    out = tmp_path / "out"
    out.mkdir()
    (out / "train.py").write_text("mine")
    assert run("checkout", "1111", "-o", str(out), "-R", made.url).status == 1
    assert run("checkout", "1111", "-f", "-o", str(out), "-R", made.url).status == 0
    assert (out / "train.py").read_text() == "theirs"
    assert run("checkout", "--undo", "-o", str(out), "-R", made.url).status == 0
    assert (out / "train.py").read_text() == "mine"


@needs_fixture
def test_a_prefix_of_an_experiment_comes_before_one_of_a_checkpoint() -> None:
    shown = run("show", "8", "--json", "-R", str(REPOSITORY)).data
    assert shown["short_id"] == "8720dddd"  # Keepsake: ambiguous, for two checkpoints begin with 8 too
    assert run("show", "49cb", "--json", "-R", str(REPOSITORY)).data["sequence"] == 2
    assert run("show", "zzzz", "-R", str(REPOSITORY)).status == 1


def test_a_prefix_of_several_checkpoints_is_ambiguous(made: Keepsake) -> None:
    for number in (1, 2):
        made.experiment(number, {"id": "abcdef" + f"{number:x}" * 58})
    assert "means 2 checkpoints" in run("show", "abcde", "-R", made.url).err
    assert run("show", "abcdef2", "--json", "-R", made.url).data["id"] == "22222222@1"


def test_a_repository_of_the_first_versions_without_a_header_is_read(made: Keepsake) -> None:
    made.experiment(1, keepsake_version="", replicate_version="0.1.13")
    (made.path / "repository.json").unlink()
    (found,) = ls(made, "--json").data
    assert run("show", found["id"], "--json", "-R", made.url).data["keepsake"]["version"] == "0.1.13"


def test_a_place_that_only_looks_like_one_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "metadata" / "experiments").mkdir(parents=True)
    (tmp_path / "metadata" / "experiments" / "20261121-203036-k3f9qx7a.json").write_text("{}")
    assert "no repository.json" in run("ls", "-R", str(tmp_path)).err


def test_a_version_that_never_was_is_refused(made: Keepsake) -> None:
    (made.path / "repository.json").write_text('{"version":0}')
    assert "format 0" in ls(made).err


@pytest.mark.parametrize("fraction", ["", ".5", ".123456", ".123456789"])
def test_times_are_read_with_any_number_of_digits(made: Keepsake, fraction: str) -> None:
    made.experiment(1, {"created": f"2021-03-11T10:00:02{fraction}Z"}, created="2021-03-11T10:00:00Z")
    (found,) = ls(made, "--json", "--strict").data
    assert found["duration_s"] == pytest.approx(2 + float(f"0{fraction}"))
    assert found["latest_checkpoint"]["created_at"] == f"2021-03-11T10:00:02{fraction}Z"


def test_what_is_null_or_missing_is_nothing(made: Keepsake) -> None:
    fields = dict.fromkeys(("params", "checkpoints", "config", "python_packages", "user", "python_version"))
    made.experiment(1, **fields)
    (found,) = ls(made, "--json", "--strict").data
    assert (found["params"], found["num_checkpoints"], found["user"], found["best_checkpoint"]) == ({}, 0, None, None)


def test_values_are_read_as_keepsake_read_them(made: Keepsake) -> None:
    params = {"a": "[NaN]", "b": "[+Infinity]", "c": "[-Infinity]", "d": "None", "e": "null", "f": "2", "g": 2}
    made.experiment(1, params=params)
    found = Project(made.url).experiments.get("1111").params
    assert math.isnan(found.pop("a"))  # type: ignore[arg-type]
    assert found == {"b": math.inf, "c": -math.inf, "d": None, "e": None, "f": "2", "g": 2}


def test_a_command_that_no_shell_would_read_is_kept_as_it_is(made: Keepsake) -> None:
    for number, command in enumerate(("train.py 'it is'", "train.py it's", "a  b"), 1):
        made.experiment(number, command=command)
    commands = [one.command for one in Project(made.url).experiments.list()]
    assert commands[0] == "train.py 'it is'"
    assert [one.record.argv[-1] for one in Project(made.url).experiments.list()][1:] == ["train.py it's", "a  b"]
