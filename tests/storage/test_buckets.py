"""What buckets must do besides the contract: races between processes, lost answers, and errors that help."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from proxy import CUT, DROP, PASS, RESET, STALL, Proxy
from servers import SEAWEED_READER, Server

from kwrap.errors import AlreadyExists, CredentialsError, Denied, MissingExtra, NotFound, StorageError, Unreachable
from kwrap.storage import bucket_url
from kwrap.storage.base import Storage
from kwrap.storage.gcs import GCSStorage
from kwrap.storage.open import open_storage
from kwrap.storage.retry import Retrying
from kwrap.storage.s3 import S3Storage
from kwrap.storage.timeouts import Timeouts
from support import PYTHON

QUICK = Timeouts(connect_s=2.0, answer_s=2.0, patience_s=15.0)


@pytest.fixture(params=["s3", "seaweed", "gcs"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    found: Server = request.getfixturevalue(request.param)
    found.enter(monkeypatch)
    return found


def quick(url: str) -> Storage:
    """As `open_storage` gives it, but waiting for less time."""
    where = bucket_url.parse(url)
    bare: Storage = S3Storage(where, QUICK) if where.scheme == "s3" else GCSStorage(where, QUICK)
    return Retrying(bare, QUICK.patience_s)


# Several that create

RACER = """
import sys
from kwrap.errors import AlreadyExists
from kwrap.storage.open import open_storage
storage, mark = open_storage(sys.argv[1], base="."), sys.argv[2]
storage.size("warm")
print("ready", flush=True)
sys.stdin.readline()
won = []
for number in range(20):
    try:
        storage.create(f"races/{number}", mark.encode() * 1000)
    except AlreadyExists:
        continue
    won.append(number)
print(*won)
"""


def test_of_many_processes_that_create_at_once_exactly_one_wins(server: Server) -> None:
    url = server.fresh_url()
    racers = [
        subprocess.Popen(
            [PYTHON, "-c", RACER, url, mark], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
        )
        for mark in "ABCD"
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == b"ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(b"go\n")
        racer.stdin.flush()
    won = {mark: racer.communicate()[0].split() for mark, racer in zip("ABCD", racers, strict=True)}
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0]
    winners = {int(number): mark for mark, numbers in won.items() for number in numbers}
    assert sum(map(len, won.values())) == 20
    storage = open_storage(url, base=".")
    assert {number: storage.read(f"races/{number}") for number in range(20)} == {
        number: mark.encode() * 1000 for number, mark in winners.items()
    }


# Answers that get lost


@pytest.fixture
def proxied(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the server, and a new URL by way of it."""
    with Proxy(server.port) as proxy:
        for name, value in server.environment_through(proxy.port).items():
            monkeypatch.setenv(name, value)
        yield proxy, server.through(proxy.port, server.fresh_url())


def once(fate: str) -> Callable[[bytes], str]:
    """The fate of every second answer, the first among them; the others pass."""
    count = iter(range(1_000_000))
    lock = threading.Lock()

    def decide(request: bytes) -> str:
        with lock:
            return fate if next(count) % 2 == 0 else PASS

    return decide


def twice_of_every_third(fate: str) -> Callable[[bytes], str]:
    """The fate of the first two answers to every third request; asked again, it is answered. However many are under
    way at once, none is lost more often than that."""
    asked: dict[bytes, int] = {}
    order: dict[bytes, int] = {}
    lock = threading.Lock()

    def decide(request: bytes) -> str:
        line = request.partition(b"\r\n")[0]
        with lock:
            asked[line] = asked.get(line, 0) + 1
            return fate if order.setdefault(line, len(order)) % 3 == 0 and asked[line] <= 2 else PASS

    return decide


@pytest.mark.parametrize("fate", [DROP, CUT, RESET, STALL])
def test_what_is_done_while_answers_get_lost_is_done_once_and_whole(
    fate: str, proxied: tuple[Proxy, str], server: Server
) -> None:
    proxy, url = proxied
    storage = quick(url)
    data = os.urandom(200_000)
    storage.is_empty()  # connected
    steps: list[Callable[[], object]] = [
        lambda: storage.write("a/written", data),
        lambda: storage.read("a/written"),
        lambda: storage.read_range("a/written", 100_000, 50_000),
        lambda: storage.size("a/written"),
        lambda: [stored.name for stored in storage.list("a/")],
        lambda: storage.delete("a/written"),
    ]
    given = []
    for step in steps:
        proxy.decide = once(fate)
        given.append(step())
    assert given == [None, data, data[100_000:150_000], 200_000, ["a/written"], None]
    proxy.decide = once(fate)
    try:
        storage.create("a/created", b"mine")
    except AlreadyExists:
        pass  # our own, of which we have not heard: whoever created it looks at it
    proxy.decide = once(PASS)
    assert storage.read("a/created") == b"mine"
    assert [stored.name for stored in storage.list("")] == ["a/created"]


