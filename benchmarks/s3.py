"""What weights in a bucket of S3 cost, up and down, beside s5cmd, on the same servers.

    python -m benchmarks.s3 [--rounds 3] [--files 8] [--mib 128]

The servers are those of the tests, on this machine: they share its cores with the client, so the times are of the pair.
The client's CPU time is its own. The files are random.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks import peers
from benchmarks.harness import ROOT, Case, Columns, Figure, Report, interleave, median_ratio
from benchmarks.weights import make_files
from kwrap.storage.open import open_storage

_STORE = """
import os, sys
from kwrap.repository import trees
from kwrap.repository.repository import Repository
url, source, tree = sys.argv[1:]
content = Repository.open(url, create=True).content
entries = [content.store_file(f"{source}/{name}", name.encode(), 0o644) for name in sorted(os.listdir(source))]
open(tree, "w").write(content.store_tree(trees.encode(entries)))
"""
_RESTORE = """
import sys
from kwrap.repository import restore
from kwrap.repository.repository import Repository
url, target, tree = sys.argv[1:]
content = Repository.open(url).content
restore.apply(content, content.tree(open(tree).read()), target, backup=None)
"""


class Bench:
    """The cases on one server."""

    def __init__(self, place: str, name: str, server: Any, s5cmd: str | None) -> None:
        self._place = place
        self._name = name
        self._server = server
        self._environment = {**os.environ, **server.environment}
        self._s5cmd = [s5cmd, "--endpoint-url", server.endpoint, "--log", "error", "cp"] if s5cmd else []
        self._tree = f"{place}/tree-{name}"

    def cases(self) -> list[Case]:
        """Up and down, ours and theirs; what is to go down went up in the same round."""
        url, source, out = self._server.url("kwrap"), f"{self._place}/weights", f"{self._place}/out"
        theirs = f"s3://{url.partition('://')[2].partition('/')[0]}/s5cmd/"
        python = [sys.executable, "-c"]
        found = [
            self._case("up, kwrap", [*python, _STORE, url, source, self._tree], lambda: self._empty("kwrap")),
            self._case("down, kwrap", [*python, _RESTORE, url, out, self._tree], self._clear),
        ]
        if self._s5cmd:
            found += [
                self._case("up, s5cmd", [*self._s5cmd, f"{source}/*", theirs], lambda: self._empty("s5cmd")),
                self._case("down, s5cmd", [*self._s5cmd, f"{theirs}*", f"{out}/"], self._clear),
            ]
        return found

    def _case(self, name: str, argv: list[str], before: Callable[[], None]) -> Case:
        return Case(f"{self._name}: {name}", argv, self._place, self._environment, before)

    def _empty(self, prefix: str) -> None:
        storage = open_storage(self._server.url(prefix), base=".")
        for stored in list(storage.list("")):
            storage.delete(stored.name)

    def _clear(self) -> None:
        shutil.rmtree(f"{self._place}/out", ignore_errors=True)
        os.sync()


def run(place: str, rounds: int, files: int, mib: int, s5cmd: str | None) -> dict[str, Columns]:
    sys.path.insert(0, os.path.join(ROOT, "tests"))
    import servers  # type: ignore[import-not-found]  # of the tests

    make_files(f"{place}/weights", files, mib)
    measured: dict[str, Columns] = {}
    for name, start in (("ministack", servers.start_s3), ("seaweedfs", servers.start_seaweed)):
        server = start()
        os.environ.update(server.environment)
        try:
            bench = Bench(place, name, server, s5cmd)
            up, down = bench.cases()[0::2], bench.cases()[1::2]
            measured |= interleave(up, rounds)
            measured |= interleave(down, rounds)
        finally:
            server.stop()
    _check(place, files)
    return measured


def _check(place: str, files: int) -> None:
    """What came down last is what went up."""
    subprocess.run(["diff", "-rq", "weights", "out"], cwd=place, check=True)
    assert len(os.listdir(f"{place}/out")) == files


def figures(measured: dict[str, Columns], size_gb: float) -> list[Figure]:
    found = []
    for server in ("ministack", "seaweedfs"):
        for way in ("up", "down"):
            ours, theirs = (measured.get(f"{server}: {way}, {tool}") for tool in ("kwrap", "s5cmd"))
            if ours and theirs:
                ratio = median_ratio(ours["wall s"], theirs["wall s"])
                found.append(Figure(f"{server}: {way}, of s5cmd", ratio, "times the wall time", 1.0))
                ratio = median_ratio(ours["CPU s"], theirs["CPU s"])
                found.append(Figure(f"{server}: {way}, of s5cmd", ratio, "times the CPU time"))
            if ours:
                cpu_s = sorted(ours["CPU s"])[len(ours["CPU s"]) // 2]
                found.append(Figure(f"{server}: {way}, kwrap", cpu_s / size_gb, "CPU s a GB"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.s3")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--mib", type=int, default=128)
    options = parser.parse_args()
    compileall.compile_dir(os.path.join(ROOT, "kwrap"), quiet=1)
    peer = peers.find("s5cmd")
    with tempfile.TemporaryDirectory(prefix="kwrap-bench-") as place:
        measured = run(place, options.rounds, options.files, options.mib, peer.program if peer else None)
    size_gb = options.files * options.mib * (1 << 20) / 1e9
    Report(
        name="s3",
        title="What weights in a bucket cost",
        about=f"{options.files} files of {options.mib} MiB of random bytes ({size_gb:.2f} GB), to a server on the same "
        "machine and back. Whole fresh processes; CPU seconds of the client alone. kwrap hashes and cuts what goes up, "
        "and verifies what comes down; s5cmd copies.",
        rounds=options.rounds,
        versions={"s5cmd": peer.version} if peer else {},
        cases=measured,
        figures=figures(measured, size_gb),
        notes=[f"MB a second are {size_gb * 1e3:.0f} by the wall seconds."],
    ).write()


if __name__ == "__main__":
    main()
