"""The repository that Keepsake 0.4.2 wrote gives the values that Keepsake 0.4.2 gave."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from keepsake_fixture import (
    EXPECTED,
    FIRST,
    REPOSITORY,
    SECOND,
    THIRD,
    Done,
    by_path,
    copied,
    expected,
    manifest,
    needs_fixture,
    stored,
)
from keepsake_fixture import kwrap as run

from kwrap.clock import SYSTEM, to_rfc3339
from kwrap.project import Project

pytestmark = needs_fixture

CHECKPOINTS = sorted(path.stem[len("show-ckpt-") :] for path in EXPECTED.glob("show-ckpt-*.json"))
EXPERIMENTS = sorted(path.stem[len("show-") :] for path in EXPECTED.glob("show-???????.json"))

# Where Keepsake fails or finds too little, and what kwrap gives instead: the ids, or an error (docs/keepsake.md).
DIFFERENT: dict[str, list[str] | None] = {
    "optimizer = 3": [],
    "learning_rate = 1": [],
    "batch_size >= 32.5": [THIRD],
    "optimizer == adam": [FIRST, THIRD],
    "nope = 1": None,
    "nope": None,
    "train_loss > 0": [THIRD],
    "accuracy-desc": [SECOND, FIRST, THIRD],
    "batch_size-desc": [THIRD, FIRST, SECOND],
}


def kwrap(*words: str, repository: Path = REPOSITORY) -> Done:
    return run(*words, "-R", str(repository))


def as_keepsake_lists(item: dict[str, Any], primaries: dict[str, Any]) -> dict[str, Any]:
    """An experiment of `ls --json` under Keepsake's names."""
    return {
        "id": item["id"],
        "created": item["created_at"],
        "params": stored(item["params"]),
        "command": item["command"],
        "num_checkpoints": item["num_checkpoints"],
        "latest_checkpoint": as_keepsake_shows(item["latest_checkpoint"], primaries),
        "best_checkpoint": as_keepsake_shows(item["best_checkpoint"], primaries),
        "user": item["user"],
        "host": item["host"] or "",
        "running": item["running"],
    }


def as_keepsake_shows(item: dict[str, Any] | None, primaries: dict[str, Any] | None = None) -> dict[str, Any] | None:
    if item is None:
        return None
    own_id = item["keepsake"]["id"]
    return {
        "id": own_id,
        "created": item["created_at"],
        "metrics": stored({**item["metrics"], **item.get("values", {})}),
        "step": item["step"],
        "path": item["keepsake"]["path"],
        "primary_metric": item.get("primary_metric") if primaries is None else primaries[own_id],
    }


def primary_metrics() -> dict[str, Any]:
    return {(shown := expected(f"show-ckpt-{one}"))["id"]: shown["primary_metric"] for one in CHECKPOINTS}


@pytest.mark.parametrize("name", ["ls-stale", "ps-stale"])
def test_lists_hold_what_keepsake_listed(name: str) -> None:
    found = kwrap(name.partition("-")[0], "--json").data
    assert [as_keepsake_lists(one, primary_metrics()) for one in found] == expected(name)


@pytest.mark.parametrize("name", ["ls", "ps"])
def test_an_experiment_with_a_fresh_heartbeat_runs(tmp_path: Path, name: str) -> None:
    repository = copied(tmp_path)
    heartbeat = repository / "metadata" / "heartbeats" / f"{THIRD}.json"
    now = f"{to_rfc3339(SYSTEM.wall_ns())[:-1]}770537Z"
    heartbeat.write_text(json.dumps({"experiment_id": THIRD, "last_heartbeat": now}))
    found = kwrap(name, "--json", repository=repository).data
    assert [as_keepsake_lists(one, primary_metrics()) for one in found] == expected(name)
    assert {one["status"] for one in found} == ({"running"} if name == "ps" else {"running", "stopped"})


def test_a_heartbeat_of_thirty_seconds_ago_is_the_end(tmp_path: Path) -> None:
    repository = copied(tmp_path)
    heartbeat = repository / "metadata" / "heartbeats" / f"{THIRD}.json"
    then = to_rfc3339(SYSTEM.wall_ns() - 30_000_000_000)
    heartbeat.write_text(json.dumps({"experiment_id": THIRD, "last_heartbeat": then}))
    assert kwrap("ps", "--json", repository=repository).data == []


