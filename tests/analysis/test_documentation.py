"""Every filter and sort key in docs/filters.md can be read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from kwrap.analysis import fields, sort
from kwrap.analysis import filter as filters

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")


def test_the_command_lines_can_be_read() -> None:
    options = [shlex.split(line)[2:] for line in re.findall(r"^kwrap .*$", DOCUMENT, re.MULTILINE)]
    pairs = [pair for one in options for pair in zip(one[::2], one[1::2], strict=True)]
    assert len(pairs) >= 9
    for option, text in pairs:
        assert callable(filters.compile(text)) if option == "-f" else sort.parse(text)


def test_the_comparisons_can_be_read() -> None:
    table = DOCUMENT.partition("## Comparisons")[2].partition("## Values")[0]
    comparisons = [one for one in re.findall(r"`([^`]+)`", table) if " " in one and not one.startswith(("(", "not "))]
    assert len(comparisons) >= 8
    for text in comparisons:
        assert callable(filters.compile(text))


def test_the_values_can_be_read() -> None:
    rows = dict(re.findall(r"^\| ([a-z ]+) \| (`.*) \|$", DOCUMENT.partition("## Values")[2], re.MULTILINE))
    names = {"date": "created", "duration": "duration"}
    assert {"number", "text", "list or object", "duration", "date"} <= rows.keys()
    for kind, examples in rows.items():
        for value in re.findall(r"`([^`]+)`", examples):
            assert callable(filters.compile(f"{names.get(kind, 'x')} = {value}"))


def test_the_built_in_names_are_all_there_are() -> None:
    table = DOCUMENT.partition("## Names")[2].partition("anything else")[0]
    first_cells = re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
    assert {name for cell in first_cells for name in re.findall(r"`([a-z]+)`", cell)} == set(fields.BUILT_IN)
