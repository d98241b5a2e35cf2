"""Stands between this process and what it does to files: to be killed at a step of it, or to write every step down."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

# Whatever makes, changes, names or makes durable. Of `open` only what may make a file.
NAMES = (
    "open",
    "write",
    "pwrite",
    "writev",
    "fsync",
    "fdatasync",
    "replace",
    "rename",
    "link",
    "mkdir",
    "unlink",
    "rmdir",
)
WRITES = ("write", "pwrite", "writev")


class Watched:
    """While it is entered, these functions of `os` go through `step`, on every thread of this process."""

    def __init__(self) -> None:
        self._originals: dict[str, Callable[..., Any]] = {}

    def step(self, name: str, original: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Called before the function is."""

    def done(self, name: str, arguments: tuple[Any, ...], answer: Any) -> None:
        """Called after it."""

    def __enter__(self) -> Watched:
        for name in NAMES:
            self._originals[name] = getattr(os, name)
            setattr(os, name, self._watching(name, self._originals[name]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, original in self._originals.items():
            setattr(os, name, original)

    def _watching(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            if name == "open" and not arguments[1] & os.O_CREAT and not arguments[1] & os.O_DIRECTORY:
                return original(*arguments, **named)
            self.step(name, original, arguments)
            answer = original(*arguments, **named)
            self.done(name, arguments, answer)
            return answer

        return watched


class Killed(Watched):
    """This process dies of SIGKILL before step number `at`, counted from 1. With `torn` only writes count, and it dies
    in the middle of that one: half of the bytes are written."""

    def __init__(self, at: int, *, torn: bool = False) -> None:
        super().__init__()
        self._at = at
        self._torn = torn
        self._lock = threading.Lock()
        self._steps = 0

    def step(self, name: str, original: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        if self._torn and name != "write":
            return
        with self._lock:
            self._steps += 1
            if self._steps != self._at:
                return
            if self._torn:
                original(arguments[0], memoryview(arguments[1])[: len(arguments[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)


class PowerCut(Watched):
    """What of the files below `root` would be there after a power cut at this instant, at least.

    A file's bytes are durable when it was synced after the last of them, its name when its directory was, and that of
    every directory above. `named` is called with a path before that is named; what it says is wrong then, and whatever
    else is, is in `wrong`.
    """

    def __init__(self, root: str, named: Callable[[PowerCut, str], list[str]]) -> None:
        super().__init__()
        self._root = root
        self._named = named
        self._lock = threading.RLock()
        self._paths: dict[int, str] = {}
        self._synced_bytes: set[str] = set()
        self._synced_names: set[str] = set()
        self.wrong: list[str] = []

    def is_durable(self, path: str) -> bool:
        above = path
        while above != self._root:
            if above not in self._synced_names:
                return False
            above = os.path.dirname(above)
        return path in self._synced_bytes

    def step(self, name: str, original: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        with self._lock:
            if name in ("replace", "rename", "link") and self._is_ours(arguments[1]):
                self.wrong += self._named(self, arguments[1])
                if arguments[0] not in self._synced_bytes:
                    self.wrong.append(f"{arguments[1]} is named before its bytes are durable")
            if name in WRITES and arguments[0] in self._paths:
                self._synced_bytes.discard(self._paths[arguments[0]])

    def done(self, name: str, arguments: tuple[Any, ...], answer: Any) -> None:
        with self._lock:
            if name == "open" and self._is_ours(arguments[0]):
                self._paths[answer] = str(arguments[0])
            elif name in ("replace", "rename", "link") and self._is_ours(arguments[1]):
                self._synced_bytes.add(arguments[1])
                self._synced_names.discard(arguments[1])
            elif name in ("fsync", "fdatasync"):
                self._sync(arguments[0])

    def _sync(self, descriptor: int) -> None:
        path = self._paths.get(descriptor)
        if path is None:
            return
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            self._synced_names.update(entry.path for entry in os.scandir(path))
        else:
            self._synced_bytes.add(path)

    def _is_ours(self, path: Any) -> bool:
        return isinstance(path, str) and (path == self._root or path.startswith(self._root + os.sep))
