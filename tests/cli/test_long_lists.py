"""Lists of more experiments than a person looks at: a page of them, and word of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Command
from sample_repository import BASELINE

from kwrap.clock import to_rfc3339
from kwrap.records import Experiment, Machine, MetricSummary, Outcome, PrimaryMetric, Reason, Run

FIRST_NS = 1_795_000_000_000_000_000


def add(command: Command, amount: int) -> list[str]:
    """So many more experiments, all before those of the sample; their ids, oldest first."""
    repository = command.project().repository
    known = [f"20261118-000000-z{number:07d}" for number in range(amount)]
    for number, one in enumerate(known):
        made = to_rfc3339(FIRST_NS + number * 1_000_000_000)
        machine = Machine(host="tower")
        repository.begin(
            Run(
                experiment=one,
                run="r0-a1",
                rank=0,
                attempt=1,
                started_at=made,
                heartbeat_interval_s=10.0,
                machine=machine,
            ),
            Experiment(
                id=one,
                created_at=made,
                argv=("python", "train.py"),
                working_directory="/home/ada",
                project_directory="/home/ada",
                kwrap_version="0.1.0",
                primary_metric=PrimaryMetric(name="loss"),
            ),
        )
        loss = MetricSummary(count=1, last=100.0 - number)
        repository.write_outcome(
            Outcome(experiment=one, run="r0-a1", reason=Reason.FINISHED, metrics={"loss": loss}, duration_s=1.0)
        )
    return known


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches" / "kwrap"


@pytest.mark.parametrize("amount", [60, 120])
def test_a_table_shows_the_newest_fifty_and_says_so(command: Command, caches: Path, amount: int) -> None:
    known = add(command, amount)
    assert caches.exists() is False
    done = command("ls", columns=None)
    total = amount + 6
    assert caches.exists() is (amount == 120)
    shown = [line.split()[0] for line in done.out.splitlines()[1:]]
    assert len(shown) == 50 and shown[:44] == [one[-8:] for one in known[-44:]]
    assert done.err == f"the newest 50 of {total}; --last 0 shows all\n"
    for words, lines in {("--last", "0"): total + 1, ("--last", "7"): 8, ("-q",): total, ("--jsonl",): total}.items():
        other = command("ls", *words, columns=None)
        assert (len(other.out.splitlines()), other.err) == (lines, "")
    assert len(command("ls", "--json").data) == total
    assert command("ls", "-q", "--last", "0").out == command("ls", "-q").out


def test_a_sorted_or_filtered_table_has_a_page_too(command: Command, caches: Path) -> None:
    add(command, 120)
    done = command("ls", "--sort", "-loss", columns=None)
    assert done.out.splitlines()[1].startswith("z0000000") and done.err == "the first 50 of 126; --last 0 shows all\n"
    done = command("ls", "-f", "loss > 30", columns=None)
    assert len(done.out.splitlines()) == 51 and done.err == "the newest 50 of 70; --last 0 shows all\n"
    done = command("ls", "-f", "loss > 98", columns=None)
    assert len(done.out.splitlines()) == 3 and done.err == ""
    assert command("ps", "-q").out.split() == ["20261121-210000-t6jx3g2m"]


def test_many_are_listed_from_the_cache_as_few_are_from_their_records(command: Command, caches: Path) -> None:
    add(command, 120)
    for words in (("--last", "0"), ("--last", "0", "--all"), ("--json",), ("--jsonl",), ("-q",), ("--sort", "loss")):
        assert command("ls", *words, columns=None) == command("ls", *words, "--strict", columns=None)
    for name in (BASELINE, "baseline", "k3f9", "v1"):
        found = command("show", name, columns=None)
        assert found.status == 0 and "numpy 1.26.4" in found.out


def test_damage_in_a_long_list_is_looked_for_by_strict(command: Command, caches: Path) -> None:
    known = add(command, 120)
    (command.repository / "metadata" / "experiments" / f"{known[3]}.json").write_text("{")
    assert command("ls", "-q").status == 0
    done = command("ls", "-q", "--strict")
    assert done.status == 1 and known[3] not in done.out and f"{known[3]}.json is damaged" in done.err
    shown = command("show", known[3][-8:])
    assert shown.status == 0 and f"{known[3]}.json is damaged" in shown.err
