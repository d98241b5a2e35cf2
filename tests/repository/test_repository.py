"""A repository: made once, never over something else; records written once and read back."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_makers import ID, checkpoint, experiment, heartbeat, note, outcome, run

from kwrap.errors import AlreadyExists, AmbiguousId, Damaged, RepositoryError, StorageError, UnknownId
from kwrap.records import NoteKind, Param, Reason
from kwrap.repository.repository import Repository

OTHER = "20261121-203036-m2abcdef"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.open(str(tmp_path / "repository"), create=True)


def root(repository: Repository) -> Path:
    return Path(repository.url)


# Opening


def test_a_repository_says_what_it_is(repository: Repository) -> None:
    written = json.loads((root(repository) / "repository.json").read_text())
    assert written == {"version": 2, "min_reader": 2, "id": repository.id, "hash": "sha256", "features": []}
    assert Repository.open(repository.url).id == repository.id


def test_opening_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"there is no repository at .*/nowhere") as raised:
        Repository.open(str(tmp_path / "nowhere"))
    assert "kwrap init" in str(raised.value.hint)
    assert not (tmp_path / "nowhere").exists()


def test_an_empty_directory_becomes_a_repository(tmp_path: Path) -> None:
    Repository.open(str(tmp_path), create=True)
    assert (tmp_path / "repository.json").exists()


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("name", ["notes.txt", "nöte.txt", ".hidden"])
def test_a_directory_that_holds_something_else_is_never_written_into(tmp_path: Path, create: bool, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(RepositoryError, match="is no repository: it is not empty") as raised:
        Repository.open(str(tmp_path), create=create)
    assert "--repository" in str(raised.value.hint)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_is_no_place_for_a_repository(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/below"):
        with pytest.raises(StorageError, match="Not a directory") as raised:
            Repository.open(str(tmp_path / place), create=True)
        assert "a file lies where a directory should be" in str(raised.value.hint)
    assert (tmp_path / "file").read_text() == "mine"


def test_two_hundred_processes_may_make_it_at_once(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import sys
        from kwrap.repository.repository import Repository
        sys.stdin.readline()
        print(Repository.open(sys.argv[1], create=True).id)
    """)
    command = [sys.executable, "-c", code, str(tmp_path / "shared" / "repository")]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(200)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    answers = {process.communicate()[0] for process in processes}
    assert len(answers) == 1
    assert answers == {f"{Repository.open(str(tmp_path / 'shared' / 'repository')).id}\n".encode()}


def test_urls_and_paths_are_relative_to_the_base(tmp_path: Path) -> None:
    made = Repository.open("file://runs", base=str(tmp_path), create=True)
    assert made.url == str(tmp_path / "runs")
    for url in ("runs", "./runs", f"file://{tmp_path}/runs", str(tmp_path / "runs")):
        assert Repository.open(url, base=str(tmp_path)).id == made.id


@pytest.mark.parametrize("url", ["ftp://host/x", "", "file://"])
def test_a_url_of_no_kind_that_can_be_had_is_told(url: str) -> None:
    with pytest.raises(StorageError) as raised:
        Repository.open(url, create=True)
    assert "directory" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("header", "message", "hint"),
    [
        ({"version": 0}, "format 0", "None"),
        ({"version": 3}, "format 3; this kwrap reads up to format 2", "pip install --upgrade kwrap"),
        ({"version": 4, "min_reader": 3}, "reads up to format 2", "pip install --upgrade kwrap"),
        ({"version": 2, "min_reader": 2, "hash": "blake3"}, "reads up to format 2", "pip install --upgrade kwrap"),
    ],
)
def test_another_format_is_refused_with_a_hint(tmp_path: Path, header: dict[str, Any], message: str, hint: str) -> None:
    (tmp_path / "repository.json").write_text(json.dumps(header))
    for create in (True, False):
        with pytest.raises(RepositoryError, match=message) as raised:
            Repository.open(str(tmp_path), create=create)
        assert hint in str(raised.value.hint)


def test_a_repository_of_keepsakes_is_opened_for_reading_alone(tmp_path: Path) -> None:
    (tmp_path / "repository.json").write_text('{"version":1}')
    assert Repository.open(str(tmp_path)).states() == ([], [])
    with pytest.raises(RepositoryError, match="Keepsake") as raised:
        Repository.open(str(tmp_path), create=True)
    assert "kwrap copy" in str(raised.value.hint)


