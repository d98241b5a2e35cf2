"""`kwrap tag`, `note` and `rm`: appended, seen at once, and taken back."""

from __future__ import annotations

from command_line import Command


def test_a_tag_names_the_experiment_until_it_is_taken_away(command: Command) -> None:
    assert command("tag", "adam", "champion").out == "m2vtb8rd has the tag champion.\n"
    assert command("show", "champion", "--json").data["tags"] == ["champion"]
    assert [one["short_id"] for one in command("ls", "--json", "-f", "tags contains champion").data] == ["m2vtb8rd"]
    assert command("tag", "adam", "champion", "--remove").out == "m2vtb8rd has no tags.\n"
    assert command("show", "champion").status == 1


def test_a_tag_of_the_start_can_be_taken_away_too(command: Command) -> None:
    assert command("tag", "baseline", "v1", "--remove").status == 0
    assert command("show", "baseline", "--json").data["tags"] == []


def test_a_checkpoint_can_be_tagged_and_named_by_its_tag(command: Command) -> None:
    assert command("tag", "baseline@1", "early").out == "k3f9qx7a@1 has the tag early.\n"
    assert command("show", "baseline@early", "--json").data["sequence"] == 1
    assert "early" in command("show", "baseline").out


def test_a_name_or_tag_is_not_taken_for_the_beginning_of_another_id(command: Command) -> None:
    command("tag", "baseline", "m2")
    command("tag", "baseline", "q")
    assert command("show", "m2", "--json").data["name"] == "baseline"
    assert "k3f9qx7a" in command("rm", "q", "--force", "--json").out
    assert command("show", "m2", "--json").data["name"] == "adam", "the removed one has given its tags up"
    assert command("show", "M2V", "--json").data["name"] == "adam"


def test_several_that_are_called_the_same_are_named_by_id(command: Command) -> None:
    command("tag", "baseline", "adam")
    done = command("show", "adam")
    assert done.status == 1
    assert "'adam' means 2 experiments: k3f9qx7a (baseline), m2vtb8rd (adam)" in done.err
    assert "hint: name one of them by its id" in done.err


def test_the_note_of_a_checkpoint_is_shown_with_it(command: Command) -> None:
    command("note", "baseline@1", "too", "early")
    assert "note        too early" in command("show", "baseline@1").out
    assert command("show", "baseline@1", "--json").data["note"] == "too early"
    assert command("show", "baseline", "--json").data["note"] == "keep this one"


def test_what_was_removed_says_so_and_what_is_left(command: Command) -> None:
    command("rm", "baseline@2", "--force")
    command("tag", "baseline@1", "early")
    done = command("show", "baseline@2")
    assert "error: checkpoint k3f9qx7a@2 was removed\n" in done.err
    assert "hint: it has k3f9qx7a@1 to @3; also @best, @latest, @early\n" in done.err


def test_the_last_note_is_shown_and_needs_no_quotes(command: Command) -> None:
    command("note", "adam", "better", "than", "before")
    command("note", "adam", "and", "slower")
    assert command("show", "adam", "--json").data["note"] == "and slower"
    assert "note        and slower" in command("show", "adam").out


def test_a_removed_experiment_is_hidden_and_its_id_still_shows_it(command: Command) -> None:
    done = command("rm", "adam", "--force")
    assert done.status == 0 and "Removed 1 experiment." in done.out and "kwrap gc" in done.out
    assert "m2vtb8rd" not in command("ls").out
    assert command("show", "adam").status == 1
    shown = command("show", "m2vtb8rd")
    assert shown.status == 0 and "it was removed from the list" in shown.out
    assert command("rm", "m2vtb8rd", "--force").status == 1


def test_what_is_running_is_removed_by_force_only(command: Command) -> None:
    assert "is running" in command("rm", "long").err
    assert command("rm", "long", "--force").status == 0


def test_nothing_is_removed_when_one_of_the_names_is_wrong(command: Command) -> None:
    assert command("rm", "adam", "nonsense", "--force").status == 1
    assert "m2vtb8rd" in command("ls").out


def test_a_removed_checkpoint_is_no_longer_best(command: Command) -> None:
    command("rm", "baseline@2", "--force")
    data = command("show", "baseline", "--json").data
    assert [one["sequence"] for one in data["checkpoints"]] == [1, 3]
    assert data["best_checkpoint"]["sequence"] == 3


def test_ids_of_a_list_can_be_handed_to_rm(command: Command) -> None:
    ids = command("ls", "-q", "-f", "status in [failed, killed]").out.split()
    assert "Removed 2 experiments." in command("rm", "--force", *ids).out
    assert len(command("ls", "-q").out.split()) == 4
