"""What keeping large weight files costs, durable, in a directory, beside a synced copy, restic and borg.

    python -m benchmarks.weights [--rounds 3] [--files 4] [--mib 512]

The files are random: nothing is to be gained by compressing, and no two pieces are alike.
"""

from __future__ import annotations

import argparse
import compileall
import os
import tempfile

from benchmarks import backups
from benchmarks.backups import Bench, times_as_long
from benchmarks.harness import ROOT, Columns, Figure, Report, interleave

_MIB = 1 << 20

_STORE = """
import os, sys
from kwrap.repository import trees
from kwrap.repository.repository import Repository
url, source = sys.argv[1:]
content = Repository.open(url, create=True).content
entries = [content.store_file(f"{source}/{name}", name.encode(), 0o644) for name in sorted(os.listdir(source))]
open(url + "-tree", "w").write(content.store_tree(trees.encode(entries)))
"""
_COPY = 'mkdir copy && for file in weights/*; do dd if="$file" of="copy/${file##*/}" bs=4M conv=fsync status=none; done'
_SPARSE = """
import os, resource, sys
from kwrap.repository import restore
from kwrap.repository.repository import Repository
place = sys.argv[1]
with open(place + "/sparse", "wb") as file:
    file.truncate(20 << 30)
content = Repository.open(place + "/sparse-repository", create=True).content
entry = content.store_file(place + "/sparse", b"sparse", 0o644)
restore.apply(content, [entry], place + "/sparse-out", backup=None)
assert os.stat(place + "/sparse-out/sparse").st_size == 20 << 30
open(place + "/sparse-mb", "w").write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3))
"""


def make_files(directory: str, files: int, mib: int) -> None:
    os.mkdir(directory)
    for number in range(files):
        with open(f"{directory}/model-{number + 1:05d}-of-{files:05d}.bin", "wb") as file:
            for _ in range(mib):
                file.write(os.urandom(_MIB))


def change(directory: str, mib: int) -> None:
    """Write over a tenth of one file, in place, in one stretch."""
    path = os.path.join(directory, sorted(os.listdir(directory))[0])
    with open(path, "r+b") as file:
        file.seek(mib * _MIB // 4)
        file.write(os.urandom(mib * _MIB // 10))


def run(place: str, rounds: int, files: int, mib: int) -> dict[str, Columns]:
    source = f"{place}/weights"
    make_files(source, files, mib)
    bench = Bench(place)
    tools = [backups.kwrap(place, source, _STORE), *backups.peers(place, source)]
    copy = bench.plain("dd, synced", ("sh", "-c", _COPY), "copy", "out")
    measured = interleave([copy, *(bench.first(tool) for tool in tools)], rounds)
    bench.remove("copy")
    measured |= interleave([bench.again(tool, "unchanged") for tool in tools], rounds)
    changed = [bench.again(tool, "a tenth of one file", lambda: change(source, mib)) for tool in tools]
    measured |= interleave(changed, rounds)
    copy_back = bench.plain("restore, cp", ("cp", "-r", "weights", "out"), "out")
    measured |= interleave([copy_back, *(bench.restore(tool) for tool in tools)], rounds)
    return measured | interleave([bench.sparse(_SPARSE)], 1, warm_ups=0)


def figures(measured: dict[str, Columns]) -> list[Figure]:
    wanted = [
        ("first: of a synced copy", "first, kwrap", "dd, synced", 1.1),
        ("first: of restic", "first, kwrap", "first, restic", 1 / 4),
        ("first: of borg", "first, kwrap", "first, borg", 1 / 3),
        ("unchanged: of restic", "unchanged, kwrap", "unchanged, restic", None),
        ("a tenth of one file: of restic", "a tenth of one file, kwrap", "a tenth of one file, restic", None),
        ("restore: of cp", "restore, kwrap", "restore, cp", None),
        ("restore: of restic", "restore, kwrap", "restore, restic", 1 / 2),
        ("restore: of borg", "restore, kwrap", "restore, borg", 1 / 2),
    ]
    found = []
    for column, unit in (("wall s", "times the wall time"), ("CPU s", "times the CPU time")):
        for name, case, base, target in wanted:
            value = times_as_long(measured, case, base, column)
            if value is not None:
                found.append(Figure(name, value, unit, target if column == "wall s" else None))
    for case, target in (("unchanged, kwrap", 0.1), ("a tenth of one file, kwrap", None)):
        found.append(Figure(f"{case}: stored", max(measured[case]["MB stored"]), "MB", target))
    sparse = measured["20 GB of nothing, kwrap"]
    return [*found, Figure("20 GB of nothing, stored and restored: peak memory", sparse["peak MB"][0], "MB", 200)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weights")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--mib", type=int, default=512)
    options = parser.parse_args()
    compileall.compile_dir(os.path.join(ROOT, "kwrap"), quiet=1)
    with tempfile.TemporaryDirectory(prefix="kwrap-bench-") as place:
        measured = run(place, options.rounds, options.files, options.mib)
    Report(
        name="weights",
        title="What keeping large weight files costs",
        about=f"{options.files} files of {options.mib} MiB of random bytes; everything on one disk, durable where the "
        "tool makes it so (kwrap, restic and borg do). Whole fresh processes.",
        rounds=options.rounds,
        versions=backups.versions(),
        cases=measured,
        figures=figures(measured),
        notes=[
            "Of files that did not change restic and borg read nothing, by their times; kwrap's store reads them, and "
            "is not asked to: what is at rest is stored once in a run.",
            "Before every restore the repository was read, so that it comes from memory for all.",
        ],
    ).write()


if __name__ == "__main__":
    main()