@pytest.mark.parametrize("text", ["", "{", "[]", '"2"', "{}", '{"version": "x"}', '{"version": null}', "\xff"])
def test_a_damaged_header_is_told_and_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "repository.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(Damaged, match=r"repository\.json cannot be read"):
        Repository.open(str(tmp_path), create=True)
    assert (tmp_path / "repository.json").read_bytes() == text.encode("latin-1")


def test_a_newer_format_that_allows_it_is_read_and_not_written(repository: Repository) -> None:
    repository.write_experiment(experiment())
    header = {"version": 3, "min_reader": 2, "id": repository.id, "hash": "sha256", "new": True}
    (root(repository) / "repository.json").write_text(json.dumps(header))
    newer = Repository.open(repository.url)
    assert newer.ids() == [ID]
    assert newer.state(ID).experiment == experiment()
    for write in (
        lambda: newer.write_outcome(outcome()),
        lambda: newer.write_heartbeat(heartbeat()),
        lambda: newer.delete_heartbeat(ID, "r0-a1"),
        lambda: newer.add_note(note(NoteKind.TAG, "x")),
        lambda: newer.content.store_tree(b"{}"),
        lambda: newer.write_output_segment(ID, "r0-a1", 0, b"x", b""),
        lambda: Repository.open(repository.url, create=True),
    ):
        with pytest.raises(RepositoryError, match="reads it, but writes 2 only") as raised:
            write()
        assert "upgrade" in str(raised.value.hint)


# Records


def test_every_record_comes_back_in_the_state(repository: Repository) -> None:
    repository.write_run(run())
    repository.write_experiment(experiment())
    repository.write_heartbeat(heartbeat(t_s=1.0))
    repository.write_heartbeat(heartbeat(t_s=2.0, metrics={"loss": math.inf}))
    repository.write_checkpoint(checkpoint(2, metrics={"loss": math.nan}))
    repository.write_checkpoint(checkpoint(1))
    repository.write_outcome(outcome(Reason.FAILED, exit_status=1, warnings={"samples_dropped": 3}))
    repository.add_note(note(NoteKind.NOTE, "zwei", 2))
    repository.add_note(note(NoteKind.TAG, "one", 1))
    state = repository.state(ID)
    assert state.experiment == experiment()
    assert state.runs == (run(),)
    assert state.heartbeats == (heartbeat(t_s=2.0, metrics={"loss": math.inf}),)
    assert [one.sequence for one in state.checkpoints] == [1, 2]
    assert math.isnan(state.checkpoints[1].metrics["loss"])
    assert state.outcomes == (outcome(Reason.FAILED, exit_status=1, warnings={"samples_dropped": 3}),)
    assert [one.text for one in state.notes] == ["one", "zwei"]
    assert repr(repository.states()) == repr(([state], []))
    assert repository.outcome(ID, "r0-a1") == state.outcomes[0]
    assert repository.checkpoint_sequences(ID) == [1, 2]


def test_what_is_not_there_is_none_or_empty(repository: Repository) -> None:
    assert not repository.has_experiment(ID)
    assert repository.outcome(ID, "r0-a1") is None
    assert repository.checkpoint_sequences(ID) == []
    assert repository.ids() == []
    assert repository.states() == ([], [])
    with pytest.raises(UnknownId):
        repository.state(ID)
    repository.delete_heartbeat(ID, "r0-a1")


def test_the_heartbeat_goes(repository: Repository) -> None:
    repository.write_experiment(experiment())
    repository.write_heartbeat(heartbeat())
    repository.delete_heartbeat(ID, "r0-a1")
    assert repository.state(ID).heartbeats == ()


def test_a_run_alone_is_no_experiment_yet(repository: Repository) -> None:
    repository.write_run(run())
    assert repository.states() == ([], [])
    assert repository.ids() == []


def test_writing_our_own_record_again_is_success(repository: Repository) -> None:
    repository.write_experiment(experiment(write_id="mine"))
    repository.write_experiment(experiment(write_id="mine"))
    repository.write_experiment(experiment(write_id="mine", note="the answer to the first was lost"))
    assert repository.state(ID).experiment.note is None
    repository.write_run(run())
    repository.write_run(run())


def test_a_record_of_another_is_never_written_over(repository: Repository) -> None:
    repository.write_experiment(experiment(write_id="theirs"))
    repository.write_outcome(outcome(Reason.FINISHED))
    repository.write_checkpoint(checkpoint(1, write_id="theirs"))
    for write in (
        lambda: repository.write_experiment(experiment(write_id="mine")),
        lambda: repository.write_experiment(experiment()),
        lambda: repository.write_outcome(outcome(Reason.LOST)),
        lambda: repository.write_checkpoint(checkpoint(1, write_id="mine")),
    ):
        with pytest.raises(AlreadyExists):
            write()
    assert repository.state(ID).outcomes == (outcome(Reason.FINISHED),)


