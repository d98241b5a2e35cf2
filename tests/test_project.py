"""`import kwrap`: what a script or a notebook does with experiments, without the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kwrap

sys.path.insert(0, str(Path(__file__).parent / "cli"))

import sample_repository

from kwrap.clock import Clock
from kwrap.errors import AmbiguousId, FilterError, KwrapError, RepositoryError, UnknownId
from kwrap.project.difference import diff
from kwrap.project.measured import overview
from kwrap.repository.repository import Repository


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("KWRAP_REPOSITORY", raising=False)
    monkeypatch.chdir(tmp_path)
    return sample_repository.make(tmp_path)


@pytest.fixture
def project(repository: Repository) -> kwrap.Project:
    return kwrap.Project(repository.url, clock=sample_repository.FixedClock())


def _names(experiments: kwrap.ExperimentList) -> list[str]:
    return [one.short_id for one in experiments]


def test_experiments_are_listed_oldest_first(project: kwrap.Project) -> None:
    assert _names(project.experiments.list()) == [
        *("k3f9qx7a", "m2vtb8rd", "p7wz1c4h", "q9h5n0es", "v8cn4k1w", "t6jx3g2m"),
    ]


def test_a_list_can_be_filtered_by_text_texts_and_a_function(project: kwrap.Project) -> None:
    experiments = project.experiments
    assert _names(experiments.list(filter="loss < 0.5")) == ["k3f9qx7a", "m2vtb8rd"]
    assert _names(experiments.list(filter=["loss < 0.5", "optimizer = adam"])) == ["m2vtb8rd"]
    assert _names(experiments.list(filter=lambda one: one.params["lr"] == 0.05)) == ["t6jx3g2m"]
    assert _names(experiments.list(status=["failed", "killed"])) == ["p7wz1c4h", "q9h5n0es"]
    assert _names(experiments.list(status="stopped", last=2)) == ["q9h5n0es", "v8cn4k1w"]
    assert _names(experiments.list(sort="-loss", filter="loss != null", last=3)) == ["v8cn4k1w", "t6jx3g2m", "q9h5n0es"]
    with pytest.raises(FilterError):
        experiments.list(filter="los < 1")
    with pytest.raises(FilterError):
        experiments.list(status="done")


def test_a_slice_of_a_list_is_a_list(project: kwrap.Project) -> None:
    part = project.experiments.list()[1:3]
    assert isinstance(part, kwrap.ExperimentList)
    assert (_names(part), part.total) == (["m2vtb8rd", "p7wz1c4h"], 6)


def test_an_experiment_is_found_by_id_prefix_short_id_name_and_tag(project: kwrap.Project) -> None:
    get = project.experiments.get
    found = {get(name).id for name in ("20261121-180000-k3f9qx7a", "20261121-18", "k3f", "K3F9", "baseline", "v1")}
    assert found == {sample_repository.BASELINE}
    with pytest.raises(UnknownId):
        get("nothing")
    with pytest.raises(AmbiguousId):
        get("2026")


def test_an_experiment_says_what_it_was_and_how_it_ended(project: kwrap.Project) -> None:
    one = project.experiments.get("baseline")
    assert one.params == {"lr": 0.1, "optimizer": "sgd", "epochs": 3, "dataset": "digits"}
    assert (one.status.value, one.duration_s, one.is_running()) == ("finished", 192.4, False)
    assert one.command == "python train.py --lr=0.1 --optimizer=sgd --epochs=3"
    assert (one.tags, one.note_text) == (("v1",), "keep this one")
    assert project.experiments.get("p7wz").sentence == "Failed with exit status 1 after 0.84 s."
    assert repr(one) == "<experiment k3f9qx7a 'baseline', finished>"


def test_best_and_latest_are_by_the_primary_metric(project: kwrap.Project) -> None:
    one = project.experiments.get("baseline")
    best, latest = one.best(), one.latest()
    assert best is not None and latest is not None
    assert (best.id, best.metrics["loss"], best.is_best()) == ("k3f9qx7a@2", 0.31, True)
    assert (latest.id, latest.is_best()) == ("k3f9qx7a@3", False)
    assert project.experiments.get("long").best() is None
    assert [each.sequence for each in one.checkpoints] == [1, 2, 3]


def test_a_checkpoint_is_named_by_number_best_latest_and_tag(project: kwrap.Project) -> None:
    named = project.experiments.checkpoint
    assert [named(f"baseline@{which}").sequence for which in ("1", "best", "latest")] == [1, 2, 3]
    assert named("baseline").sequence == 2
    named("baseline@1").tag("early")
    assert named("baseline@early").sequence == 1
    assert isinstance(project.find("baseline"), kwrap.Experiment)
    assert isinstance(project.find("baseline@best"), kwrap.Checkpoint)
    with pytest.raises(UnknownId, match="has no checkpoint 'nope'"):
        named("baseline@nope")


def test_metrics_are_points_with_steps(project: kwrap.Project) -> None:
    one = project.experiments.get("baseline")
    points = one.metrics("loss")
    assert [(point.step, point.value) for point in points[:2]] == [(10, 1.8), (20, 1.2)]
    assert len(one.metrics()) == 12
    with pytest.raises(FilterError) as error:
        one.metrics("lss")
    assert error.value.hint == "did you mean loss?"


def test_an_overview_summarises_also_what_still_runs(project: kwrap.Project) -> None:
    (loss,) = overview(project.experiments.get("long"))
    assert (loss.summary.count, loss.summary.last, loss.summary.maximum, loss.course) == (
        3,
        0.72,
        1.5,
        (1.5, 1.0, 0.72),
    )


def test_a_file_is_opened_as_a_stream_from_the_best_checkpoint_else_from_the_code(project: kwrap.Project) -> None:
    one = project.experiments.get("baseline")
    with one.open("weights/model.npz") as stream:
        assert stream.read(33) == b"weights 20261121-180000-k3f9qx7a "
        stream.seek(-2, 2)
        assert stream.read() == b"2 "
    assert one.open("model.npz").read(4) == b"weig"
    assert one.open("./train.py").read().startswith(b"import argparse")
    assert one.checkpoint(1).open("model.npz").read(34).endswith(b" 1")
    with pytest.raises(UnknownId) as error:
        one.open("weights/modle.npz")
    assert "weights/model.npz" in str(error.value.hint)


def test_checkout_refuses_to_overwrite_and_can_be_forced(project: kwrap.Project, tmp_path: Path) -> None:
    one = project.experiments.get("adam")
    done = one.checkout(str(tmp_path / "again"))
    assert {change.action for change in done.changes} == {"create"}
    (tmp_path / "again" / "train.py").write_text("mine")
    with pytest.raises(KwrapError, match=r"would be changed: train\.py"):
        one.checkout(str(tmp_path / "again"))
    assert one.checkout(str(tmp_path / "again"), force=True).backup is not None
    told: list[int] = []
    one.checkpoint(1).checkout(str(tmp_path / "first"), paths=["weights"], progress=told.append)
    assert sum(told) == 35_000


def test_logs_are_chunks_of_one_stream_each_with_times(project: kwrap.Project) -> None:
    chunks = list(project.experiments.get("baseline").logs())
    assert [(chunk.t_s, chunk.stream) for chunk in chunks] == [
        (0.1, 1),
        (60.0, 2),
        (60.1, 1),
        (60.2, 2),
        (60.3, 1),
        (190.0, 1),
    ]


def test_tags_notes_and_deletion_are_seen_after_a_refresh(project: kwrap.Project) -> None:
    one = project.experiments.get("adam")
    one.tag("a")
    one.refresh().tag("b")
    one.refresh().untag("a")
    one.note("first")
    one.refresh().note("second")
    again = one.refresh()
    assert (one.tags, again.tags, again.note_text) == ((), ("b",), "second")
    one.delete()
    assert one.refresh().deleted
    assert "m2vtb8rd" not in _names(project.experiments.list())


def test_a_note_sorts_behind_those_that_are_known_when_the_clock_was_set_back(repository: Repository) -> None:
    ahead = kwrap.Project(repository.url, clock=sample_repository.FixedClock("2027-01-01T00:00:00.000Z"))
    behind = kwrap.Project(repository.url, clock=sample_repository.FixedClock())
    ahead.experiments.get("adam").tag("word")
    behind.experiments.get("adam").untag("word")
    assert behind.experiments.get("adam").tags == ()


def test_a_difference_is_structured(project: kwrap.Project) -> None:
    found = diff(project.find("baseline"), project.find("adam"))
    params = {one.name: (one.left, one.right) for one in found.fields if one.section == "params"}
    assert params == {"lr": (0.1, 0.01), "optimizer": ("sgd", "adam"), "beta": (None, [0.9, 0.999])}
    assert found.code is not None
    assert [(one.path, one.change.value) for one in found.code] == [
        *(("README.md", "removed"), ("run.sh", "added"), ("train.py", "modified")),
    ]
    assert diff(project.find("baseline"), project.find("adam"), code=False).code is None


def test_to_json_is_json(project: kwrap.Project) -> None:
    for one in project.experiments.list():
        json.dumps(one.to_json(), allow_nan=False)
        for each in one.checkpoints:
            assert json.loads(json.dumps(each.to_json()))["id"] == each.id


def test_a_notebook_gets_tables_in_which_nothing_is_html(project: kwrap.Project) -> None:
    project.experiments.get("adam").tag("<script>")
    experiments = project.experiments.list()
    texts = [experiments._repr_html_(), *(one._repr_html_() for one in experiments)]
    texts += [each._repr_html_() for one in experiments for each in one.checkpoints]
    assert all("<script>" not in text and text.count("<table>") >= 1 for text in texts)
    assert "&lt;script&gt;" in "".join(texts)


def test_the_default_project_is_found_around_the_working_directory(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "kwrap.yaml").write_text("repository: repository\n")
    assert len(kwrap.Project().experiments.list()) == 6
    assert kwrap.Project().directory == str(tmp_path)


def test_the_environment_names_a_repository_and_an_argument_comes_before_it(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KWRAP_REPOSITORY", str(tmp_path / "repository"))
    assert len(kwrap.Project().experiments.list()) == 6
    with pytest.raises(RepositoryError, match="there is no repository at"):
        kwrap.Project(str(tmp_path / "other")).experiments.list()


def test_where_nothing_was_recorded_the_list_is_empty_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KWRAP_REPOSITORY", raising=False)
    project = kwrap.Project(directory=str(tmp_path))
    assert project.experiments.list(filter="loss < 1") == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnknownId, match="nothing was recorded"):
        project.experiments.get("x")


def test_damaged_records_are_named_and_the_others_listed(repository: Repository, project: kwrap.Project) -> None:
    path = Path(repository.url) / "metadata" / "experiments" / f"{sample_repository.ADAM}.json"
    path.write_text("{")
    found = project.experiments.list()
    assert len(found) == 5 and len(found.problems) == 1
    assert found[:2].problems == found.problems


def test_time_goes_by_the_projects_clock(repository: Repository) -> None:
    class Later(Clock):
        def wall_ns(self) -> int:
            return sample_repository.FixedClock().wall_ns() + 60_000_000_000

    assert kwrap.Project(repository.url, clock=Later()).experiments.get("long").status.value == "lost"


def test_the_example_of_the_readme_runs(repository: Repository, tmp_path: Path) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    program = example.replace("val_loss", "loss")  # as the sample calls it
    environment = {**os.environ, "KWRAP_REPOSITORY": repository.url}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "0.27 None\n"
    assert (tmp_path / "again/weights/model.npz").exists()
