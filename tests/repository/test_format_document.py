"""docs/repository-format.md is true: its examples decode, and it leaves no field and no place out."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import zstandard

from kwrap import encoding, records
from kwrap.repository import events, header, layout, log_segments, record_objects, segments, trees

DOCUMENT = (Path(__file__).parents[2] / "docs" / "repository-format.md").read_text("utf-8")
RECORDS: dict[str, type[Any]] = {
    one.__name__: one
    for one in (
        records.Experiment,
        records.Run,
        records.Heartbeat,
        records.Checkpoint,
        records.Outcome,
        records.Note,
    )
}


def example(heading: str) -> str:
    found = re.search(rf"^#+ {re.escape(heading)}\n.*?^```\w+\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


@pytest.mark.parametrize("name", RECORDS)
def test_the_example_of_a_record_is_one(name: str) -> None:
    text = example(name)
    record = record_objects.decode(RECORDS[name], text.encode(), "the document")
    assert record.extra == {}
    written = json.loads(record_objects.encode(record))
    assert {key: written[key] for key in json.loads(text)} == json.loads(text)


def test_every_field_of_every_record_is_in_the_document() -> None:
    kinds = [one for one in vars(records).values() if dataclasses.is_dataclass(one) and one is not records.State]
    names = {field.name for kind in kinds for field in dataclasses.fields(kind)} - {"extra"}
    assert {name for name in names if f'"{name}"' not in DOCUMENT and f"`{name}`" not in DOCUMENT} == set()


def test_every_value_of_a_fixed_set_is_in_the_document() -> None:
    for kind in (records.Reason, records.NoteKind):
        assert [one.value for one in kind if f"`{one.value}`" not in DOCUMENT] == []


def test_the_example_of_a_header_is_one() -> None:
    text = example("repository.json")
    fields = json.loads(text)
    made = header.encode(header.Header(fields["id"], fields["version"], fields["min_reader"]))
    assert json.loads(made) == fields


def test_the_example_of_a_tree_is_one() -> None:
    text = example("Trees").strip().encode("ascii")
    assert trees.encode(trees.decode(text)) == text


def test_the_examples_of_points_are_some() -> None:
    lines = example("Metrics segments").encode().splitlines()
    points = list(segments.decode_metrics(lines, "the document"))
    assert segments.metric_lines(segments.encode_metrics(points), "") == lines
    assert {key for line in lines for key in json.loads(line)} == set(records.MetricPoint._fields)


def test_the_examples_of_the_log_are_some() -> None:
    event = events.decode(example("Events").encode(), "the document")
    assert event.checkpoints == (1, 2, 3) and layout.of_experiment(next(iter(event.records))) == event.experiment
    first = example("Segments of the log").encode()
    header_of_segment, _ = log_segments.decode(zstandard.compress(first), "the document")
    (name,) = header_of_segment.events
    assert name in DOCUMENT and layout.event(layout.event_id(name), event.experiment) == name
    line = re.search(r"^```told\n(.*?)\n```$", DOCUMENT, re.MULTILINE)
    assert line and log_segments.line(log_segments.decode_line(line[1].encode(), "")) == line[1].encode()


def test_every_place_is_in_the_document() -> None:
    where = DOCUMENT.split("## What lies where")[1].split("```")[1]
    places = [value for key, value in vars(layout).items() if key.isupper() and isinstance(value, str)]
    assert [place for place in places if place not in where] == []
    one, run = "20261121-203036-k3f9qx7a", "r0-a1"
    spelled = {
        layout.output_segment(one, run, 4096): "output/<experiment>/<run>/<start>.zst",
        layout.metrics_segment(one, run, 12): "series/<experiment>/<run>/metrics-<first>.ndjson.zst",
        layout.event("20261121-204102-700-h4g7f2d9", one): "log/<hour>/<event>-<experiment>.json",
        layout.log_segment("20261121-204102-700-h4g7f2d9"): "log/index/<segment>.ndjson.zst",
        layout.checkpoint(one, 3): "metadata/checkpoints/<experiment>/<nnnnnn>.json",
        layout.tree("ab12"): "trees/<ab>/<hash>.json.zst",
        layout.pack("ab12"): "packs/<hash>.tar.zst",
    }
    for name, pattern in spelled.items():
        assert pattern in where
        as_regex = re.sub(r"<\w+>", r"[\\w-]+", pattern)
        assert re.fullmatch(as_regex, name)


def test_the_names_of_non_finite_numbers_are_in_the_document() -> None:
    for value in (float("nan"), float("inf"), -float("inf")):
        assert f'`"{encoding.to_json(value)}"`' in DOCUMENT