def test_a_record_has_a_field_a_line_and_is_json(repository: Repository) -> None:
    repository.write_experiment(experiment(name="Größe ☃"))
    lines = (root(repository) / "metadata" / "experiments" / f"{ID}.json").read_text("utf-8").splitlines()
    assert lines[0] == "{"
    assert lines[1] == f' "id": "{ID}",'
    assert ' "name": "Größe ☃",' in lines
    assert json.loads("\n".join(lines))["params"] == {"lr": {"value": 0.01, "source": "argv"}}


ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.just(os.fsdecode(b"\xff\xfe caf\xe9"))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(ANY_TEXT, max_size=3),
    st.none() | ANY_TEXT,
    st.dictionaries(ANY_TEXT, st.floats(allow_nan=False) | st.integers() | st.booleans() | ANY_TEXT, max_size=3),
)
def test_any_experiment_comes_back(
    repository: Repository, argv: list[str], name: str | None, params: dict[str, Any]
) -> None:
    # The strings that stand for non-finite numbers come back as those: see kwrap.encoding.
    params = {key: value for key, value in params.items() if value not in ("NaN", "Infinity", "-Infinity")}
    written = experiment(argv=tuple(argv), name=name, params={key: Param(value=one) for key, one in params.items()})
    Path(repository.url, "metadata", "experiments", f"{ID}.json").unlink(missing_ok=True)
    repository.write_experiment(written)
    assert repository.state(ID).experiment == written


def test_fields_of_a_newer_version_are_kept(repository: Repository) -> None:
    repository.write_experiment(experiment())
    path = root(repository) / "metadata" / "experiments" / f"{ID}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "blue"}))
    assert repository.state(ID).experiment.extra == {"colour": "blue"}


def test_ids_are_in_the_order_of_time(repository: Repository) -> None:
    ids = ["20261121-203037-abcdefgh", "20261121-203036-zbcdefgh", "20250101-000000-mbcdefgh"]
    for one in ids:
        repository.write_experiment(experiment(id=one))
    assert repository.ids() == sorted(ids)
    assert [state.experiment.id for state in repository.states()[0]] == sorted(ids)
    assert repository.has_experiment(ids[0])


# Damage


def test_one_bad_record_costs_a_sentence_and_not_the_listing(repository: Repository) -> None:
    for one in (ID, OTHER):
        repository.write_run(run(experiment=one))
        repository.write_experiment(experiment(id=one))
        repository.write_outcome(outcome(experiment=one))
        repository.write_checkpoint(checkpoint(1, experiment=one))
    metadata = root(repository) / "metadata"
    (metadata / "outcomes" / ID / "r0-a1.json").write_text('{"experiment": ')
    (metadata / "checkpoints" / ID / "000001.json").write_text('{"sequence": "one"}')
    (metadata / "experiments" / f"{OTHER}.json").write_bytes(b"\xff\xff")
    states, problems = repository.states()
    assert [state.experiment.id for state in states] == [ID]
    assert states[0].runs == (run(),)
    assert states[0].outcomes == states[0].checkpoints == ()
    assert len(problems) == 3
    for path in (f"experiments/{OTHER}.json", f"checkpoints/{ID}/000001.json", f"outcomes/{ID}/r0-a1.json"):
        assert any(f"{repository.url}/metadata/{path} is damaged" in problem for problem in problems)
    assert repository.state_and_problems(ID)[0] == states[0]
    assert len(repository.state_and_problems(ID)[1]) == 2
    with pytest.raises(Damaged, match=rf"experiments/{OTHER}\.json is damaged"):
        repository.state(OTHER)


def test_an_experiment_whose_record_is_missing_is_a_problem(repository: Repository) -> None:
    repository.write_outcome(outcome())
    states, problems = repository.states()
    assert states == []
    assert problems == [
        f"{repository.url}/metadata/experiments/{ID}.json is missing, though other records of that experiment are there"
    ]


def test_files_that_are_no_records_are_passed_over(repository: Repository) -> None:
    repository.write_experiment(experiment())
    (root(repository) / "metadata" / "experiments" / "README.txt").write_text("hello")
    (root(repository) / "metadata" / "experiments" / ".DS_Store").write_text("hello")
    assert repository.states()[1] == []
    assert repository.ids() == [ID]


# Finding


