"""The whole tool on buckets: run, then everything that reads."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest
from proxy import Proxy
from servers import SEAWEED_READER, Server

from support import Kwrap, wait_until

PRINT = ["sh", "-c", "echo 'epoch 1 loss: 0.5'; echo 'epoch 2 loss: 0.25'; head -c 3000000 /dev/urandom > model.pt"]


@pytest.fixture(params=["s3", "seaweed", "gcs"])
def server(request: pytest.FixtureRequest, kwrap: Kwrap) -> Server:
    found: Server = request.getfixturevalue(request.param)
    kwrap.environment.update(found.environment)
    return found


def test_a_run_is_recorded_in_a_bucket_and_given_back(server: Server, kwrap: Kwrap) -> None:
    url = server.fresh_url()
    (kwrap.project / "train.py").write_text("print(1)\n")
    ran = kwrap.run(PRINT, "-R", url, "--name", "first")
    assert (ran.returncode, ran.stdout) == (0, b"epoch 1 loss: 0.5\nepoch 2 loss: 0.25\n"), ran.stderr
    assert b"recorded as" in ran.stderr
    assert kwrap.run_directories() == []
    (listed,) = json.loads(kwrap("ls", "-R", url, "--json", check=True).stdout)["data"]
    assert (listed["name"], listed["status"]) == ("first", "finished")
    shown = kwrap("show", "-R", url, "first", check=True).stdout
    assert b"0.25" in shown
    assert kwrap("logs", "-R", url, "first", check=True).stdout == ran.stdout
    weights = (kwrap.project / "model.pt").read_bytes()
    (kwrap.project / "model.pt").unlink()
    (kwrap.project / "train.py").unlink()
    kwrap("checkout", "-R", url, "first", "--force", check=True)
    assert (kwrap.project / "model.pt").read_bytes() == weights
    assert (kwrap.project / "train.py").read_text() == "print(1)\n"


def test_what_is_wrong_with_a_bucket_is_told_before_the_command_starts(
    seaweed: Server, kwrap: Kwrap, tmp_path: Path
) -> None:
    def refused(url: str, *options: str, **environment: str) -> str:
        before = dict(kwrap.environment)
        kwrap.environment.update(environment)
        began = time.monotonic()
        done = kwrap.run(["touch", str(tmp_path / "started")], "-R", url, *options)
        kwrap.environment = before
        assert done.returncode == 125, done.stderr
        assert not (tmp_path / "started").exists()
        assert kwrap.run_directories() == []
        assert time.monotonic() - began < 20  # seconds, on a machine that does much else
        return done.stderr.decode()

    kwrap.environment.update(seaweed.environment)
    assert "there is no bucket 'kwrap-nothing'" in refused(seaweed.url("x", bucket="kwrap-nothing"))
    assert "'No' is no name of a bucket" in refused("s3://No/x")
    assert "is no endpoint" in refused("s3://runs/x?endpoint_url=localhost")
    assert "'ftp://' is no kind of storage" in refused("ftp://runs/x")
    denied = refused(seaweed.fresh_url(), **SEAWEED_READER)
    assert "not allowed to write" in denied
    assert "hint: kwrap needs s3:ListBucket" in denied
    wrong = refused(seaweed.fresh_url(), AWS_SECRET_ACCESS_KEY="wrong")
    assert "does not accept these credentials" in wrong
    nobody = refused(seaweed.fresh_url(), AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert "no credentials for s3://" in nobody
    assert "hint: set AWS_ACCESS_KEY_ID" in nobody
    assert "profile (nobody)" in refused(f"{seaweed.fresh_url()}&profile=nobody")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    unreachable = refused(seaweed.through(port, seaweed.fresh_url()))
    assert f"nobody answers at http://127.0.0.1:{port}" in unreachable
    assert "--offline" in unreachable


def test_a_server_that_never_answers_is_told_within_seconds(s3: Server, kwrap: Kwrap, tmp_path: Path) -> None:
    kwrap.environment.update(s3.environment)
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        url = s3.through(silent.getsockname()[1], s3.fresh_url())
        began = time.monotonic()
        done = kwrap.run(["touch", str(tmp_path / "started")], "-R", url)
    assert done.returncode == 125
    assert not (tmp_path / "started").exists()
    assert b"cannot read s3://" in done.stderr
    assert time.monotonic() - began < 30


def test_offline_looks_at_nothing_and_sync_sends_it_later(s3: Server, kwrap: Kwrap) -> None:
    kwrap.environment.update(s3.environment)
    with Proxy(s3.port) as proxy:
        url = s3.through(proxy.port, s3.fresh_url())
        done = kwrap.run(PRINT, "-R", url, "--offline")
        assert done.returncode == 0
        assert proxy.requests == []
        assert len(kwrap.run_directories()) == 1
        kwrap("sync", check=True)
        assert kwrap.run_directories() == []
        assert proxy.requests
        (listed,) = json.loads(kwrap("ls", "-R", url, "--json", check=True).stdout)["data"]
        assert listed["status"] == "finished"


def test_a_bucket_that_was_reached_is_not_looked_at_again_for_a_while(s3: Server, kwrap: Kwrap) -> None:
    kwrap.environment.update(s3.environment)
    url = s3.fresh_url()
    kwrap.run(["true"], "-R", url, check=True)
    (mark,) = (kwrap.state / "reached").iterdir()
    with Proxy(s3.port) as proxy:
        proxied = s3.through(proxy.port, url)
        kwrap.run(["true"], "-R", proxied, check=True)
        looks = [request for request in proxy.requests if b"If-None-Match" in request and b"repository.json" in request]
        assert len(looks) == 1
        kwrap.run(["true"], "-R", proxied, check=True)
        looks = [request for request in proxy.requests if b"If-None-Match" in request and b"repository.json" in request]
        assert len(looks) == 1
    os.utime(mark, (time.time() - 700, time.time() - 700))
    kwrap.environment["AWS_SECRET_ACCESS_KEY"] = "other"  # another person is another question
    kwrap.run(["true"], "-R", url, check=True)
    assert mark not in list((kwrap.state / "reached").iterdir())


def test_kwrap_yaml_names_the_endpoint(s3: Server, kwrap: Kwrap) -> None:
    kwrap.environment.update(s3.environment)
    prefix = f"s3://{s3.fresh_url()[len('s3://') :].partition('?')[0]}"
    (kwrap.project / "kwrap.yaml").write_text(f"repository: {prefix}\nendpoint_url: {s3.endpoint}\n")
    kwrap.run(["true"], "--name", "one", check=True)
    assert b"one" in kwrap("ls", check=True).stdout
    (kwrap.project / "kwrap.yaml").write_text(f"repository: {prefix}\n")
    kwrap.environment["KWRAP_ENDPOINT_URL"] = s3.endpoint
    assert b"one" in kwrap("ls", check=True).stdout
    del kwrap.environment["KWRAP_ENDPOINT_URL"]
    kwrap.environment["AWS_ENDPOINT_URL"] = s3.endpoint
    assert b"one" in kwrap("ls", check=True).stdout
    assert b"one experiment" in kwrap("doctor").stdout.replace(b"1 experiment", b"one experiment")


def test_a_server_that_goes_away_in_mid_run_costs_nothing_but_time(s3: Server, kwrap: Kwrap, tmp_path: Path) -> None:
    kwrap.environment.update(s3.environment)
    url = s3.fresh_url()
    go_on = tmp_path / "go-on"
    with Proxy(s3.port) as proxy:
        waiting = ["sh", "-c", 'echo waiting; while [ ! -e "$0" ]; do sleep 0.05; done', str(go_on)]
        running = kwrap.start(waiting, "-R", s3.through(proxy.port, url), "--no-wait")
        assert running.stdout is not None
        assert running.stdout.readline() == b"waiting\n"
        proxy.refuse = True
        proxy.cut_all()
        go_on.touch()
        assert running.wait(timeout=60) == 0
        proxy.refuse = False
        kwrap("sync")  # what the recorder of the run has not done by itself, now that it can
        wait_until(lambda: not kwrap.run_directories(), what="the record")
    (listed,) = json.loads(kwrap("ls", "-R", url, "--json", check=True).stdout)["data"]
    assert listed["status"] == "finished"
    assert b"waiting\n" in kwrap("logs", "-R", url, listed["id"], check=True).stdout


def test_a_dry_run_looks_and_makes_nothing(s3: Server, kwrap: Kwrap) -> None:
    kwrap.environment.update(s3.environment)
    with Proxy(s3.port) as proxy:
        url = s3.through(proxy.port, s3.fresh_url())
        done = kwrap("run", "-R", url, "--dry-run", "--", "true", check=True)
        assert url.encode() in done.stdout
        assert proxy.requests
        assert not [request for request in proxy.requests if not request.startswith((b"GET ", b"HEAD "))]


def test_init_makes_a_repository_in_a_bucket_and_names_it(s3: Server, kwrap: Kwrap) -> None:
    kwrap.environment.update(s3.environment)
    url = s3.fresh_url()
    kwrap("init", "-R", url, check=True)
    assert url in (kwrap.project / "kwrap.yaml").read_text()
    assert kwrap("doctor").returncode == 0
    kwrap.run(["true"], check=True)
    assert len(json.loads(kwrap("ls", "--json", check=True).stdout)["data"]) == 1