def test_a_run_that_falls_silent_while_it_is_looked_at_is_stopped_and_not_lost(tmp_path: Path) -> None:
    repository = copied(tmp_path)
    heartbeat = repository / "metadata" / "heartbeats" / f"{THIRD}.json"
    heartbeat.write_text(json.dumps({"experiment_id": THIRD, "last_heartbeat": to_rfc3339(SYSTEM.wall_ns())}))

    class Later:
        ahead_ns = 0

        def wall_ns(self) -> int:
            return SYSTEM.wall_ns() + self.ahead_ns

        def monotonic_ns(self) -> int:
            return SYSTEM.monotonic_ns()

    clock = Later()
    one = Project(str(repository), clock=clock).experiments.get(THIRD)  # type: ignore[arg-type]
    assert one.status.value == "running"
    clock.ahead_ns = 31_000_000_000
    assert one.status.value == "stopped"


@pytest.mark.parametrize("short_id", EXPERIMENTS)
def test_an_experiment_shows_what_keepsake_showed(short_id: str) -> None:
    shown = kwrap("show", short_id, "--json").data
    theirs = expected(f"show-{short_id}")
    assert {
        "id": shown["id"],
        "created": shown["created_at"],
        "params": stored(shown["params"]),
        "host": shown["host"] or "",
        "user": shown["user"],
        "config": shown["keepsake"]["config"],
        "command": shown["command"],
        "path": shown["keepsake"]["path"],
        "python_version": shown["interpreter"]["version"],
        "python_packages": shown["packages"],
        "checkpoints": [as_keepsake_shows(one) for one in shown["checkpoints"]],
        "keepsake_version": shown["keepsake"]["version"],
    } == theirs


@pytest.mark.parametrize("short_id", CHECKPOINTS)
def test_a_checkpoint_is_found_by_its_own_id_and_shows_what_keepsake_showed(short_id: str) -> None:
    shown = kwrap("show", short_id, "--json").data
    assert as_keepsake_shows(shown) == expected(f"show-ckpt-{short_id}")


@pytest.mark.parametrize("short_id", EXPERIMENTS)
def test_an_experiment_is_checked_out_as_keepsake_did(tmp_path: Path, short_id: str) -> None:
    assert kwrap("checkout", short_id, "-o", str(tmp_path / "out")).status == 0
    assert manifest(tmp_path / "out") == by_path(expected(f"checkout-exp-{short_id}"))


@pytest.mark.parametrize("short_id", CHECKPOINTS)
def test_a_checkpoint_is_checked_out_as_keepsake_did(tmp_path: Path, short_id: str) -> None:
    assert kwrap("checkout", short_id, "-o", str(tmp_path / "out")).status == 0
    assert manifest(tmp_path / "out") == by_path(expected(f"checkout-ckpt-{short_id}"))


def command_lines() -> list[Any]:
    if not EXPECTED.is_dir():
        return []
    return [pytest.param(one, id=" ".join(one["args"])) for one in expected("filters")]


def test_the_fixture_has_all_the_command_lines() -> None:
    assert len(command_lines()) == 51


@pytest.mark.parametrize("line", command_lines())
def test_a_command_line_of_keepsakes_gives_what_it_gave(line: dict[str, Any]) -> None:
    words, theirs = line["args"], line["stdout"]
    done = kwrap(*words)
    expression = words[-1]
    if expression in DIFFERENT:
        ours = DIFFERENT[expression]
        assert line["exit"] != 0 or ours != theirs, "no difference any more"
        assert done.status == (2 if ours is None else 0)
        assert done.out.split() == (ours or [])
    elif words == ["ls", "-q", "--all"]:
        assert (done.status, done.out.split()) == (0, [FIRST, SECOND, THIRD])  # -q has ids only, with --all too
    elif line["exit"] != 0:
        assert done.status != 0
        assert not done.out
    elif "--json" in words:
        found = [as_keepsake_lists(one, primary_metrics()) for one in done.data]
        assert found == json.loads(theirs)
    else:
        assert (done.status, done.out.split()) == (0, theirs)