def test_a_batch_is_whole_though_answers_to_every_third_request_are_lost(proxied: tuple[Proxy, str]) -> None:
    proxy, url = proxied
    storage = quick(url)
    written = {f"blobs/{number:03}": os.urandom(10_000) for number in range(60)}
    proxy.decide = twice_of_every_third(DROP)
    with storage.batch() as batch:
        for name, data in written.items():
            batch.write(name, data)
    proxy.decide = once(PASS)
    assert {stored.name: storage.read(stored.name) for stored in storage.list("")} == written


def test_a_long_stream_is_whole_though_answers_get_lost(proxied: tuple[Proxy, str], server: Server) -> None:
    if server.scheme == "gs":
        pytest.skip("the emulator gives URLs of its own for long uploads, past the proxy")
    proxy, url = proxied
    storage = quick(url)
    data = os.urandom(30_000_000)
    proxy.decide = twice_of_every_third(DROP)
    storage.write_stream("packs/long", (data[start : start + 1_000_000] for start in range(0, len(data), 1_000_000)))
    proxy.decide = once(PASS)
    assert storage.read("packs/long") == data
    assert [stored.name for stored in storage.list("")] == ["packs/long"]


def test_a_server_that_is_gone_for_good_is_an_error_after_a_while(proxied: tuple[Proxy, str]) -> None:
    proxy, url = proxied
    where = bucket_url.parse(url)
    bare: Storage = S3Storage(where, QUICK) if where.scheme == "s3" else GCSStorage(where, QUICK)
    storage = Retrying(bare, 1.0)
    proxy.refuse = True
    for call in (
        lambda: storage.write("a", b""),
        lambda: storage.read("a"),
        lambda: storage.open("a"),
        lambda: list(storage.list("")),
        lambda: storage.write_stream("a", [b"1"]),
    ):
        began = time.monotonic()
        with pytest.raises(StorageError) as raised:
            call()
        assert raised.value.transient
        assert time.monotonic() - began < 10
    with pytest.raises(StorageError), storage.batch() as batch:
        for number in range(100):
            batch.write(str(number), b"")


def test_a_listing_that_breaks_off_goes_on_where_it_was(proxied: tuple[Proxy, str]) -> None:
    proxy, url = proxied
    storage = quick(url)
    written = [f"log/{number:04}" for number in range(1500)]
    with storage.batch() as batch:
        for name in written:
            batch.write(name, b"")
    proxy.decide = once(CUT)
    assert [stored.name for stored in storage.list("log/")] == written


# Errors, each with what to do


def test_a_bucket_that_is_not_there_is_named(server: Server) -> None:
    storage = open_storage(server.url("x", bucket="kwrap-nothing"), base=".")
    for call in (storage.is_empty, lambda: list(storage.list("")), lambda: storage.write("a", b"")):
        with pytest.raises(StorageError, match="there is no bucket 'kwrap-nothing'") as raised:
            call()
        assert not isinstance(raised.value, NotFound)
        assert "check its name" in str(raised.value.hint)


