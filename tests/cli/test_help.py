"""The pages that `--help` prints."""

from __future__ import annotations

import pytest
from command_line import Command, Golden

from kwrap.cli.commands import COMMANDS
from kwrap.cli.help import page, render_run_help
from kwrap.options import OPTIONS


def test_the_page_of_kwrap_is_as_in_its_golden(command: Command, golden: Golden) -> None:
    golden("help.txt", page(100))
    assert command("help").out == command("--help").out == command().out


@pytest.mark.parametrize("name", [one.name for one in COMMANDS if one.name not in ("run", "recover", "sync")])
def test_the_page_of_a_command_is_as_in_its_golden(name: str, command: Command, golden: Golden) -> None:
    done = command(name, "--help")
    assert (done.status, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 100
    golden(f"help-{name}.txt", done.out)
    assert command("help", name).out == done.out
    assert command(name, "-h").out == done.out


def test_every_command_has_a_module_and_a_function_of_its_name(command: Command) -> None:
    for one in COMMANDS:
        if one.name != "run":
            assert command(one.name, "--help").status == 0


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_the_page_of_run_names_every_option_once_and_fits(columns: int) -> None:
    text = render_run_help(columns)
    assert max(map(len, text.splitlines())) <= max(columns, 84)  # the examples are not broken
    for option in (option for option in OPTIONS if option.flags):
        flag = option.flags[0].removeprefix("--")
        written = f"--[no-]{flag}" if option.kind == "switch" else f"--{flag}"
        assert text.count(f"{written} ") + text.count(f"{written}\n") >= 1, option.name


def test_the_page_of_run_says_which_values_may_be_chosen_and_the_defaults() -> None:
    text = " ".join(render_run_help().split())
    assert "One of: minimize, maximize." in text
    assert "Seconds from SIGTERM to SIGKILL. Default: 30." in text
