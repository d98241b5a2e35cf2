"""Storage in a bucket of S3, or of anything that speaks it: AWS, MinIO, R2, Ceph, SeaweedFS.

Objects go up whole, each in one PUT with the SHA-256 of its bytes, which the server checks; only what is longer than
8 MiB and comes from a file or a stream goes up in parts. Nothing is tried again here.
"""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any, BinaryIO, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from kwrap.errors import NotFound, StorageError
from kwrap.storage.answers import nanoseconds, read_head
from kwrap.storage.base import Batch, Stored, check_name, is_name
from kwrap.storage.bucket_batch import BucketBatch
from kwrap.storage.bucket_url import BucketURL
from kwrap.storage.parts import file_parts, open_file, stream_parts
from kwrap.storage.ranges import open_ranges
from kwrap.storage.s3_body import Body
from kwrap.storage.s3_client import make_client
from kwrap.storage.s3_errors import code_of, explained, status_of
from kwrap.storage.s3_multipart import Multipart
from kwrap.storage.timeouts import PATIENT, Timeouts

T = TypeVar("T")

_PAGE = 1000  # names in one answer; S3 gives no more


class S3Storage:
    """A prefix of a bucket. Nothing is imported or asked before it is used."""

    parallel = 16

    def __init__(self, where: BucketURL, timeouts: Timeouts = PATIENT) -> None:
        self.url = where.url
        self._where = where
        self._timeouts = timeouts
        self._client: Any = None
        self._lock = threading.Lock()
        self._ahead_ns: int | None = None  # their clock above our monotonic one

    def read(self, name: str) -> bytes:
        key = self._key(name)

        def get() -> bytes:
            body: bytes = self._call("get_object", Key=key)["Body"].read()
            return body

        return self._explaining("read", name, get)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        key = self._key(name)
        if length <= 0:
            if self.size(name) is None:
                raise NotFound(f"there is no {self._where.place}/{name}")
            return b""

        def get() -> bytes:
            try:
                answer = self._call("get_object", Key=key, Range=f"bytes={offset}-{offset + length - 1}")
            except ClientError as error:
                if status_of(error) == 416 or code_of(error) == "InvalidRange":
                    return b""
                raise
            data: bytes = answer["Body"].read()
            # A server that knows no ranges gives all of it.
            return data if answer["ResponseMetadata"]["HTTPStatusCode"] == 206 else data[offset : offset + length]

        return self._explaining("read", name, get)

    def open(self, name: str) -> BinaryIO:
        check_name(name)
        return open_ranges(lambda offset, length: self.read_range(name, offset, length))

    def size(self, name: str) -> int | None:
        key = self._key(name)
        try:
            return self._explaining("read", name, lambda: int(self._call("head_object", Key=key)["ContentLength"]))
        except NotFound:
            return None

    def write(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None:
        self._put(name, data, sha256)

    def create(self, name: str, data: bytes) -> None:
        self._put(name, data, None, IfNoneMatch="*")

    def _put(self, name: str, data: bytes | memoryview, sha256: str | None, **options: str) -> None:
        key = self._key(name)
        digest = bytes.fromhex(sha256) if sha256 else hashlib.sha256(data).digest()
        checksum = base64.b64encode(digest).decode("ascii")
        body = Body(data)
        self._explaining(
            "write",
            name,
            lambda: self._call("put_object", Key=key, Body=body, ChecksumSHA256=checksum, **options),
        )

    def write_file(self, name: str, path: str | os.PathLike[str]) -> None:
        check_name(name)
        with open_file(path) as source:
            self._write_parts(name, file_parts(source, os.fspath(path)))

    def write_stream(self, name: str, chunks: Iterable[bytes]) -> None:
        check_name(name)
        self._write_parts(name, stream_parts(chunks))

    def _write_parts(self, name: str, parts: Iterator[bytes]) -> None:
        first = next(parts, b"")
        second = next(parts, None)
        if second is None:
            self.write(name, first)
        else:
            self._multipart(name).upload(chain((first, second), parts))
        del first, second

    def batch(self) -> Batch:
        return BucketBatch(self.write)

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """In the order that the server gives. SeaweedFS compares part by part: there `a/x` comes before `a-b/x`."""
        root = self._where.prefix
        options = {"Prefix": root + prefix, "MaxKeys": _PAGE}
        # From a little before: SeaweedFS passes over the whole folder that StartAfter names without its slash.
        page_of = {**options, "StartAfter": root + after[:-1]} if root + after[:-1] else options
        while True:
            page = self._explaining("list", prefix, lambda: self._call("list_objects_v2", **page_of))  # noqa: B023
            for item in page.get("Contents", ()):
                name = item["Key"][len(root) :]
                if name > after and name.startswith(prefix) and is_name(name):
                    yield Stored(name, item["Size"], nanoseconds(item["LastModified"]))
            if not page.get("IsTruncated"):
                return
            page_of = {**options, "ContinuationToken": page["NextContinuationToken"]}

    def is_empty(self) -> bool:
        page = self._explaining("list", "", lambda: self._call("list_objects_v2", Prefix=self._where.prefix, MaxKeys=1))
        return not page.get("Contents")

    def delete(self, name: str) -> None:
        key = self._key(name)
        try:
            self._explaining("delete", name, lambda: self._call("delete_object", Key=key))
        except NotFound:
            pass  # S3 itself does not say so; others do

    def now_ns(self) -> int:
        if self._ahead_ns is None:
            self.is_empty()  # any answer carries the time
        return time.time_ns() if self._ahead_ns is None else time.monotonic_ns() + self._ahead_ns

    def writers_lock(self, *, shared: bool) -> AbstractContextManager[bool]:
        """None: a bucket has no locks, and who deletes waits instead."""
        return nullcontext(False)

    def _key(self, name: str) -> str:
        return self._where.prefix + check_name(name)

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One request. Raises what botocore raises."""
        client = self._client or self._make_client()
        answer: dict[str, Any] = getattr(client, operation)(Bucket=self._where.bucket, **arguments)
        facts = answer["ResponseMetadata"]
        self._ahead_ns = read_head(facts["HTTPStatusCode"], facts["HTTPHeaders"], self._where) or self._ahead_ns
        return answer

    def _make_client(self) -> Any:
        with self._lock:
            if self._client is None:
                try:
                    self._client = make_client(self._where.parameters, self._timeouts)
                except ValueError as error:  # AWS_ENDPOINT_URL is no URL
                    raise StorageError(f"no connection to {self._where.place}: {error}") from error
            return self._client

    def _explaining(self, action: str, name: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except (ClientError, BotoCoreError) as error:
            endpoint = self._client.meta.endpoint_url if self._client else ""
            raise explained(error, action, self._where, name, endpoint) from error

    def _multipart(self, name: str) -> Multipart:
        key = self._key(name)
        return Multipart(
            lambda operation, **arguments: self._explaining(
                "write", name, lambda: self._call(operation, Key=key, **arguments)
            )
        )
