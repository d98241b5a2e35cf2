"""The log: what is recorded is told, and whoever was killed between the two is made up for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from record_makers import ID, checkpoint, experiment, note, outcome, run

from kwrap.errors import AlreadyExists
from kwrap.records import NoteKind
from kwrap.repository import events, layout
from kwrap.repository.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.open(str(tmp_path / "repository"), create=True)


def told(repository: Repository) -> list[events.Event]:
    names = [stored.name for stored in repository.storage.list(layout.LOG)]
    return [events.decode(repository.storage.read(name), name) for name in names]


def test_every_change_of_an_experiment_is_told_with_its_record(repository: Repository) -> None:
    repository.begin(run(), experiment())
    repository.write_checkpoint(checkpoint(1))
    repository.add_note(note(NoteKind.TAG, "paper"))
    repository.write_outcome(outcome())
    events.tell(repository.storage, ID, {}, removed=True)
    own, of_run, ended = layout.experiment(ID), layout.run(ID, "r0-a1"), layout.outcome(ID, "r0-a1")
    found = {frozenset(one.records): one for one in told(repository)}
    assert set(found) == {
        frozenset({own, of_run}),
        frozenset({layout.checkpoint(ID, 1)}),
        frozenset({layout.note(ID, note(NoteKind.TAG).id)}),
        frozenset({own, of_run, ended}),
        frozenset(),
    }
    assert found[frozenset({own, of_run, ended})].checkpoints == (1,)
    assert found[frozenset()].removed
    assert found[frozenset({layout.checkpoint(ID, 1)})].records[layout.checkpoint(ID, 1)]["sequence"] == 1


def test_an_event_is_named_by_its_hour_its_time_and_its_experiment(repository: Repository) -> None:
    repository.begin(run(), experiment())
    (stored,) = repository.storage.list(layout.LOG)
    log, hour, name = stored.name.split("/")
    assert (log, name[:11], layout.event_experiment(stored.name)) == ("log", hour, ID)
    assert layout.event(layout.event_id(stored.name), ID) == stored.name


def test_packages_and_variables_are_not_told(repository: Repository) -> None:
    repository.begin(run(), experiment(packages={"numpy": "2.1.0"}, environment={"HOME": "/home/ada"}))
    (event,) = told(repository)
    assert not event.records[layout.experiment(ID)].keys() & {"packages", "environment"}
    assert repository.state(ID).experiment.packages == {"numpy": "2.1.0"}


def test_beginning_again_after_a_crash_tells_again(repository: Repository) -> None:
    repository.write_run(run())
    repository.write_experiment(experiment())
    repository.begin(run(), experiment())
    assert len(told(repository)) == 1


@pytest.mark.parametrize("what", ["checkpoint", "outcome"])
def test_of_a_record_that_another_wrote_that_one_is_told(repository: Repository, what: str) -> None:
    theirs = {"checkpoint": checkpoint(1, write_id="theirs"), "outcome": outcome(write_id="theirs")}[what]
    ours = {"checkpoint": checkpoint(1, write_id="ours"), "outcome": outcome(write_id="ours")}[what]
    write = getattr(repository, f"write_{what}")
    write(theirs)
    with pytest.raises(AlreadyExists):
        write(ours)
    assert [record["write_id"] for one in told(repository) for record in one.records.values()] == ["theirs"] * 2


def test_telling_anew_tells_everything(repository: Repository) -> None:
    repository.write_run(run())
    repository.write_experiment(experiment())
    (Path(repository.url) / layout.CHECKPOINTS / ID).mkdir(parents=True)
    (Path(repository.url) / layout.checkpoint(ID, 1)).write_text(json.dumps({"sequence": 1}))
    (Path(repository.url) / layout.checkpoint(ID, 2)).write_text("{")
    repository.tell(ID)
    (event,) = told(repository)
    assert sorted(event.records) == sorted([layout.experiment(ID), layout.run(ID, "r0-a1"), layout.checkpoint(ID, 1)])