def test_who_may_read_and_not_write_is_told_so(seaweed: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    seaweed.enter(monkeypatch)
    url = seaweed.fresh_url()
    open_storage(url, base=".").write("there", b"1")
    for name, value in SEAWEED_READER.items():
        monkeypatch.setenv(name, value)
    storage = open_storage(url, base=".")
    assert storage.read("there") == b"1"
    for call in (
        lambda: storage.write("a", b""),
        lambda: storage.create("a", b""),
        lambda: storage.write_stream("a", iter([bytes(20_000_000)])),
        lambda: storage.delete("there"),
    ):
        with pytest.raises(Denied, match=r"not allowed to (write|delete) ") as raised:
            call()
        assert "s3:PutObject" in str(raised.value.hint)
    assert storage.read("there") == b"1"


def test_keys_that_are_wrong_or_missing_are_two_errors(seaweed: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    seaweed.enter(monkeypatch)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(CredentialsError, match="does not accept these credentials"):
        open_storage(seaweed.fresh_url(), base=".").read("a")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    with pytest.raises(CredentialsError, match="does not accept these credentials"):
        open_storage(seaweed.fresh_url(), base=".").read("a")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsError, match="no credentials for s3://") as raised:
        open_storage(seaweed.fresh_url(), base=".").read("a")
    assert "AWS_PROFILE" in str(raised.value.hint)
    with pytest.raises(CredentialsError, match="nobody"):
        open_storage(f"{seaweed.fresh_url()}&profile=nobody", base=".").read("a")


def test_gcs_without_credentials_says_how_to_get_some(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(CredentialsError, match="no credentials for gs://kwrap-tests/x") as raised:
        open_storage("gs://kwrap-tests/x", base=".", hurried=True).read("a")
    assert "gcloud auth application-default login" in str(raised.value.hint)
    (tmp_path / "key.json").write_text("{}")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(CredentialsError, match=r"key\.json"):
        open_storage("gs://kwrap-tests/x", base=".", hurried=True).read("a")


@pytest.mark.parametrize(
    ("status", "code", "extra", "region"),
    [
        (301, "PermanentRedirect", "<Endpoint>runs.s3.eu-west-1.amazonaws.com</Endpoint>", "eu-west-1"),
        (400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>", "eu-west-1"),
    ],
)
def test_the_wrong_region_names_the_right_one(
    status: int, code: str, extra: str, region: str, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No server that can be had here knows regions: this one answers as AWS documents it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<Error><Code>{code}</Code><Message>another region</Message>{extra}</Error>".encode()
            self.send_response(status)
            self.send_header("x-amz-bucket-region", region)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None: ...

    s3.enter(monkeypatch)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as answering:
        thread = threading.Thread(target=answering.serve_forever)
        thread.start()
        try:
            url = f"s3://runs/x?endpoint_url=http://127.0.0.1:{answering.server_port}"
            with pytest.raises(StorageError, match="is not in this region") as raised:
                open_storage(url, base=".", hurried=True).read("a")
        finally:
            answering.shutdown()
            thread.join()
    assert f"region={region}" in str(raised.value.hint)


def test_unreachable_is_told_in_a_few_seconds(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    port = 1  # reserved, and never listened on
    for name, value in server.environment_through(port).items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    with pytest.raises(Unreachable, match=f"nobody answers at http://127.0.0.1:{port}") as raised:
        open_storage(server.through(port, server.fresh_url()), base=".", hurried=True).read("a")
    assert time.monotonic() - began < 8
    assert raised.value.transient
    assert "--offline" in str(raised.value.hint)


@pytest.mark.parametrize(("scheme", "package", "extra"), [("s3", "botocore", "s3"), ("gs", "google.cloud", "gcs")])
def test_a_missing_extra_says_what_to_install(scheme: str, package: str, extra: str) -> None:
    """In an interpreter that cannot import it."""
    program = f"""
import sys
class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name == {package!r} or name.startswith({package!r} + "."):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Nowhere())
from kwrap.errors import MissingExtra
from kwrap.storage.open import open_storage
try:
    open_storage("{scheme}://kwrap-tests/x", base=".")
except MissingExtra as error:
    print(error.message, error.hint, sep="|")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    message, _, hint = done.stdout.strip().partition("|")
    assert message.startswith(f"{scheme}:// needs ")
    assert hint == f"pip install 'kwrap[{extra}]'"
    assert MissingExtra.code == "missing_extra"


def test_opening_a_directory_imports_nothing_of_clouds() -> None:
    program = """
import json, sys
from kwrap.storage.open import open_storage
open_storage("x", base="/")
print(json.dumps([name for name in sys.modules if name.split(".")[0] in ("botocore", "boto3", "google", "urllib3")]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_bytes_that_are_not_those_of_the_hash_are_refused_by_the_server(
    s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.enter(monkeypatch)
    where = bucket_url.parse(s3.fresh_url())
    storage = S3Storage(where, QUICK)
    with pytest.raises(StorageError):
        storage.write("blobs/one", b"damaged on the way", sha256="00" * 32)
    assert storage.size("blobs/one") is None


def test_what_a_slow_line_takes_long_for_is_no_timeout(s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time to connect is not the time in which all of a body must be gone."""
    s3.enter(monkeypatch)
    with Proxy(s3.port) as proxy:
        proxy.slow_bytes_s = 4_000_000
        storage = S3Storage(bucket_url.parse(s3.through(proxy.port, s3.fresh_url())), Timeouts(1.0, 10.0, 0.0))
        storage.write("blobs/one", bytes(12_000_000))
        assert storage.size("blobs/one") == 12_000_000
