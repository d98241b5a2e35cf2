"""Recorded on this machine first, sent later."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from bucket import Bucket, check_complete, training
from proxy import STALL, Proxy
from servers import Server, free_ports

from support import Kwrap, child, wait_until


def test_offline_a_run_needs_no_bucket_and_sync_brings_all_of_it(
    s3: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    s3.enter(monkeypatch)
    (tmp_path / "machine").mkdir()
    kwrap = Kwrap(tmp_path / "machine")
    with Proxy(s3.port) as proxy:
        bucket = Bucket(s3, proxy)
        bucket.go_away()
        nowhere = s3.through(free_ports(1)[0], bucket.direct)
        refused = kwrap.run(training(20, 10), "--repository", nowhere)
        assert refused.returncode == 125
        assert b"--offline" in refused.stderr
        begun_s = time.monotonic()
        done = kwrap.run(training(100, 50), "--repository", bucket.url, "--offline")
        assert done.returncode == 0, done.stderr
        assert b"kwrap sync" in done.stderr
        assert time.monotonic() - begun_s < 60
        assert not proxy.requests
        assert not list(kwrap.project.glob(".kwrap"))
        assert [one["state"] for one in json.loads(kwrap("recover", "--json").stdout)["data"]] == ["offline"]
        bucket.come_back()
        said = kwrap("sync", check=True)
        assert b"1 record completed, 0 left" in said.stdout
        check_complete(kwrap, bucket.direct, 100, 50, tmp_path / "out")
        assert kwrap("sync", check=True).stdout == b"0 records completed, 0 left.\n"


def test_ls_says_that_records_wait_on_this_machine(kwrap: Kwrap) -> None:
    kwrap.run(child("prints_metrics.py", 2, 0.01), check=True)
    assert b"sync" not in kwrap("ls", check=True).stderr
    for _ in range(2):
        kwrap.run(child("prints_metrics.py", 2, 0.01), "--offline", check=True)
    listed = kwrap("ls", check=True)
    assert b"2 records on this machine are not in it yet: 'kwrap sync'" in listed.stderr
    assert listed.stderr.count(b"\n") == 1
    assert len(kwrap.json("ls")) == 1
    kwrap("sync", check=True)
    assert b"sync" not in kwrap("ls", check=True).stderr
    assert len(kwrap.json("ls")) == 3


def test_a_repository_that_cannot_be_had_is_asked_once_for_all_that_waits(kwrap: Kwrap) -> None:
    for _ in range(3):
        kwrap.run(child("prints_metrics.py", 2, 0.01), "--offline", "--repository", "taken", check=True)
    (kwrap.project / "taken").write_text("a file")
    said = kwrap("sync")
    assert said.returncode == 1
    assert said.stdout.count(b"is a file, and no repository") == 3
    assert b"0 records completed, 3 left." in said.stdout
    (kwrap.project / "taken").unlink()
    assert b"3 records completed, 0 left." in kwrap("sync", check=True).stdout


def test_ls_does_not_wait_for_the_repository_of_another_record(
    s3: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A bucket that takes calls and never answers costs a list about a second."""
    s3.enter(monkeypatch)
    (tmp_path / "machine").mkdir()
    kwrap = Kwrap(tmp_path / "machine")
    kwrap.run(child("prints_metrics.py", 2, 0.01), check=True)
    with Proxy(s3.port, lambda request: STALL) as proxy:
        kwrap.run(child("prints_metrics.py", 2, 0.01), "--offline", "--repository", Bucket(s3, proxy).url, check=True)
        undisturbed_s = seconds_of_ls(kwrap)
        (directory,) = kwrap.run_directories()
        journal = directory / "journal.jsonl"
        journal.write_text(journal.read_text().replace('"offline": true', '"offline": false'))
        wait_until(lambda: time.time() - directory.stat().st_mtime > 6, what="its own kwrap's time to record it")
        assert seconds_of_ls(kwrap) < undisturbed_s + 5
        assert proxy.requests


def seconds_of_ls(kwrap: Kwrap) -> float:
    begun_s = time.monotonic()
    assert len(kwrap.json("ls")) == 1
    return time.monotonic() - begun_s
