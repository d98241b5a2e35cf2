"""`kwrap logs` and `kwrap metrics --from`: bytes as they were, and parts of them."""

from __future__ import annotations

import io
import json
import sys

import pytest
from command_line import Command

OUTPUT = b"epoch 0 loss 1.8000\nwarning: slow \xff disk\nepoch 1 lo10%\r20%\rss 1.2000\n\x1b[32mdone\x1b[0m, no newline"


def test_logs_are_byte_for_byte_what_was_printed(command: Command) -> None:
    assert command("logs", "baseline").raw == OUTPUT


def test_one_stream_can_be_had_alone(command: Command) -> None:
    assert command("logs", "baseline", "--stderr").raw == b"warning: slow \xff disk\n10%\r20%\r"
    assert command("logs", "baseline", "--stdout").raw.startswith(b"epoch 0 loss 1.8000\nepoch 1 loss 1.2000\n")
    assert command("logs", "baseline", "--stdout", "--stderr").raw == OUTPUT


def test_a_line_that_another_stream_interrupted_is_found_whole(command: Command) -> None:
    assert command("logs", "baseline", "--grep", "1 loss").raw == b"epoch 1 loss 1.2000\n"


def test_since_takes_a_time_or_how_long_ago(command: Command) -> None:
    last = b"\x1b[32mdone\x1b[0m, no newline"
    assert command("logs", "baseline", "--since", "18:02").raw == last
    assert command("logs", "baseline", "--since", "3h4m30s").raw == last  # it began 3 h 7 min ago
    assert command("logs", "baseline", "--since", "2026-11-21T17:00:00Z").raw == OUTPUT
    done = command("logs", "baseline", "--since", "5m")
    assert (done.raw, done.err) == (b"", "It has printed nothing since then.\n")


def test_tail_prints_the_last_lines(command: Command) -> None:
    assert command("logs", "baseline", "--tail", "1").raw == b"\x1b[32mdone\x1b[0m, no newline"
    assert command("logs", "baseline", "--tail", "1", "--grep", "epoch").raw == b"epoch 1 loss 1.2000\n"
    assert command("logs", "baseline", "--tail", "0").raw == b""
    assert command("logs", "baseline", "--tail", "99", "--stderr").raw == b"warning: slow \xff disk\n10%\r20%\r"


def test_following_a_run_that_has_ended_ends(command: Command) -> None:
    assert command("logs", "baseline", "--follow").raw == OUTPUT
    tail = command("logs", "baseline", "--follow", "--tail", "1").raw
    assert tail == b"\x1b[32mdone\x1b[0m, no newline"


def test_a_run_that_printed_nothing_says_so(command: Command) -> None:
    done = command("logs", "adam")
    assert (done.status, done.raw, done.err) == (0, b"", "It has printed nothing.\n")


def test_metrics_from_a_file_are_one_object_a_point(command: Command) -> None:
    (command.directory / "train.log").write_bytes(b"starting\nstep 10 loss: 0.5\nstep 20 loss: nan\n")
    points = [json.loads(line) for line in command("metrics", "--from", "train.log", "--jsonl").out.splitlines()]
    assert [(point["name"], point["value"], point["step"]) for point in points] == [
        ("loss", 0.5, 10),
        ("loss", "NaN", 20),
    ]
    assert [(point["line"], point["offset"], point["kind"]) for point in points] == [
        (2, 9, "metric"),
        (3, 27, "metric"),
    ]
    assert points[0]["epoch"] is None


def test_metrics_from_a_file_take_a_pattern_and_no_other(command: Command) -> None:
    (command.directory / "train.log").write_bytes(b"step 10 loss: 0.5\n<< fitness 7 >>\n")
    words = ("metrics", "--from", "train.log", "--jsonl", "--metric", r"fitness (?P<fitness>\d+)", "--no-auto-metrics")
    (point,) = [json.loads(line) for line in command(*words).out.splitlines()]
    assert (point["name"], point["value"]) == ("fitness", 7.0)


def test_metrics_from_standard_input(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"loss": 0.25, "step": 3}\n')))
    done = command("metrics", "--from", "-", "--csv")
    assert done.out.splitlines() == [
        "name,value,step,epoch,t_s,line,offset,end_offset,kind",
        "loss,0.25,3,,,1,0,25,metric",
    ]


def test_metrics_of_a_checkpoint_are_those_known_then(command: Command) -> None:
    points = command("metrics", "baseline@1", "--json").data
    assert [(point["name"], point["value"], point["step"]) for point in points] == [
        ("loss", 0.9, 20),
        ("accuracy", 0.61, 20),
    ]


def test_bytes_that_were_lost_are_told_beside_the_output(command: Command) -> None:
    (segment,) = (command.repository / "output").rglob("*.zst")
    project = command.project()
    run = project.experiments.get("baseline").state.runs[0]
    project.repository.write_output_segment(run.experiment, run.run, 1000, b"later\n", b"")
    done = command("logs", "baseline")
    assert done.raw == OUTPUT + b"later\n"
    assert done.err == f"[{1000 - len(OUTPUT)} bytes are missing here]\n"
    assert segment.exists()


def test_values_known_at_a_checkpoint_have_no_line_and_no_place_in_the_output(command: Command) -> None:
    point = command("metrics", "baseline@1", "--json").data[0]
    assert (point["line"], point["offset"], point["end_offset"]) == (None, None, None)
    assert command("metrics", "baseline@1", "--csv").out.splitlines()[1] == "loss,0.9,20,,60.0,,,,metric"
    assert "LINE" not in command("metrics", "baseline@1").out


def test_since_for_ever_is_everything(command: Command) -> None:
    assert command("logs", "baseline", "--since", "inf").raw == OUTPUT
