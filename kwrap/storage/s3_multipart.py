"""One long object in parts: seen when all of them are there, and not at all when anything fails before.

A stream cannot be read twice, so it is here that a part is sent again. Four parts are under way at once: with the one
being read, five times 8 MiB are held (larger parts beyond 8 GB of a stream, 80 GB of a file).
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from kwrap.errors import KwrapError, NotFound, StorageError
from kwrap.storage.retry import attempt
from kwrap.storage.s3_body import Body

_AT_ONCE = 4
_MARK = "kwrap-upload"

Call = Callable[..., dict[str, Any]]


class Multipart:
    """An upload of one object. `call(operation, **arguments)` makes a request about it, and raises StorageError."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._mark = os.urandom(16).hex()
        self._id = ""

    def upload(self, parts: Iterator[bytes]) -> None:
        options = {"Metadata": {_MARK: self._mark}, "ChecksumAlgorithm": "SHA256"}
        self._id = attempt(lambda: self._call("create_multipart_upload", **options))["UploadId"]
        try:
            sent = self._send_all(parts)
            attempt(lambda: self._complete(sent))
        except BaseException:
            self._abandon()
            raise

    def _send_all(self, parts: Iterator[bytes]) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        under_way: deque[Future[dict[str, Any]]] = deque()
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="kwrap-part") as threads:
            try:
                for number, part in enumerate(parts, 1):
                    under_way.append(threads.submit(self._send, number, part))
                    del part
                    if len(under_way) == _AT_ONCE:
                        sent.append(under_way.popleft().result())
                sent += [future.result() for future in under_way]
            except BaseException:
                threads.shutdown(wait=True, cancel_futures=True)
                raise
        return sent

    def _send(self, number: int, part: bytes) -> dict[str, Any]:
        checksum = base64.b64encode(hashlib.sha256(part).digest()).decode("ascii")
        about = {"UploadId": self._id, "PartNumber": number, "ChecksumSHA256": checksum}
        answer = attempt(lambda: self._call("upload_part", Body=Body(part), **about))
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    def _complete(self, sent: list[dict[str, Any]]) -> None:
        try:
            self._call("complete_multipart_upload", UploadId=self._id, MultipartUpload={"Parts": sent})
        except StorageError as error:
            if error.transient or not self._is_there():
                raise

    def _is_there(self) -> bool:
        """Whether our upload is complete: after a lost answer the server says that it knows no such upload."""
        try:
            return bool(self._call("head_object").get("Metadata", {}).get(_MARK) == self._mark)
        except NotFound:
            return False

    def _abandon(self) -> None:
        try:
            self._call("abort_multipart_upload", UploadId=self._id)
        except KwrapError:
            pass  # the bucket's own rules clear away what was begun and not completed
