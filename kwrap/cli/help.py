"""The pages that `--help` prints: of kwrap, of one command, and of `kwrap run`, all in one look. Imports nothing heavy.

They are made from what is declared anyway: the table of commands, the parameters of a command, the settings of a run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kwrap.cli.commands import COMMANDS, RUN, Command, find
from kwrap.config import CONFIG_FILE
from kwrap.options import OPTIONS, Option

WIDTH = 100
_NARROWEST, _LEFT = 40, 30

Line = tuple[str, str]


def page(columns: int = WIDTH) -> str:
    """What a bare `kwrap` prints."""
    lines = [
        "kwrap records training runs: put `kwrap run --` in front of any command.",
        "",
        "  kwrap run -- python train.py --lr 0.1",
        "  kwrap ls",
    ]
    for group in dict.fromkeys(command.group for command in COMMANDS):
        members = [(one.name, one.summary) for one in COMMANDS if one.group == group]
        lines += _section(group, members, columns, _left_width([[(one.name, "") for one in COMMANDS]]))
    lines += ["", "'kwrap COMMAND --help' explains one of them. Documentation: docs/commands.md"]
    return "\n".join(lines) + "\n"


def command_page(command: Command, parser: Any, columns: int = WIDTH) -> str:
    """The help of one command; `parser` is the click command that typer made of its function."""
    lines = _head(command, columns)
    for paragraph in (parser.help or "").strip().split("\n\n")[1:]:
        lines += ["", *_wrapped(" ".join(paragraph.split()), columns)]
    sections: dict[str, list[Line]] = {}
    for parameter in parser.params:
        if getattr(parameter, "hidden", False):
            continue
        if parameter.param_type_name == "argument":
            if parameter.help:
                sections.setdefault("Arguments", []).append((parameter.metavar or parameter.name, parameter.help))
        else:
            panel = getattr(parameter, "rich_help_panel", None) or "Options"
            sections.setdefault(panel, []).append((_flags(parameter), parameter.help or ""))
    left = _left_width(sections.values())
    for title in sorted(sections, key=_panel_order):
        lines += _section(title, sections[title], columns, left)
    return "\n".join([*lines, *_examples(command)]) + "\n"


def render_run_help(columns: int = WIDTH) -> str:
    """The help of `kwrap run`, from the settings themselves."""
    command = find(RUN)
    assert command is not None
    lines = _head(command, columns)
    sections: dict[str, list[Line]] = {}
    for option in filter(lambda option: option.flags, OPTIONS):
        sections.setdefault(option.section, []).append((_run_flags(option), _run_help(option)))
    left = _left_width(sections.values())
    for title, members in sections.items():
        lines += _section(title, members, columns, left)
    keys = ", ".join(sorted(option.key for option in OPTIONS if option.key))
    text = f"Keys of {CONFIG_FILE}, and in capitals after KWRAP_ of the environment: {keys}."
    lines += ["", *_wrapped(text, columns)]
    return "\n".join([*lines, *_examples(command)]) + "\n"


def _head(command: Command, columns: int) -> list[str]:
    aliases = f" Also: {', '.join(f'kwrap {alias}' for alias in command.aliases)}." if command.aliases else ""
    return [f"kwrap {command.name} {command.usage}", "", *_wrapped(f"{command.summary}.{aliases}", columns)]


def _examples(command: Command) -> list[str]:
    return ["", "Examples", *(f"  {example}" for example in command.examples)] if command.examples else []


def _panel_order(title: str) -> int:
    return {"Arguments": 0, "Options": 1, "Output": 2}.get(title, 3)


def _left_width(sections: Iterable[Iterable[Line]]) -> int:
    return min(_LEFT, max((len(flags) for members in sections for flags, _ in members), default=0) + 2)


def _section(title: str, members: Iterable[Line], columns: int, width: int) -> list[str]:
    """A title, and beneath it two columns. A left part that is too long for its column has a line to itself."""
    lines = ["", title]
    for flags, text in members:
        first, *rest = _wrapped(text, columns - width - 2) or [""]
        if len(flags) > width - 2:
            lines.append(f"  {flags}")
            flags = ""
        lines.append(f"  {flags:<{width}}{first}".rstrip())
        lines += [" " * (width + 2) + line for line in rest]
    return lines


def _flags(parameter: Any) -> str:
    """`-f, --filter TEXT` of a click option."""
    words = sorted(parameter.opts, key=len)
    if parameter.secondary_opts:
        words = [f"--[no-]{word.removeprefix('--')}" for word in words]
    takes_value = not (parameter.is_flag or getattr(parameter, "count", False))
    metavar = f" {parameter.metavar or 'TEXT'}" if takes_value else ""
    return ", ".join(words) + metavar


def _run_flags(option: Option) -> str:
    words = sorted(option.flags, key=len)
    if option.kind == "switch":
        words = [f"--[no-]{word.removeprefix('--')}" for word in words]
    return ", ".join(words) + (f" {option.metavar}" if option.metavar else "")


def _run_help(option: Option) -> str:
    if option.choices:
        return f"{option.help} One of: {', '.join(option.choices)}."
    if option.kind == "number" and option.default is not None:
        return f"{option.help} Default: {option.default:g}."
    if option.kind == "switch" and option.default is not None:
        return f"{option.help} Default: {'yes' if option.default else 'no'}."
    return option.help


def _wrapped(text: str, width: int) -> list[str]:
    """`textwrap` without its import."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= max(width, _NARROWEST):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
