"""What works on this machine and what does not, and what to do about it. Looks, and leaves nothing behind."""

from __future__ import annotations

import locale
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from kwrap.errors import KwrapError
from kwrap.rundir import state_directory

if TYPE_CHECKING:
    from kwrap.project.project import Project

_LITTLE_SPACE_BYTES = 1_000_000_000
_FEW_WATCHES = 8192


class Health(str, Enum):
    """`warning`: kwrap works, and something is left out."""

    WORKS = "works"
    WARNING = "warning"
    FAILS = "fails"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the diagnosis."""

    name: str
    health: Health
    detail: str
    hint: str | None = None


def diagnose(project: Project) -> list[Check]:
    """Every check, in order; one that itself fails is a line like the others."""
    checks: list[Check] = []
    for look in (_python, _zstandard, _git, _inotify, _pty, _subreaper, _state, _terminal):
        checks += _guarded(look)
    checks += _guarded(lambda: _project(project))
    return checks


def _guarded(look: Callable[[], Iterator[Check]]) -> list[Check]:
    try:
        return list(look())
    except Exception as error:  # a diagnosis that breaks off helps nobody
        return [_fails(getattr(look, "__name__", "check").strip("_"), f"{type(error).__name__}: {error}")]


def _works(name: str, detail: str) -> Check:
    return Check(name=name, health=Health.WORKS, detail=detail)


def _warning(name: str, detail: str, hint: str | None = None) -> Check:
    return Check(name=name, health=Health.WARNING, detail=detail, hint=hint)


def _fails(name: str, detail: str, hint: str | None = None) -> Check:
    return Check(name=name, health=Health.FAILS, detail=detail, hint=hint)


def _python() -> Iterator[Check]:
    from kwrap import __version__

    yield _works("kwrap", f"{__version__}, Python {sys.version.split()[0]} ({sys.executable})")


def _zstandard() -> Iterator[Check]:
    try:
        import zstandard
    except ImportError as error:
        yield _fails("zstandard", f"cannot be imported: {error}", "pip install zstandard")
        return
    yield _works("zstandard", f"{zstandard.__version__}")


def _git() -> Iterator[Check]:
    path = shutil.which("git")
    if path is None:
        yield _warning(
            "git",
            "not installed: commits are not recorded, and .gitignore is not asked which files are code",
            "install git, or keep a .kwrapignore",
        )
        return
    asked = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    yield _works("git", f"{asked.stdout.strip().removeprefix('git version ')} ({path})")


def _inotify() -> Iterator[Check]:
    if not sys.platform.startswith("linux"):
        yield _works("file events", f"as {sys.platform} gives them, through watchdog")
        return
    watches, instances = _limit("max_user_watches"), _limit("max_user_instances")
    hint = "checkpoints are then found at the end only; sysctl fs.inotify.max_user_watches=524288 raises the limit"
    refusal = _inotify_refusal()
    if refusal:
        yield _warning("file events", f"no inotify instance to be had: {refusal}", hint)
    elif watches is not None and watches < _FEW_WATCHES:
        yield _warning("file events", f"inotify watches {watches:,} directories at most", hint)
    else:
        limits = "" if watches is None else f": {watches:,} directories, {instances or 0:,} watchers at most"
        yield _works("file events", f"inotify{limits}")


def _limit(name: str) -> int | None:
    try:
        with open(f"/proc/sys/fs/inotify/{name}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _inotify_refusal() -> str | None:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    descriptor = library.inotify_init1(os.O_CLOEXEC)
    if descriptor < 0:
        return os.strerror(ctypes.get_errno())
    os.close(descriptor)
    return None


def _pty() -> Iterator[Check]:
    try:
        master, slave = os.openpty()
    except OSError as error:
        yield _warning(
            "pseudo-terminal", f"none to be had: {error.strerror}", "commands get pipes; --no-pty says so beforehand"
        )
        return
    name = os.ttyname(slave)
    os.close(master)
    os.close(slave)
    yield _works("pseudo-terminal", name)


def _subreaper() -> Iterator[Check]:
    from kwrap.supervisor.signals import become_subreaper

    if become_subreaper():
        yield _works("accounting", "exact: this process may reap every descendant of a run")
    else:
        yield _warning("accounting", "no child subreaper here: processes that leave their parent are not counted")


def _state() -> Iterator[Check]:
    directory = state_directory()
    probe = os.path.join(directory, f".doctor-{os.getpid()}")
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        with open(probe, "wb") as file:
            file.write(b"x")
        os.unlink(probe)
    except OSError as error:
        yield _fails(
            "state directory",
            f"{directory} cannot be written: {error.strerror}; commands would run unrecorded",
            "KWRAP_STATE_DIRECTORY names another place",
        )
        return
    yield _space("state directory", directory)


def _space(name: str, directory: str) -> Check:
    from kwrap.analysis.table import format_size

    free = shutil.disk_usage(directory).free
    detail = f"{directory}, {format_size(free)} free"
    if free < _LITTLE_SPACE_BYTES:
        return _warning(name, detail, "what a run prints and its checkpoints pass through here; make room")
    return _works(name, detail)


def _project(project: Project) -> Iterator[Check]:
    from kwrap.repository import preflight

    try:
        yield _works("project", project.directory)
        url = project.repository_url
        preflight.check(url)  # first: of a bucket that cannot be had it tells within seconds
        if project.has_repository():
            ids = project.repository.ids()
            yield _works("repository", f"{url}, {len(ids):,} {'experiment' if len(ids) == 1 else 'experiments'}")
        else:
            yield _works("repository", f"{url}, made by the first run")
    except KwrapError as error:
        yield _fails("repository", error.message, error.hint)
        return
    if os.path.isdir(url):
        yield _space("repository's disk", url)


def _terminal() -> Iterator[Check]:
    encoding = (getattr(sys.stdout, "encoding", None) or locale.getpreferredencoding(False)).lower()
    if "utf" not in encoding:
        yield _warning("terminal", f"encoding {encoding}: some characters are shown as escapes", "export LANG=C.UTF-8")
    elif sys.stdout.isatty():
        size = os.get_terminal_size(sys.stdout.fileno())
        colours = "no colours (NO_COLOR)" if os.environ.get("NO_COLOR") else "colours"
        yield _works("terminal", f"{size.columns} columns, {encoding}, {colours}")
    else:
        yield _works("terminal", f"none here: plain lines, {encoding}")
