"""Storage in a bucket of Google Cloud Storage, as the application default credentials allow.

STORAGE_EMULATOR_HOST names another server, which asks for none. Objects go up whole; files and streams longer than
8 MiB by resumable upload, in pieces of that size, of which the library repeats what got lost: a stream cannot be read
twice. Nothing else is tried again here.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any, BinaryIO, TypeVar

from google.api_core.exceptions import NotFound as NoSuchObject
from google.api_core.exceptions import RequestRangeNotSatisfiable
from google.cloud.storage.fileio import BlobWriter
from google.cloud.storage.retry import DEFAULT_RETRY

from kwrap.errors import CredentialsError, NotFound
from kwrap.storage.answers import nanoseconds, read_head
from kwrap.storage.base import Batch, Stored, check_name, is_name
from kwrap.storage.bucket_batch import BucketBatch
from kwrap.storage.bucket_url import BucketURL
from kwrap.storage.gcs_client import make_client
from kwrap.storage.gcs_errors import RAISED, explained
from kwrap.storage.parts import PART_BYTES, file_parts, open_file, stream_parts
from kwrap.storage.ranges import open_ranges
from kwrap.storage.timeouts import PATIENT, Timeouts

T = TypeVar("T")

_BINARY = "application/octet-stream"


class GCSStorage:
    """A prefix of a bucket. Nothing is asked before it is used."""

    parallel = 16

    def __init__(self, where: BucketURL, timeouts: Timeouts = PATIENT) -> None:
        self.url = where.url
        self._where = where
        self._timeouts = timeouts
        self._limits = (timeouts.connect_s, timeouts.answer_s)
        # Of a body all must be sent within the first of the two: the library has no other limit while sending.
        self._sending = (2 * timeouts.answer_s, timeouts.answer_s)
        self._client: Any = None
        self._lock = threading.Lock()
        self._ahead_ns: int | None = None  # their clock above our monotonic one

    def read(self, name: str) -> bytes:
        return self._explaining("read", name, lambda: self._download(name))

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        if length <= 0:
            if self.size(name) is None:
                raise NotFound(f"there is no {self._where.place}/{name}")
            return b""

        def get() -> bytes:
            try:
                # An emulator may give all of an object for a range beyond its end.
                return self._download(name, start=offset, end=offset + length - 1)[:length]
            except RequestRangeNotSatisfiable:
                return b""

        return self._explaining("read", name, get)

    def _download(self, name: str, **options: int) -> bytes:
        data: bytes = self._blob(name).download_as_bytes(
            raw_download=True, checksum=None, retry=None, timeout=self._limits, **options
        )
        return data

    def open(self, name: str) -> BinaryIO:
        check_name(name)
        return open_ranges(lambda offset, length: self.read_range(name, offset, length))

    def size(self, name: str) -> int | None:
        def get() -> int | None:
            blob = self._blob(name)
            try:
                blob.reload(retry=None, timeout=self._limits)
            except NoSuchObject:
                return None
            size: int = blob.size
            return size

        return self._explaining("read", name, get)

    def write(self, name: str, data: bytes | memoryview, *, sha256: str | None = None) -> None:
        self._put(name, bytes(data))

    def create(self, name: str, data: bytes) -> None:
        self._put(name, data, if_generation_match=0)

    def _put(self, name: str, data: bytes, **conditions: int) -> None:
        self._explaining(
            "write",
            name,
            lambda: self._blob(name).upload_from_string(
                data, content_type=_BINARY, checksum="crc32c", retry=None, timeout=self._sending, **conditions
            ),
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
            self._put(name, first)
            return
        writer: Any = BlobWriter(
            self._blob(name),
            chunk_size=PART_BYTES,
            retry=DEFAULT_RETRY.with_timeout(self._timeouts.patience_s),
            content_type=_BINARY,
            checksum="crc32c",
            timeout=self._sending,
        )
        pieces = chain((first, second), parts)
        del first, second
        try:
            for part in pieces:
                self._explaining("write", name, lambda: writer.write(part))  # noqa: B023
            self._explaining("write", name, writer.close)
        except BaseException:
            _abandon(writer)
            raise

    def batch(self) -> Batch:
        return BucketBatch(self.write)

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        root = self._where.prefix
        pages = self._explaining("list", prefix, lambda: self._listed(root + prefix, root + after if after else None))
        while (page := self._explaining("list", prefix, lambda: next(pages, None))) is not None:
            for blob in page:
                name = blob.name[len(root) :]
                if name > after and name.startswith(prefix) and is_name(name):
                    yield Stored(name, blob.size, nanoseconds(blob.updated))

    def _listed(self, prefix: str, start: str | None, most: int | None = None) -> Iterator[Any]:
        pages: Iterator[Any] = (
            self._connected()
            .list_blobs(
                self._where.bucket,
                prefix=prefix,
                start_offset=start,
                max_results=most,
                fields="items(name,size,updated),nextPageToken",
                retry=None,
                timeout=self._limits,
            )
            .pages
        )
        return pages

    def is_empty(self) -> bool:
        def look() -> bool:
            return not any(True for page in self._listed(self._where.prefix, None, 1) for _ in page)

        return self._explaining("list", "", look)

    def delete(self, name: str) -> None:
        def remove() -> None:
            try:
                self._blob(name).delete(retry=None, timeout=self._limits)
            except NoSuchObject:
                pass

        self._explaining("delete", name, remove)

    def now_ns(self) -> int:
        if self._ahead_ns is None:
            self.is_empty()  # any answer carries the time
        return time.time_ns() if self._ahead_ns is None else time.monotonic_ns() + self._ahead_ns

    def writers_lock(self, *, shared: bool) -> AbstractContextManager[bool]:
        """None: a bucket has no locks, and who deletes waits instead."""
        return nullcontext(False)

    def _blob(self, name: str) -> Any:
        key = self._where.prefix + check_name(name)
        return self._connected().bucket(self._where.bucket).blob(key)

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                try:
                    self._client = make_client(self._where.parameters, self._look_at)
                except (ValueError, OSError) as error:  # a file of credentials that is none, an endpoint that is none
                    raise CredentialsError(f"no connection to {self._where.place}: {error}") from error
            return self._client

    def _look_at(self, status: int, headers: Mapping[str, str]) -> None:
        self._ahead_ns = read_head(status, headers, self._where) or self._ahead_ns

    def _explaining(self, action: str, name: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except RAISED as error:
            endpoint = self._client.api_endpoint if self._client else ""
            raise explained(error, action, self._where, name, endpoint) from error


def _abandon(writer: Any) -> None:
    try:
        writer.terminate()
    except RAISED:
        pass  # what was begun and not completed is forgotten there after a week