@pytest.fixture
def three(repository: Repository) -> Repository:
    for one, fields in (
        ("20261121-203036-k3f9qx7a", {"name": "baseline", "tags": ("paper",)}),
        ("20261121-203036-k3aaaaaa", {"name": "wide"}),
        ("20261122-100000-m2bbbbbb", {"name": "wide"}),
    ):
        repository.write_experiment(experiment(id=one, **fields))
    return repository


@pytest.mark.parametrize(
    "wanted",
    ["20261121-203036-k3f9qx7a", "20261121-203036-k3f", "k3f", "K3F9", "k3f9qx7a", "baseline", "paper", " k3f "],
)
def test_an_id_a_prefix_a_name_and_a_tag_find_the_experiment(three: Repository, wanted: str) -> None:
    assert three.find(wanted) == "20261121-203036-k3f9qx7a"


def test_an_ambiguous_prefix_lists_its_candidates(three: Repository) -> None:
    with pytest.raises(AmbiguousId) as raised:
        three.find("k3")
    assert raised.value.message == "'k3' means 2 experiments: k3aaaaaa (wide), k3f9qx7a (baseline)"
    assert raised.value.hint == "give more characters of the id"
    with pytest.raises(AmbiguousId, match=r"'wide' means 2 experiments: k3aaaaaa \(wide\), m2bbbbbb \(wide\)"):
        three.find("wide")


def test_many_candidates_are_not_all_listed(three: Repository) -> None:
    for number in range(20):
        three.write_experiment(experiment(id=f"20261201-000000-z{number:07d}"))
    with pytest.raises(AmbiguousId, match=r"'z' means 20 experiments: z0000012, .*z0000019 and 12 older"):
        three.find("z")


@pytest.mark.parametrize(("wanted", "near"), [("k3f9qx7b", "k3f9qx7a"), ("basline", "baseline"), ("papper", "paper")])
def test_an_unknown_id_names_near_ones(three: Repository, wanted: str, near: str) -> None:
    with pytest.raises(UnknownId, match=f"no experiment matches '{wanted}' in {three.url}") as raised:
        three.find(wanted)
    assert f"did you mean {near}" in str(raised.value.hint)
    assert "kwrap ls --last 20" in str(raised.value.hint)


@pytest.mark.parametrize("wanted", ["", " ", "zzz", "/", "..", "*"])
def test_what_matches_nothing_is_unknown(three: Repository, wanted: str) -> None:
    with pytest.raises(UnknownId):
        three.find(wanted)


def test_in_an_empty_repository_nothing_is_found(repository: Repository) -> None:
    with pytest.raises(UnknownId) as raised:
        repository.find("k3f")
    assert raised.value.hint == "no experiment has been recorded there yet"


def test_a_tag_that_only_a_removed_experiment_has_finds_nothing(three: Repository) -> None:
    three.add_note(note(NoteKind.TAG, "old", 1, experiment="20261122-100000-m2bbbbbb"))
    assert three.find("old") == "20261122-100000-m2bbbbbb"
    three.add_note(note(NoteKind.DELETE, "", 2, experiment="20261122-100000-m2bbbbbb"))
    assert three.find("wide") == "20261121-203036-k3aaaaaa"
    with pytest.raises(UnknownId):
        three.find("old")
    assert three.find("m2b") == "20261122-100000-m2bbbbbb"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=6))
def test_find_gives_an_id_or_an_error_for_any_text(three: Repository, wanted: str) -> None:
    try:
        assert three.find(wanted) in three.ids()
    except (UnknownId, AmbiguousId) as error:
        assert error.hint


def test_a_run_that_ends_while_we_look_never_appears_lost(repository: Repository) -> None:
    """A process begins, beats, ends; every look in between sees a heartbeat, an outcome, or no experiment."""
    code = textwrap.dedent("""
        import sys
        sys.path[:0] = sys.argv[2:]
        from record_makers import experiment, heartbeat, outcome, run
        from kwrap.repository.repository import Repository
        repository = Repository.open(sys.argv[1])
        for number in range(150):
            one = f"20261121-203036-a{number:07d}"
            repository.write_run(run(experiment=one))
            repository.write_heartbeat(heartbeat(experiment=one))
            repository.write_experiment(experiment(id=one))
            repository.write_outcome(outcome(experiment=one))
            repository.delete_heartbeat(one, "r0-a1")
    """)
    writer = subprocess.Popen([sys.executable, "-c", code, repository.url, str(Path(__file__).parent)])
    while writer.poll() is None:
        states, problems = repository.states()
        assert problems == []
        assert all(state.runs and (state.heartbeats or state.outcomes) for state in states)
    assert writer.returncode == 0
    assert len(repository.ids()) == 150
