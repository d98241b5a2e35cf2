"""What lists, details and differences look like: goldens at fixed widths and at a fixed time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from command_line import Command, Golden

from kwrap.records import Param

SHOWN = {
    "ls-140": ("ls",),
    "ls-100": ("ls",),
    "ls-80": ("ls",),
    "ls-60": ("ls",),
    "ls-pipe": ("ls",),
    "ls-all-80": ("ls", "--all"),
    "ls-all-220": ("ls", "--all"),
    "ls-filtered-100": ("ls", "-f", "loss < 1", "--sort", "loss-desc"),
    "ls-without-primary-100": ("ls", "--status", "running", "--status", "lost"),
    "ps-100": ("ps",),
    "show-finished-100": ("show", "baseline"),
    "show-finished-all-80": ("show", "baseline", "--all"),
    "show-failed-100": ("show", "p7wz"),
    "show-killed-80": ("show", "q9h"),
    "show-lost-100": ("show", "v8c"),
    "show-running-100": ("show", "long"),
    "show-checkpoint-100": ("show", "baseline@best"),
    "diff-100": ("diff", "baseline", "adam"),
    "diff-no-code-80": ("diff", "baseline", "long", "--no-code"),
    "diff-checkpoints-100": ("diff", "baseline@1", "baseline@best"),
    "diff-same-100": ("diff", "baseline", "baseline"),
    "metrics-100": ("metrics", "baseline"),
    "metrics-name-100": ("metrics", "q9h", "--name", "loss"),
    "checkout-dry-run-100": ("checkout", "adam", "-o", "again", "--dry-run"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_output_is_as_in_its_golden(name: str, command: Command, golden: Golden) -> None:
    columns = name.rpartition("-")[2]
    done = command(*SHOWN[name], columns=int(columns) if columns.isdecimal() else None)
    assert (done.status, done.err) == (0, "")
    golden(f"{name}.txt", done.out)


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 140])
@pytest.mark.parametrize(
    "words", [("ls",), ("ps",), ("diff", "baseline", "adam", "--no-code"), ("metrics", "baseline")]
)
def test_no_line_is_wider_than_the_screen(columns: int, words: tuple[str, ...], command: Command) -> None:
    done = command(*words, columns=columns)
    assert max(map(len, done.out.splitlines())) <= columns


def test_a_pipe_gets_one_whole_line_for_each_experiment(command: Command) -> None:
    done = command("ls", columns=None)
    lines = done.out.splitlines()
    assert len(lines) == 7
    assert "learning rate far too high" in done.out
    assert "\x1b" not in done.out
    assert done.err == ""


def test_a_terminal_gets_colours_a_first_sentence_and_word_of_what_found_no_room(command: Command) -> None:
    done = command("ls", columns=80, colours=True, terminal=True)
    assert "\x1b[31mfailed\x1b[0m" in done.out
    assert done.err.startswith("6 experiments in repository: 2 finished, 1 failed")
    assert "no room for TAGS" in done.err


def test_params_that_are_the_same_everywhere_are_shown_with_all_only(command: Command) -> None:
    assert "dataset" not in command("ls", columns=None).out
    assert "dataset" in command("ls", "--all", columns=None).out


def test_an_experiment_without_checkpoints_shows_what_it_printed_last(command: Command) -> None:
    assert command("ls", "--json", "-f", "id = q9h5n0es").data[0]["metrics"] == {"loss": "NaN"}


def test_quiet_prints_whole_ids_only(command: Command) -> None:
    done = command("ls", "-q", "--last", "2")
    assert done.out.split() == ["20261121-204500-v8cn4k1w", "20261121-210000-t6jx3g2m"]


def test_list_is_another_name_of_ls(command: Command) -> None:
    assert command("list").out == command("ls").out


def test_control_characters_that_were_recorded_do_not_reach_the_terminal(command: Command) -> None:
    command("note", "baseline", "bell\x07 and \x1b[31mred")
    done = command("show", "baseline")
    assert "\x07" not in done.out and "\x1b" not in done.out
    assert "bell\\x07" in done.out


def test_where_best_stands_alone_a_run_without_checkpoints_shows_what_it_printed_last(command: Command) -> None:
    command("rm", "--force", "baseline@3", "adam@1")  # what is left of checkpoints is best and latest at once
    header, *lines = command("ls", columns=None).out.splitlines()
    assert "BEST" in header and "LATEST" not in header
    (long,) = [line for line in lines if line.startswith("t6jx3g2m")]
    assert long[header.index("step") : header.index("step") + 4].strip() == "40"
    assert long[header.index("loss") : header.index("loss") + 4] == "0.72"


def test_those_of_one_second_are_listed_as_they_began(command: Command) -> None:
    repository = command.project().repository
    baseline = command.project().experiments.get("baseline").record
    for name, milliseconds in (("zzzzzzzz", "100"), ("aaaaaaaa", "900"), ("nnnnnnnn", "500")):
        at = f"2026-11-21T21:00:30.{milliseconds}Z"
        repository.write_experiment(replace(baseline, id=f"20261121-210030-{name}", created_at=at, name=None))
    listed = [one["short_id"] for one in command("ls", "--json").data]
    assert listed[-3:] == ["zzzzzzzz", "nnnnnnnn", "aaaaaaaa"]
    assert command("ls", "-q", "--last", "1").out == "20261121-210030-aaaaaaaa\n"


def test_word_of_what_found_no_room_is_short_and_not_wider_than_the_screen(command: Command) -> None:
    repository = command.project().repository
    baseline = command.project().experiments.get("baseline").record
    params = {f"parameter_number_{number}": Param(value=number) for number in range(30)}
    repository.write_experiment(replace(baseline, id="20261121-210030-zzzzzzzz", params=params))
    done = command("ls", columns=60, terminal=True)
    lines = done.err.splitlines()
    assert max(map(len, lines)) <= 60
    assert " ".join(lines).endswith("more; --all shows everything")


def test_of_many_params_tags_and_a_second_metric_keep_their_room_longer(command: Command) -> None:
    repository = command.project().repository
    baseline = command.project().experiments.get("baseline").record
    params = {f"p{number}": Param(value=number) for number in range(30)}
    repository.write_experiment(replace(baseline, id="20261121-210030-zzzzzzzz", params=params))
    header = command("ls", columns=200).out.splitlines()[0]
    assert "TAGS" in header and "accuracy" in header and "p29" not in header


@pytest.mark.parametrize("words", [("ls",), ("ls", "--all"), ("show", "zzzz"), ("show", "-a", "zzzz")], ids=" ".join)
@pytest.mark.parametrize("columns", [60, None])
def test_names_that_were_recorded_do_not_reach_the_terminal_as_they_are(
    words: tuple[str, ...], columns: int | None, command: Command
) -> None:
    repository = command.project().repository
    baseline = command.project().experiments.get("baseline").record
    odd = "\x1b[31mred"
    made = replace(
        *(baseline,), id="20261121-210030-zzzzzzzz", name=odd, tags=(odd,), params={odd: Param(value=odd)}, note=odd
    )
    repository.write_experiment(replace(made, environment={odd: odd}, packages={odd: odd}))
    done = command(*words, columns=columns)
    assert done.status == 0 and "\x1b" not in done.out and "x1b[31mred" in done.out


def test_a_long_param_is_shown_whole_with_all(command: Command) -> None:
    repository = command.project().repository
    baseline = command.project().experiments.get("baseline").record
    text = " ".join(f"word{number}" for number in range(40))
    repository.write_experiment(
        replace(baseline, id="20261121-210030-zzzzzzzz", params={"prompt": Param(value=text), "lr": Param(value=1)})
    )
    assert text not in command("show", "zzzz", columns=None).out
    assert text in command("show", "zzzz", "--all", columns=None).out
    narrow = command("show", "zzzz", "--all", columns=60).out
    assert max(map(len, narrow.splitlines())) <= 60 and "word39" in narrow


def test_statuses_may_be_given_in_one_word(command: Command) -> None:
    together = command("ls", "-q", "--status", "failed,killed").out
    assert together and together == command("ls", "-q", "--status", "failed", "--status", "killed").out
