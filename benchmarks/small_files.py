"""What keeping 20,000 small source files costs, beside tar, restic and borg.

    python -m benchmarks.small_files [--rounds 3] [--files 20000]

The files are stretches of Python's own standard library. kwrap's way is that of `kwrap run`: selection, snapshot into
the local store, and from there into the repository.
"""

from __future__ import annotations

import argparse
import compileall
import os
import random
import sysconfig
import tempfile
import time

from benchmarks import backups
from benchmarks.backups import Bench, times_as_long
from benchmarks.harness import ROOT, Columns, Figure, Report, interleave

_MEAN_BYTES = 11_000
_FILES_A_DIRECTORY = 50
_SETTLED_S = 2.5  # until a file counts as not being written any more

_STORE = """
import os, sys
from kwrap.capture.source import select
from kwrap.repository.local_store import LocalStore
from kwrap.repository.repository import Repository
from kwrap.supervisor.snapshot import take
url, source = sys.argv[1:]
project, state = os.fsencode(source), url + "-state"
taken = take(select(project, max_total_bytes=1 << 40), project, state + "/store", state + "/index")
local, content = LocalStore(state + "/store"), Repository.open(url, create=True).content
for sha256 in taken.packs:
    content.upload_pack(local.pack_path(sha256), sha256)
for sha256 in taken.blobs:
    content.upload_blob(local.blob_path(sha256), sha256)
with open(local.tree_path(taken.tree), "rb") as manifest:
    open(url + "-tree", "w").write(content.store_tree(manifest.read()))
"""


def make_files(directory: str, files: int) -> int:
    """Files of stretches of real source lines; their bytes in all."""
    numbers = random.Random(1)
    lines = _lines()
    size = 0
    for number in range(files):
        folder = os.path.join(directory, f"package{number // 1000:02d}", f"part{number // _FILES_A_DIRECTORY % 20:02d}")
        os.makedirs(folder, exist_ok=True)
        wanted = int(numbers.expovariate(1 / _MEAN_BYTES)) + 40
        text = b""
        while len(text) < wanted:
            start = numbers.randrange(len(lines) - 60)
            text += b"".join(lines[start : start + numbers.randint(5, 60)])
        with open(os.path.join(folder, f"module{number:05d}.py"), "wb") as file:
            file.write(text)
        size += len(text)
    return size


def _lines() -> list[bytes]:
    lines: list[bytes] = []
    for place, directories, names in os.walk(sysconfig.get_path("stdlib")):
        directories[:] = sorted(set(directories) - {"site-packages", "dist-packages", "__pycache__"})
        for name in sorted(names):
            if name.endswith(".py"):
                with open(os.path.join(place, name), "rb") as file:
                    lines += file.readlines()
    return lines


def run(place: str, rounds: int, files: int) -> tuple[dict[str, Columns], int]:
    source = f"{place}/source"
    size = make_files(source, files)
    time.sleep(_SETTLED_S)
    bench = Bench(place, put_aside=True)
    tools = [backups.kwrap(place, source, _STORE), *backups.peers(place, source)]
    tar = bench.plain("tar", ("tar", "-cf", "source.tar", "source"), "source.tar")
    gzip = bench.plain("tar, gzip", ("tar", "-czf", "source.tar.gz", "source"), "source.tar.gz")
    measured = interleave([tar, gzip, *(bench.first(tool) for tool in tools)], rounds)
    measured |= interleave([bench.again(tool, "unchanged") for tool in tools], rounds)
    untar = bench.plain("restore, tar", ("sh", "-c", "mkdir out && tar -xf source.tar -C out"), "out")
    measured |= interleave([untar, *(bench.restore(tool) for tool in tools)], rounds)
    return measured, size


def figures(measured: dict[str, Columns]) -> list[Figure]:
    wanted = [
        ("first: of restic", "first, kwrap", "first, restic", 1.0),
        ("first: of borg", "first, kwrap", "first, borg", None),
        ("unchanged: of restic", "unchanged, kwrap", "unchanged, restic", None),
        ("restore: of tar", "restore, kwrap", "restore, tar", 1.0),
        ("restore: of restic", "restore, kwrap", "restore, restic", None),
        ("restore: of borg", "restore, kwrap", "restore, borg", None),
    ]
    found = []
    for column, unit in (("wall s", "times the wall time"), ("CPU s", "times the CPU time")):
        for name, case, base, target in wanted:
            value = times_as_long(measured, case, base, column)
            if value is not None:
                found.append(Figure(name, value, unit, target if column == "wall s" else None))
    return [
        *found,
        Figure("unchanged", sorted(measured["unchanged, kwrap"]["CPU s"])[0], "CPU s"),
        Figure("unchanged: stored", max(measured["unchanged, kwrap"]["MB stored"]), "MB", 0.0),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=20_000)
    options = parser.parse_args()
    compileall.compile_dir(os.path.join(ROOT, "kwrap"), quiet=1)
    with tempfile.TemporaryDirectory(prefix="kwrap-bench-") as place:
        measured, size = run(place, options.rounds, options.files)
    Report(
        name="small_files",
        title="What keeping many small files costs",
        about=f"{options.files:,} source files, {size / 1e6:.1f} MB; everything on one disk. Whole fresh processes.",
        rounds=options.rounds,
        versions=backups.versions(),
        cases=measured,
        figures=figures(measured),
        notes=[
            "kwrap, restic and borg sync what they store; tar does not.",
            "Before every restore the repository was read, so that it comes from memory for all.",
        ],
    ).write()


if __name__ == "__main__":
    main()
