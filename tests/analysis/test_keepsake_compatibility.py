"""Keepsake 0.4.2's own answers to filters and sort keys, on a repository that it wrote, against ours.

Where we differ on purpose, the difference is listed here with its reason.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from kwrap.analysis import filter as filters
from kwrap.analysis import sort
from kwrap.analysis.fields import Row
from kwrap.errors import FilterError

FIXTURE = Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "keepsake-repo"
pytestmark = pytest.mark.skipif(not FIXTURE.is_dir(), reason="the Keepsake fixture (../shared) is not here")

FIRST, SECOND, THIRD = "8720ddd", "7871790", "9dbca3c"

# What the command line says, and what ours gives instead of Keepsake's answer.
DIFFERENT: dict[str, tuple[list[str] | type[FilterError], str]] = {
    "optimizer = 3": ([], "values of different kinds differ; that ends no listing"),
    "learning_rate = 1": ([], "integers and floats compare as numbers"),
    "batch_size >= 32.5": ([THIRD], "integers and floats compare as numbers"),
    "optimizer == adam": ([FIRST, THIRD], "== is ="),
    "nope = 1": (FilterError, "a name that no experiment has is told"),
    "train_loss > 0": (FilterError, "so is one that only checkpoints have which are neither best nor latest"),
    "nope": (FilterError, "a sort key that no experiment has is told"),
    "accuracy-desc": ([SECOND, FIRST, THIRD], "what is missing is last in both directions"),
    "batch_size-desc": ([THIRD, FIRST, SECOND], "equal rows keep their order"),
}


def command_lines() -> list[Any]:
    if not FIXTURE.is_dir():
        return []
    found = json.loads((FIXTURE / "expected" / "filters.json").read_text(encoding="utf-8"))
    return [
        pytest.param(one, id=" ".join(one["args"][2:]))
        for one in found
        if one["args"][:2] == ["ls", "-q"] and one["args"][2] in ("--filter", "--sort")
    ]


@pytest.mark.parametrize("line", command_lines())
def test_a_command_line_selects_and_sorts_as_keepsake_did(line: dict[str, Any]) -> None:
    texts = line["args"][3::2]
    failed = line["exit"] != 0
    expected: list[str] | type[FilterError] = FilterError if failed else [one[:7] for one in line["stdout"]]
    if len(texts) == 1 and texts[0] in DIFFERENT:
        theirs, (expected, reason) = expected, DIFFERENT[texts[0]]
        assert expected != theirs, f"no difference any more: {reason}"
    by = "filter" if line["args"][2] == "--filter" else "sort"
    if expected is FilterError:
        with pytest.raises(FilterError):
            listed(by, texts)
    else:
        assert listed(by, texts) == expected


def test_the_fixture_has_all_the_command_lines() -> None:
    assert len(command_lines()) == 43


def listed(by: str, texts: list[str]) -> list[str]:
    rows = sort.apply(rows_of_the_fixture())
    found = filters.apply(rows, texts) if by == "filter" else sort.apply(rows, texts[0])
    return [str(row["id"])[:7] for row in found]


def rows_of_the_fixture() -> list[Row]:
    return [
        _row(json.loads(path.read_text(encoding="utf-8")))
        for path in sorted((FIXTURE / "repository" / "metadata" / "experiments").iterdir())
    ]


def _row(experiment: dict[str, Any]) -> Row:
    checkpoints = experiment["checkpoints"]
    shown = _best(checkpoints) or checkpoints[-1]
    return {
        **{key: experiment[key] for key in ("id", "created", "user", "host", "command", "params")},
        "status": "lost",
        "step": checkpoints[-1]["step"],
        "metrics": {name: _value(value) for name, value in (shown["metrics"] or {}).items()},
    }


def _best(checkpoints: list[dict[str, Any]]) -> dict[str, Any] | None:
    primary = checkpoints[0]["primary_metric"]
    if primary is None:
        return None
    sign = -1 if primary["goal"] == "minimize" else 1
    return max(checkpoints, key=lambda one: sign * one["metrics"][primary["name"]])


def _value(value: object) -> object:
    return {"[NaN]": math.nan, "[+Infinity]": math.inf}.get(value, value) if isinstance(value, str) else value
