"""What keeping files costs in kwrap, restic, borg and plain copies: the cases that `weights` and `small_files` share.

restic and borg are those of the system (`apt-get install restic borgbackup`); one that is not there is skipped. borg
does not encrypt here and restic cannot be told not to: kwrap does not either.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

from benchmarks.harness import Case, Columns, median_ratio

_ENVIRONMENT = {
    "RESTIC_PASSWORD": "benchmark",
    "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
    "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
}

_RESTORE = """
import sys
from kwrap.repository import restore
from kwrap.repository.repository import Repository
url, target = sys.argv[1:]
content = Repository.open(url).content
restore.apply(content, content.tree(open(url + "-tree").read()), target, backup=None)
"""


class Tool(NamedTuple):
    """A program that keeps the files of a directory and gives them back. Each stage is a command."""

    name: str
    repository: str
    start: tuple[str, ...]
    store: tuple[str, ...]
    restore: tuple[str, ...]


def kwrap(place: str, source: str, store: str) -> Tool:
    """`store`: a program that keeps a directory in a repository, and puts the tree's name beside that."""
    repository = f"{place}/kwrap"
    return Tool(
        "kwrap",
        repository,
        (),
        (sys.executable, "-c", store, repository, source),
        (sys.executable, "-c", _RESTORE, repository, f"{place}/out"),
    )


def peers(place: str, source: str) -> list[Tool]:
    """Those that are installed."""
    name = os.path.basename(source)
    restic, borg = f"{place}/restic", f"{place}/borg"
    found = [
        Tool(
            "restic",
            restic,
            ("restic", "-r", restic, "init"),
            ("restic", "-r", restic, "backup", "--quiet", name),
            ("restic", "-r", restic, "restore", "latest", "--quiet", "--target", f"{place}/out"),
        ),
        Tool(
            "borg",
            borg,
            ("borg", "init", "-e", "none", borg),
            ("borg", "create", borg + "::{now:%s.%f}", name),
            # Of the newest archive; extracts into the working directory.
            ("sh", "-c", f'mkdir out && cd out && borg extract {borg}::"$(borg list --last 1 --short {borg})"'),
        ),
    ]
    for tool in found:
        if not shutil.which(tool.name):
            print(f"SKIPPED {tool.name}: it is not installed", file=sys.stderr)
    return [tool for tool in found if shutil.which(tool.name)]


def environment(place: str) -> dict[str, str]:
    """With the tools' caches below the place."""
    return {**os.environ, **_ENVIRONMENT, "XDG_CACHE_HOME": f"{place}/cache", "BORG_BASE_DIR": f"{place}/borg-base"}


class Bench:
    """The cases of a benchmark, in one directory."""

    def __init__(self, place: str, *, put_aside: bool = False) -> None:
        """With `put_aside`, what makes room is removed at the end only.

        Making many files right after as many were removed costs ext4 several times as much: it does not give an inode
        out again for some seconds, and looks for another.
        """
        self._place = place
        self._put_aside = put_aside
        self._aside = 0
        self._env = environment(place)

    def first(self, tool: Tool) -> Case:
        """Into a repository that was just begun."""

        def before() -> None:
            self.remove(tool.repository, tool.repository + "-tree", tool.repository + "-state", "cache", "out")
            if tool.start:
                self._run(tool.start)
            _settle()

        return self._case(f"first, {tool.name}", tool.store, before, self._growth(tool))

    def again(self, tool: Tool, name: str, change: Callable[[], None] | None = None) -> Case:
        """Into one that has it, after `change`."""

        def before() -> None:
            if change is not None:
                change()
            _settle()
            growth.start()

        growth = self._growth(tool)
        return self._case(f"{name}, {tool.name}", tool.store, before, growth)

    def restore(self, tool: Tool) -> Case:
        """What was kept last, from a repository that the system has in its cache."""

        def before() -> None:
            self.remove("out")
            _settle()
            _read_all(tool.repository)

        return self._case(f"restore, {tool.name}", tool.restore, before, None)

    def plain(self, name: str, argv: tuple[str, ...], *removed: str) -> Case:
        """A command to compare with; what it makes is removed before."""

        def before() -> None:
            self.remove(*removed)
            _settle()

        return self._case(name, argv, before, None)

    def sparse(self, program: str) -> Case:
        """A file of holes, stored and restored; and how much memory that took."""
        names = ("sparse", "sparse-repository", "sparse-out")

        def after() -> dict[str, float]:
            with open(f"{self._place}/sparse-mb") as file:
                peak_mb = float(file.read())
            stored_mb = size_bytes(f"{self._place}/sparse-repository") / 1e6
            self.remove(*names)
            return {"peak MB": peak_mb, "MB stored": stored_mb}

        argv = (sys.executable, "-c", program, self._place)
        return self._case("20 GB of nothing, kwrap", argv, lambda: self.remove(*names), after)

    def _case(
        self,
        name: str,
        argv: tuple[str, ...],
        before: Callable[[], None],
        after: Callable[[], Mapping[str, float]] | None,
    ) -> Case:
        return Case(name, argv, self._place, self._env, before, after)

    def _growth(self, tool: Tool) -> _Growth:
        return _Growth(tool.repository)

    def remove(self, *names: str) -> None:
        for name in names:
            path = os.path.join(self._place, name)
            if self._put_aside and os.path.lexists(path):
                self._aside += 1
                os.rename(path, f"{self._place}/aside-{self._aside}")
            elif os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)

    def _run(self, argv: tuple[str, ...]) -> None:
        subprocess.run(argv, cwd=self._place, env=self._env, check=True, capture_output=True)


class _Growth:
    """By how many MB a repository grew since `start`, or since it was begun."""

    def __init__(self, repository: str) -> None:
        self._repository = repository
        self._before = 0

    def start(self) -> None:
        self._before = size_bytes(self._repository)

    def __call__(self) -> dict[str, float]:
        return {"MB stored": (size_bytes(self._repository) - self._before) / 1e6}


def times_as_long(measured: dict[str, Columns], name: str, base: str, column: str = "wall s") -> float | None:
    """The median ratio of two cases; None when one of them was skipped."""
    if name not in measured or base not in measured:
        return None
    return median_ratio(measured[name][column], measured[base][column])


def versions() -> dict[str, str]:
    """Of the tools that are there."""
    found = {}
    for name, argv in {"restic": ("restic", "version"), "borg": ("borg", "--version")}.items():
        if shutil.which(name):
            found[name] = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()[1]
    return found


def size_bytes(directory: str) -> int:
    return sum(os.lstat(os.path.join(place, name)).st_size for place, _, names in os.walk(directory) for name in names)


def _settle() -> None:
    """What was written before is no cost of what comes now."""
    os.sync()


def _read_all(directory: str) -> None:
    buffer = bytearray(1 << 20)
    for place, _, names in os.walk(directory):
        for name in names:
            with open(os.path.join(place, name), "rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass
