"""`--json`: the envelope, and the keys that scripts rely on. Keys may be added; none may go or change its name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from command_line import Command

SUMMARY = [
    "id",
    "short_id",
    "name",
    "created_at",
    "status",
    "running",
    "duration_s",
    "user",
    "host",
    "command",
    "argv",
    "tags",
    "note",
    "params",
    "metrics",
    "step",
    "primary_metric",
    "num_checkpoints",
    "best_checkpoint",
    "latest_checkpoint",
]
EXPERIMENT = [
    "sentence",
    "deleted",
    "working_directory",
    "project_directory",
    "kwrap_version",
    "params_from",
    "source",
    "git",
    "interpreter",
    "packages",
    "environment",
    "parent",
    "last_metrics",
    "metric_summaries",
    "runs",
    "outcomes",
    "heartbeats",
    "notes",
    "checkpoints",
    "keepsake",
]
BRIEF_CHECKPOINT = ["id", "sequence", "created_at", "step", "epoch", "metrics", "size_bytes", "keepsake"]
POINT = ["name", "value", "step", "epoch", "t_s", "line", "offset", "end_offset", "kind"]
CONTRACT: dict[tuple[str, ...], list[str]] = {
    ("ls",): SUMMARY,
    ("ps",): SUMMARY,
    ("show", "baseline"): SUMMARY + EXPERIMENT,
    ("show", "baseline@2"): [
        *("id", "experiment", "run", "sequence", "created_at", "t_s", "tree", "files", "size_bytes", "step", "metrics"),
        *("primary_metric", "best", "tags", "note"),
    ],
    ("diff", "baseline", "adam"): ["left", "right", "fields", "code_known", "code"],
    ("metrics", "baseline"): POINT,
    ("checkout", "adam", "--dry-run", "-o", "again"): ["checked_out", "target", "command", "backup", "changes"],
    ("checkout", "adam", "-o", "again"): ["checked_out", "target", "command", "backup", "changes"],
    ("tag", "adam", "word"): ["id", "tags"],
    ("note", "adam", "text"): ["id", "note"],
    ("init",): ["config_file", "wrote_config", "repository", "made_repository", "ignored"],
    ("doctor",): ["name", "health", "detail"],
}


@pytest.mark.parametrize("words", CONTRACT, ids=" ".join)
def test_the_keys_of_a_result_are_those_of_the_contract(words: tuple[str, ...], command: Command) -> None:
    done = command(*words, "--json")
    assert done.status == 0, done.err
    envelope = json.loads(done.out)
    assert list(envelope) == ["kwrap", "command", "data", "errors"]
    assert (envelope["kwrap"], envelope["command"], envelope["errors"]) == (1, words[0], [])
    data = envelope["data"]
    assert sorted((data[0] if isinstance(data, list) else data).keys() - {"hint"}) == sorted(CONTRACT[words])


def test_nested_records_keep_their_keys(command: Command) -> None:
    experiment = command("show", "baseline", "--json").data
    assert sorted(experiment["best_checkpoint"]) == sorted(BRIEF_CHECKPOINT)
    assert sorted(experiment["source"]) == [
        "content_sha256",
        "files",
        "left_out",
        "left_out_count",
        "size_bytes",
        "tree",
    ]
    assert sorted(experiment["metric_summaries"]["loss"]) == [
        *("count", "kind", "last", "last_step", "maximum", "minimum"),
    ]
    outcome = experiment["outcomes"][0]
    assert {"reason", "exit_status", "duration_s", "usage", "output_bytes", "output_lost_bytes"} <= outcome.keys()
    assert {"cpu_user_s", "cpu_system_s", "max_rss_bytes", "processes", "source"} <= outcome["usage"].keys()
    fields = command("diff", "baseline", "adam", "--json").data["fields"]
    assert {"section", "name", "change"} <= fields[0].keys() <= {"section", "name", "change", "left", "right"}
    change = command("checkout", "adam", "--dry-run", "-o", "x", "--json").data["changes"][0]
    assert sorted(change) == ["action", "path", "size_bytes"]


def test_values_are_of_the_types_that_were_recorded(command: Command) -> None:
    experiment = command("ls", "--json", "-f", "name = baseline").data[0]
    assert experiment["params"] == {"lr": 0.1, "optimizer": "sgd", "epochs": 3, "dataset": "digits"}
    assert experiment["status"] == "finished" and experiment["running"] is False
    assert experiment["primary_metric"] == {"name": "loss", "goal": "minimize"}
    assert experiment["best_checkpoint"]["metrics"] == {"loss": 0.31, "accuracy": 0.88}


def test_what_is_not_a_finite_number_travels_as_text(command: Command) -> None:
    values = [point["value"] for point in command("metrics", "q9h", "--json").data]
    assert values == [2.0, 9.5, "Infinity", "NaN"]


@pytest.mark.parametrize("words", [("ls",), ("ps",), ("metrics", "baseline")], ids=" ".join)
def test_jsonl_is_the_same_records_one_a_line(words: tuple[str, ...], command: Command) -> None:
    lines = command(*words, "--jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == command(*words, "--json").data


def test_a_failure_has_the_envelope_too_and_comes_on_stderr(command: Command) -> None:
    done = command("show", "nothing-like-it", "--json")
    envelope: dict[str, Any] = json.loads(done.err)
    assert (done.status, done.out) == (1, "")
    assert list(envelope) == ["kwrap", "command", "data", "errors"]
    assert (envelope["command"], envelope["data"]) == ("show", None)
    assert envelope["errors"][0]["code"] == "unknown_id"
    assert sorted(envelope["errors"][0]) == ["code", "hint", "message"]


def test_damaged_records_are_in_the_errors_of_the_envelope(command: Command) -> None:
    _damage(command)
    envelope = json.loads(command("ls", "--json").out)
    assert len(envelope["data"]) == 5
    assert [one["code"] for one in envelope["errors"]] == ["damaged"]


def _damage(command: Command) -> None:
    record = command.repository / "metadata" / "experiments" / "20261121-190000-m2vtb8rd.json"
    record.write_text(record.read_text()[:100])
