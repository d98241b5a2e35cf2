"""git as a process: what it lists and what it ignores, asked within a time limit.

Owns how git is started, bounded in time and understood. git may be missing, refuse the directory or hang: then
GitFailed says why. It is started with `posix_spawn`: the subprocess module would cost the path to the child's start
8 to 20 ms of imports.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence

# What points git at another repository than the one that the directory lies in (`git rev-parse --local-env-vars`).
_FOREIGN_REPOSITORY = frozenset(
    {
        b"GIT_DIR",
        b"GIT_WORK_TREE",
        b"GIT_IMPLICIT_WORK_TREE",
        b"GIT_INDEX_FILE",
        b"GIT_COMMON_DIR",
        b"GIT_PREFIX",
        b"GIT_OBJECT_DIRECTORY",
        b"GIT_ALTERNATE_OBJECT_DIRECTORIES",
        b"GIT_NAMESPACE",
    }
)
# A pipe takes this much before anybody reads it, on every system.
_PIPE_BYTES = 16384


class GitFailed(Exception):
    """git gave no list; the message says why."""


class Git:
    """git, with one time limit over all its calls."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._deadline = time.monotonic() + limit_s

    def files(self, directory: bytes) -> list[bytes]:
        """Relative paths; repositories inside are one path each (with or without a final slash)."""
        status, output, errors = self.run(
            directory, (b"ls-files", b"-z", b"--cached", b"--others", b"--exclude-standard")
        )
        if status != 0:
            raise GitFailed(_first_line(errors) or f"git ls-files ended with status {status}")
        return output.split(b"\0")[:-1]

    def ignored(self, directory: bytes, paths: Sequence[bytes]) -> set[bytes]:
        """Those of the paths (relative to the directory, `b""` for itself) that git ignores."""
        found: set[bytes] = set()
        for chunk in _chunks([b"./" + path for path in paths]):  # a name that begins with `:` would be an instruction
            status, output, errors = self.run(directory, (b"check-ignore", b"-z", b"--stdin"), chunk)
            if status not in (0, 1):
                raise GitFailed(_first_line(errors) or f"git check-ignore ended with status {status}")
            found.update(path[2:] for path in output.split(b"\0")[:-1])
        return found

    def run(self, directory: bytes, arguments: Sequence[bytes], given: bytes = b"") -> tuple[int, bytes, bytes]:
        """Exit status, standard output and standard error. `given` is at most _PIPE_BYTES."""
        if time.monotonic() >= self._deadline:
            raise GitFailed(f"git did not answer within {self._limit_s:g} s")
        # No fsmonitor: it would start a hook or a daemon.
        command = (b"git", b"-c", b"core.fsmonitor=", b"-C", directory, *arguments)
        environment = {key: value for key, value in os.environb.items() if key not in _FOREIGN_REPOSITORY}
        environment.update({b"GIT_OPTIONAL_LOCKS": b"0", b"LC_ALL": b"C"})
        pipes = [os.pipe() for _ in range(3)]
        reading = [pipes[1][0], pipes[2][0]]
        try:
            os.write(pipes[0][1], given)
            actions = [(os.POSIX_SPAWN_DUP2, pipes[n][min(n, 1)], n) for n in range(3)]
            # Its own process group, so that all of it can be ended; Python ignores SIGPIPE, git must not.
            process = os.posix_spawnp(
                b"git", command, environment, file_actions=actions, setpgroup=0, setsigdef=[signal.SIGPIPE]
            )
        except OSError as error:
            for descriptor in reading:
                os.close(descriptor)
            missing = error.errno == errno.ENOENT
            raise GitFailed("git is not installed" if missing else f"git cannot be started: {error.strerror}") from None
        finally:
            for descriptor in (*pipes[0], pipes[1][1], pipes[2][1]):
                os.close(descriptor)
        try:
            output, errors = self._read(reading)
            return _wait(process), output, errors
        except BaseException:  # the limit, or ^C
            _kill(process)
            raise
        finally:
            for descriptor in reading:
                os.close(descriptor)

    def _read(self, descriptors: Sequence[int]) -> tuple[bytes, bytes]:
        """All that comes from both until their ends."""
        chunks: dict[int, list[bytes]] = {descriptor: [] for descriptor in descriptors}
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        left = len(descriptors)
        while left:
            ready = poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000)
            if not ready:
                raise GitFailed(f"git did not answer within {self._limit_s:g} s")
            for descriptor, _ in ready:
                data = os.read(descriptor, 1 << 20)
                if data:
                    chunks[descriptor].append(data)
                else:
                    poll.unregister(descriptor)
                    left -= 1
        output, errors = (b"".join(chunks[descriptor]) for descriptor in descriptors)
        return output, errors


def _chunks(paths: Sequence[bytes]) -> Iterator[bytes]:
    """Paths, each ended by NUL, in portions that a pipe takes at once."""
    chunk = b""
    for path in paths:
        if chunk and len(chunk) + len(path) + 1 > _PIPE_BYTES:
            yield chunk
            chunk = b""
        chunk += path + b"\0"
    if chunk:
        yield chunk


def _first_line(text: bytes) -> str:
    return text.decode("utf-8", "replace").strip().partition("\n")[0]


def _wait(process: int) -> int:
    """The exit status. Where SIGCHLD is ignored nobody can know it, and what was read has to do."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    except ChildProcessError:
        return 0


def _kill(process: int) -> None:
    """End git and what it started. A process stuck in the kernel is left behind rather than waited for."""
    try:
        os.killpg(process, signal.SIGKILL)
        for _ in range(50):
            if os.waitpid(process, os.WNOHANG)[0]:
                return
            time.sleep(0.01)
    except OSError:
        return
