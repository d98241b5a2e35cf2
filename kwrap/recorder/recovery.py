"""Finishing what was left behind: run directories of this machine whose processes are gone.

The normal path, not the exception: every `kwrap run` and `kwrap ls` looks, for a bounded time. A run directory whose
supervisor or child still lives, or that another process is completing, is left alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from kwrap import processes
from kwrap.errors import KwrapError
from kwrap.recorder.session import BUSY, record
from kwrap.repository import preflight
from kwrap.repository.local_store import LocalStore
from kwrap.repository.repository import Repository
from kwrap.rundir import KEPT, RECORDED, RunDirectory, all_run_directories, store_directory

# Younger run directories are most likely about to be recorded by their own process.
_YOUNG_S = 5.0
_EMPTY_S = 60.0
# A recorder shows life every few seconds. What has shown none for so long is dead wherever it ran.
_ELSEWHERE_S = 600.0
_TIDY_EVERY_S = 24 * 3600.0
_UNUSED_S = 30 * _TIDY_EVERY_S


class Found(NamedTuple):
    """One run directory, and what became of it: `running`, `unattended`, `busy`, `offline`, `completed` or `pending`.

    `unattended`: the command runs on, without kwrap. `pending`: the repository does not take it yet; `problem` says
    why, where that is known.
    """

    experiment: str
    run: str
    state: str
    repository: str
    problem: str | None = None


def recover(
    *,
    limit_s: float | None = None,
    offline: bool = False,
    young: bool = True,
    tell: Callable[[Found], None] = lambda _: None,
) -> Sequence[Found]:
    """Complete what can be completed. `offline`: also what was recorded offline on purpose (`kwrap sync`).

    `tell` is told of each as it is done.
    """
    deadline_s = None if limit_s is None else time.monotonic() + limit_s
    looking = _Looking(offline)
    found = []
    for run_directory in all_run_directories():
        if deadline_s is not None and time.monotonic() > deadline_s:
            break
        age_s = _age_s(run_directory)
        if age_s is None or (age_s < _YOUNG_S and not young):
            continue
        looked = looking.look(run_directory, age_s)
        if looked is not None:
            found.append(looked)
            tell(looked)
    return found


def standing(run_directory: RunDirectory) -> tuple[str, Mapping[str, Mapping[str, Any]]]:
    """How a run directory stands now (see `Found`; `pending`: nobody is at it), with its journal.

    `empty`: it has no beginning yet. `over`: nothing is left to do, as its command never ran, or all is recorded.
    """
    events = run_directory.events()
    created, spawned = events.get("created"), events.get("spawned")
    if "recorded" in events:
        return "over", events
    if created is None:
        return "empty", events
    if created["host"] != os.uname().nodename and time.time() - run_directory.last_life_s() < _ELSEWHERE_S:
        return "running", events  # on another machine that shares this directory, whose processes we do not see
    if processes.is_alive(processes.Identity(*created["supervisor"])):
        return "running", events
    if spawned and "exited" not in events:
        child = processes.Identity(spawned["pid"], spawned["start_ticks"], spawned["boot_id"])
        if processes.is_alive(child):
            return "unattended", events
    if spawned is None and "exited" not in events and not os.path.exists(run_directory.output):
        return "over", events
    return "pending", events


def tidy(now_s: float) -> None:
    """Once a day: evict from the local store what no snapshot has used for a month and no run still has to send."""
    store = store_directory()
    marker = os.path.join(store, "tidied")
    if not os.path.isdir(store) or _modified_s(marker) > now_s - _TIDY_EVERY_S:
        return
    with open(marker, "w", encoding="utf-8"):
        pass
    kept: set[str] = set()
    for run_directory in all_run_directories():
        snapshot = run_directory.events().get("snapshot")
        if snapshot:
            kept |= {snapshot["tree"], *snapshot["packs"], *snapshot["blobs"]}
    LocalStore(store).evict(now_s - _UNUSED_S, kept)


class _Looking:
    """One look at every run directory. A repository that takes nothing is asked once, and not for each record."""

    def __init__(self, offline: bool) -> None:
        self._offline = offline
        self._problems: dict[str, str | None] = {}

    def look(self, run_directory: RunDirectory, age_s: float) -> Found | None:
        state, events = standing(run_directory)
        if state == "over" or (state == "empty" and age_s > _EMPTY_S):
            run_directory.remove()
        if state in ("over", "empty"):
            return None
        created = events["created"]
        found = Found(created["experiment"], created["run"], state, created["repository"])
        if state != "pending":
            return found
        if created["offline"] and not self._offline:
            return found._replace(state="offline")
        problem = self._problem(found.repository, preflight.check)
        if problem is None:
            found = found._replace(state=_complete(run_directory))
            if found.state == "pending":
                del self._problems[found.repository]
                problem = self._problem(found.repository, _make)
        return found._replace(problem=problem)

    def _problem(self, url: str, look: Callable[[str], object]) -> str | None:
        """Why the repository takes nothing; None when nothing speaks against it."""
        if url not in self._problems:
            try:
                look(url)
                self._problems[url] = None
            except KwrapError as error:
                self._problems[url] = error.message
            except Exception as error:  # a fault of ours, as that of one record, is told and ends nothing
                self._problems[url] = f"{url} cannot be used: {error!r}"
        return self._problems[url]


def _make(url: str) -> None:
    """As recording does it first."""
    Repository.open(url, create=True)


def _complete(run_directory: RunDirectory) -> str:
    status = KEPT
    try:
        status = record(run_directory, None)
    except Exception:  # one that cannot be completed, as by a fault of ours, must not keep the others from being
        _write_down_fault(run_directory)
    if status == KEPT and not os.path.exists(run_directory.journal):
        return "busy"  # another process was quicker, and is done
    return {RECORDED: "completed", BUSY: "busy"}.get(status, "pending")


def _write_down_fault(run_directory: RunDirectory) -> None:
    import traceback  # not before: every run would pay for it

    try:
        with open(run_directory.log, "a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
    except OSError:
        pass


def _age_s(run_directory: RunDirectory) -> float | None:
    modified_s = _modified_s(run_directory.path)
    return max(0.0, time.time() - modified_s) if modified_s else None


def _modified_s(path: str) -> float:
    """Zero when there is no such file."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