def test_a_difference_names_the_params_packages_and_metrics_that_keepsake_named() -> None:
    fields = {
        (one["section"], one["name"]): one for one in kwrap("diff", "8720ddd", "7871790", "--json").data["fields"]
    }
    text = (EXPECTED / "text" / "diff-8720ddd-7871790.txt").read_text(encoding="utf-8")
    theirs = {section: names for section, names in _sections(text).items() if section in ("Params", "Metrics")}
    assert theirs["Params"] == {name for section, name in fields if section == "params"}
    assert theirs["Metrics"] == {name for section, name in fields if section == "metrics"}
    assert (fields["params", "big"]["left"], fields["params", "big"]["change"]) == (9007199254740993, "removed")
    assert (fields["metrics", "loss"]["left"], fields["metrics", "loss"]["right"]) == (0.25, 0.26)
    assert fields["metrics", "note"]["left"] == "étape 1"


def _sections(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    section = ""
    for line in text.splitlines():
        name, colon, _ = line.partition(":")
        if line.strip() and not colon:
            section = line.strip()
        elif line.strip():
            found.setdefault(section, set()).add(name)
    return found


def test_the_python_interface_gives_what_keepsakes_gave() -> None:
    ours = {one.id: one for one in Project(str(REPOSITORY)).experiments.list()}
    theirs = {one["id"]: one for one in expected("python-api")["experiments"]}
    assert list(ours) == list(theirs)
    for key, one in ours.items():
        their = theirs[key]
        best, latest = one.best(), one.latest()
        assert _microseconds(one.created_at) == their["created"]
        assert (one.record.user, one.record.host, one.command) == (their["user"], their["host"], their["command"])
        assert one.params == their["params"]
        assert one.duration_s == pytest.approx(their["duration_seconds"], abs=1e-6)
        assert one.is_running() is their["is_running"]
        if "raises" not in str(their["primary_metric"]):
            assert (one.primary_metric.name if one.primary_metric else None) == their["primary_metric"]
        assert (best.record.extra["keepsake"]["id"] if best else None) == their["best"]
        assert latest is not None
        assert latest.record.extra["keepsake"]["id"] == their["latest"]
        assert [each.step for each in one.checkpoints] == their["steps"]
        for each, of_theirs in zip(one.checkpoints, their["checkpoints"], strict=True):
            assert _microseconds(each.created_at) == of_theirs["created"]
            assert _comparable(each.metrics) == _comparable(of_theirs["metrics"] or {})
        for name, series in their["metric_series"].items():
            assert _comparable([each.metrics.get(name) for each in one.checkpoints]) == _comparable(series)


def _microseconds(created: str) -> str:
    """As Python's datetime of the same moment prints, rounded as Keepsake's library rounds."""
    nanoseconds = int(created[:-1].partition(".")[2].ljust(9, "0"))
    whole = datetime.fromisoformat(created[:19]).replace(tzinfo=timezone.utc)
    return whole.replace(microsecond=round(nanoseconds / 1000)).replace(tzinfo=None).isoformat()


def _comparable(value: Any) -> Any:
    """NaN is not equal to itself, and the expected values have it as Python prints it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [_comparable(one) for one in value]
    if hasattr(value, "items"):
        return {name: _comparable(one) for name, one in value.items()}
    return value


def test_the_metrics_of_checkpoints_are_metric_points() -> None:
    points = kwrap("metrics", "8720ddd", "--json").data
    assert [(one["name"], one["step"], one["value"]) for one in points if one["name"] == "loss"] == [
        ("loss", 0, 0.9),
        ("loss", 1, 0.25),
        ("loss", 2, 0.4),
    ]
    assert all(one["line"] is None for one in points)
    assert [one["value"] for one in kwrap("metrics", "7871790", "--name", "loss", "--json").data][-1] == "NaN"


def test_logs_say_that_there_is_no_output() -> None:
    done = kwrap("logs", "8720ddd")
    assert (done.status, done.out) == (0, "")
    assert "no output" in done.err


def test_a_file_of_a_checkpoint_is_opened_without_checking_out() -> None:
    one = Project(str(REPOSITORY)).experiments.get("8720ddd")
    with one.open("weights/meta.json") as stream:
        assert json.loads(stream.read()) == {"step": 1}
        stream.seek(0)
        assert stream.read(1) == b"{"


def test_whatever_would_write_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    repository = copied(tmp_path)
    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    for words in (["tag", "8720ddd", "good"], ["rm", "-f", "8720ddd"], ["run", "--", "true"], ["init"]):
        separator = words.index("--") if "--" in words else len(words)
        done = run(*words[:separator], "-R", str(repository), "-D", str(tmp_path), *words[separator:])
        assert done.status != 0, words
        assert "Keepsake" in done.err and "kwrap copy" in done.err, words
    assert {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "kwrap.yaml").exists()
