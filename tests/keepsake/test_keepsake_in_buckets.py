"""Repositories of Keepsake's in buckets: read in place, brought in, and written."""

from __future__ import annotations

from pathlib import Path

import pytest
from keepsake_client import Client, needs_keepsake
from keepsake_fixture import FIRST, REPOSITORY, SECOND, THIRD, by_path, expected, manifest, needs_fixture
from keepsake_fixture import kwrap as run
from servers import Server

from kwrap.storage.open import open_storage

pytestmark = needs_fixture


@pytest.fixture(params=["s3", "gcs"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    server: Server = request.getfixturevalue(request.param)
    server.enter(monkeypatch)
    return server


def put(directory: Path, url: str) -> None:
    """What lies below a directory, into a bucket, as Keepsake would have written it there."""
    storage = open_storage(url, base=".")
    for path in directory.rglob("*"):
        if path.is_file():
            storage.write(path.relative_to(directory).as_posix(), path.read_bytes())


def get(url: str, directory: Path) -> None:
    storage = open_storage(url, base=".")
    for stored in storage.list(""):
        path = directory / stored.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(storage.read(stored.name))


def test_it_is_read_in_place(bucket: Server, tmp_path: Path) -> None:
    url = bucket.fresh_url()
    put(REPOSITORY, url)
    assert run("ls", "-q", "--strict", "-R", url).out.split() == [FIRST, SECOND, THIRD]
    assert run("ls", "--json", "-R", url).data == run("ls", "--json", "-R", str(REPOSITORY)).data
    assert run("show", "49cbd09", "--json", "-R", url).data["keepsake"]["path"] == "weights/"
    assert len(run("metrics", "8720ddd", "--json", "-R", url).data) == 9
    assert run("diff", "8720ddd", "7871790", "-R", url).status == 0
    for short_id in ("8720ddd", "9dbca3c"):
        assert run("checkout", short_id, "-o", str(tmp_path / short_id), "-R", url).status == 0
        assert manifest(tmp_path / short_id) == by_path(expected(f"checkout-exp-{short_id}"))


def test_it_is_brought_in(bucket: Server, tmp_path: Path) -> None:
    url = bucket.fresh_url()
    put(REPOSITORY, url)
    assert run("copy", "--all", "-R", url, "--to", str(tmp_path / "own")).status == 0
    assert run("checkout", "8720ddd", "-o", str(tmp_path / "out"), "-R", str(tmp_path / "own")).status == 0
    assert manifest(tmp_path / "out") == by_path(expected("checkout-exp-8720ddd"))


@needs_keepsake
def test_it_is_written_there(bucket: Server, tmp_path: Path) -> None:
    assert run("copy", "--all", "-R", str(REPOSITORY), "--to", str(tmp_path / "own")).status == 0
    url = bucket.fresh_url()
    assert run("export", "-R", str(tmp_path / "own"), "--format", "keepsake", url).status == 0
    get(url, tmp_path / "theirs")
    theirs = Client(tmp_path / "theirs", tmp_path / "home")
    assert theirs("ls", "-q").split() == [FIRST, SECOND, THIRD]
    theirs("checkout", "-f", "-o", str(tmp_path / "out"), "8720ddd")
    assert manifest(tmp_path / "out") == by_path(expected("checkout-exp-8720ddd"))
