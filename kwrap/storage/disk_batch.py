"""Many durable writes to a directory at once: one thread waits for the disk while the caller makes the next object.

fsync after every piece left the processor idle half of the time: 1 GB in pieces of 4 MiB took 1.8 s one after the
other, 1.2-1.5 s this way, 0.7-0.9 s as one file by `dd conv=fsync` (2 cores, ext4, medians of 3).
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from types import TracebackType

from kwrap.errors import StorageError
from kwrap.storage.durable import Temporary, explained, sync_directory

_WAITING = 8  # objects written but not yet durable; a bound on open descriptors and on dirty memory


class DiskBatch:
    """Begun with the first write, ended on leaving; its thread `kwrap-durable` lives no longer."""

    def __init__(self, root: str, path_of: Callable[[str], str]) -> None:
        self._root = root
        self._path_of = path_of
        self._waiting: queue.Queue[tuple[Temporary, str] | None] = queue.Queue(_WAITING)
        self._directories: set[str] = set()
        self._error: StorageError | None = None
        self._thread: threading.Thread | None = None

    def write(self, name: str, data: bytes | memoryview) -> None:
        path = self._path_of(name)
        if self._error:
            raise self._error
        if self._thread is None:
            self._thread = threading.Thread(target=self._make_durable, name="kwrap-durable", daemon=True)
            self._thread.start()
        try:
            temporary = Temporary(self._root)
            try:
                temporary.write(data)
            except OSError:
                temporary.discard()
                raise
        except OSError as error:
            raise explained(error, "write", path) from error
        self._waiting.put((temporary, path))

    def _make_durable(self) -> None:
        while (item := self._waiting.get()) is not None:
            temporary, path = item
            with temporary:
                if self._error:
                    continue  # what follows a failure is thrown away; the caller hears of it
                try:
                    temporary.sync()
                    temporary.replace(path)
                    self._directories.add(os.path.dirname(path))
                except OSError as error:
                    self._error = explained(error, "write", path)

    def __enter__(self) -> DiskBatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is None:
            return
        self._waiting.put(None)
        self._thread.join()
        try:
            for directory in sorted(self._directories):
                sync_directory(directory)
        except OSError as failure:
            self._error = self._error or explained(failure, "write", self._root)
        if self._error and error is None:
            raise self._error
