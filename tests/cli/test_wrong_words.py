"""Whatever is typed wrong: one message, a hint, the exit status of its class, and never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sample_repository
from command_line import Command

# What is typed; exit status; what the message says; what the hint says.
WRONG: dict[tuple[str, ...], tuple[int, str, str]] = {
    ("lss",): (2, "no such command: lss", "did you mean 'kwrap ls'?"),
    ("python", "train.py"): (2, "no such command: python", "kwrap run -- python"),
    ("--nonsense",): (2, "no such option: --nonsense", "'kwrap --help'"),
    ("ls", "--statu", "x"): (2, "no such option: --statu", "did you mean --status"),
    ("ls", "--filter"): (2, "requires an argument", "'kwrap ls --help'"),
    ("ls", "--last", "many"): (2, "--last", "'kwrap ls --help'"),
    ("ls", "-f", "los < 1"): (2, "no experiment has 'los'", "did you mean loss?"),
    ("ls", "-f", "loss <"): (2, "expected a value", "quotes"),
    ("ls", "-s", "optimiser"): (2, "no experiment has 'optimiser'", "did you mean optimizer?"),
    ("ls", "--status", "finish"): (2, "there is no status 'finish'", "did you mean finished?"),
    ("ls", "-q", "--jsonl"): (2, "exclude each other", "choose one"),
    ("show",): (2, "missing argument 'ID'", "'kwrap show --help'"),
    ("show", "zzz"): (1, "no experiment matches 'zzz'", "kwrap ls"),
    ("show", "baselin"): (1, "no experiment matches 'baselin'", "did you mean baseline"),
    ("show", "20261121"): (1, "means 6 experiments: k3f9qx7a (baseline)", "more characters"),
    ("show", "baseline@9"): (1, "has no checkpoint '9'", "k3f9qx7a@1 to @3"),
    ("show", "p7wz@best"): (1, "has no checkpoints", "--watch"),
    ("diff", "baseline"): (2, "missing argument", "'kwrap diff --help'"),
    ("logs", "baseline", "--run", "r7-a1"): (1, "has no run 'r7-a1'", "r0-a1"),
    ("logs", "baseline", "--grep", "("): (2, "'(' is no regular expression", ""),
    ("logs", "baseline", "--since", "soon"): (2, "--since 'soon'", "5m"),
    ("logs", "baseline", "--since", "9" * 400): (2, "is not a date", "5m"),
    ("metrics",): (2, "give an experiment or --from FILE", "kwrap metrics"),
    ("metrics", "baseline", "--from", "x"): (2, "give an experiment or --from FILE", ""),
    ("metrics", "--from", "missing.log"): (1, "missing.log: No such file", ""),
    ("metrics", "baseline", "--name", "los"): (2, "no metric 'los'", "did you mean loss?"),
    ("checkout",): (2, "which experiment?", "kwrap checkout ID"),
    ("checkout", "q9h5"): (1, "nothing to bring back", "--no-snapshot"),
    ("checkout", "adam", "--path", "nowhere", "-o", "x"): (1, "'nowhere'", "train.py"),
    ("checkout", "--undo"): (1, "no checkout into", "-o names the directory"),
    ("checkout", "adam", "-o", ""): (2, "-o names no directory", "the project itself"),
    ("checkout", "adam", "-o", "/etc/passwd/below"): (1, "/etc/passwd is no directory", "-o names a directory"),
    ("checkout", "adam", "--undo"): (2, "--undo takes no ID", "-o DIR"),
    ("rm", "adam"): (1, "there is nobody to ask", "--force"),
    ("rm", "long", "--force", "zzz"): (1, "no experiment matches 'zzz'", "kwrap ls"),
    ("tag", "adam", "a@b"): (2, "cannot be a tag", "without '@'"),
    ("tag", "adam@1", "best"): (2, "names a checkpoint already", "another word"),
    ("tag", "baseline", "v2", "--remove"): (1, "has no tag 'v2'", "its tags are v1"),
    ("note", "adam", " "): (2, "the note is empty", "kwrap note"),
    ("ls", "-R", "/etc"): (1, "/etc is no repository", "--repository"),
    ("ls", "-R", "/nowhere/at/all"): (1, "there is no repository at /nowhere/at/all", "kwrap init"),
    ("ls", "-R", "s3://bucket/x?key=x"): (1, "key", "endpoint_url"),
    ("ls", "-D", "/nowhere"): (2, "no such directory: /nowhere", "-D"),
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_it_says_what_is_wrong_and_what_to_do(words: tuple[str, ...], command: Command) -> None:
    status, message, hint = WRONG[words]
    done = command(*words)
    assert (done.status, done.out) == (status, "") or words[0] == "checkout", done
    first, *rest = done.err.splitlines()
    assert first.startswith("error: ") and message in first, done.err
    assert hint in " ".join(rest) and "Traceback" not in done.err, done.err
    assert sum(line.startswith(("error: ", "hint: ")) for line in done.err.splitlines()) <= 2


def test_an_ambiguous_id_lists_the_candidates(command: Command) -> None:
    done = command("show", "20261121-20")
    assert "means 3 experiments: p7wz1c4h, q9h5n0es (learning rate far too high), v8cn4k1w" in done.err


def test_a_filter_that_cannot_be_read_is_pointed_into(command: Command) -> None:
    assert command("ls", "-f", "loss < 1 oder x = 2").err.splitlines()[1].startswith("  loss < 1 oder")


def test_a_repository_of_a_newer_format_is_refused(command: Command) -> None:
    header = command.repository / "repository.json"
    header.write_text(json.dumps({**json.loads(header.read_text()), "version": 9, "min_reader": 9}))
    done = command("ls")
    assert done.status == 1
    assert "is a repository of format 9; this kwrap reads up to format 2" in done.err
    assert "pip install --upgrade kwrap" in done.err


def test_a_kwrap_yaml_that_is_wrong_is_told_by_reading_commands_too(command: Command) -> None:
    (command.directory / "kwrap.yaml").write_text("repositry: here\n")
    done = command("ls")
    assert done.status == 2
    assert "unknown key 'repositry'" in done.err and "repository" in done.err


def test_a_traceback_comes_when_it_is_asked_for(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" in command("show", "zzz", "-vv").err
    assert "Traceback" not in command("show", "zzz", "-v").err
    monkeypatch.setenv("KWRAP_TRACEBACK", "1")
    done = command("show", "zzz")
    assert "Traceback" in done.err and done.err.splitlines()[-2].startswith("error: ")


def test_a_damaged_record_costs_a_warning_and_the_others_are_listed(command: Command) -> None:
    record = command.repository / "metadata" / "experiments" / "20261121-190000-m2vtb8rd.json"
    record.write_text("{")
    done = command("ls")
    assert done.status == 0
    assert len(done.out.splitlines()) == 6
    assert done.err.startswith("warning: ") and "m2vtb8rd.json" in done.err
    assert command("ls", "--strict").status == 1


def test_an_empty_repository_says_so_and_what_to_type_next(command: Command, tmp_path: Path) -> None:
    for words in [("ls",), ("ls", "-f", "loss < 1", "-s", "loss"), ("ps",)]:
        done = command(*words, "-D", str(tmp_path))
        assert (done.status, done.out) == (0, "")
        assert done.err.startswith("No experiments yet in ") and "kwrap run -- " in done.err
    assert command("ls", "--json", "-D", str(tmp_path)).data == []
    assert command("show", "x", "-D", str(tmp_path)).status == 1
    assert not (tmp_path / "repository").exists()


def test_a_filter_that_nothing_fulfils_says_how_many_there_are(command: Command) -> None:
    done = command("ls", "-f", "loss < -1")
    assert (done.status, done.out) == (0, "")
    assert done.err == "No experiment matches; 'kwrap ls' lists all 6.\n"


def test_control_characters_in_what_was_typed_do_not_reach_the_terminal(command: Command) -> None:
    done = command("show", "x\x1b[31m\x07")
    assert "\x1b" not in done.err and "\x07" not in done.err
    assert "no experiment matches 'x\\x1b[31m\\x07'" in done.err


def test_damaged_metrics_cost_a_warning_and_the_rest_is_shown(command: Command) -> None:
    (segment,) = (command.repository / "series" / sample_repository.BASELINE).rglob("*.zst")
    segment.write_bytes(b"nonsense")
    done = command("show", "baseline")
    assert done.status == 0
    assert "accuracy" in done.out and "Checkpoints" in done.out
    assert done.err.startswith("warning: ") and segment.name in done.err
    assert command("metrics", "baseline").status == 1


def test_a_heartbeat_with_an_impossible_interval_does_not_end_the_list(command: Command) -> None:
    (path,) = (command.repository / "metadata/heartbeats" / sample_repository.RUNNING).iterdir()
    for interval in ("Infinity", "NaN", -1, 1e308):
        path.write_text(json.dumps({**json.loads(path.read_text()), "interval_s": interval}))
        done = command("ls", "--json", "-n", "1")
        assert done.status == 0 and done.data[0]["short_id"] == "t6jx3g2m"


def test_a_working_directory_that_is_gone_is_told(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = command("ls")
    assert done.status == 2
    assert "error: the working directory cannot be used: No such file or directory" in done.err


def test_a_copy_of_a_record_under_another_name_is_no_experiment(command: Command) -> None:
    folder = command.repository / "metadata/experiments"
    (folder / "20261121-220000-c0pycopy.json").write_bytes((folder / f"{sample_repository.ADAM}.json").read_bytes())
    done = command("ls", "--json")
    assert len(done.data) == 6
    assert "is damaged: it is called 20261121-190000-m2vtb8rd within" in done.out
    assert command("show", "c0py").status == 1


def test_of_many_damaged_records_some_are_named_and_the_others_counted(command: Command) -> None:
    for number in range(30):
        (command.repository / f"metadata/experiments/odd-{number}.json").write_text("[]")
    done = command("ls")
    assert done.status == 0 and len(done.err.splitlines()) == 21
    assert done.err.splitlines()[-1] == "warning: and 10 more objects (--json names all)"
    assert len(json.loads(command("ls", "--json").out)["errors"]) == 30
