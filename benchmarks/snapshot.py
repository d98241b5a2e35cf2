"""What a code snapshot costs: a whole fresh process (interpreter, imports, git, all), by what changed.

    python -m benchmarks.snapshot [--rounds 7] [--files 10000] [--json]

Builds a tree of small files, with git and without, and waits until no file counts as just written. `--json` prints the
medians and writes no results.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if __package__ in (None, ""):  # started by its path
    sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import Case, Columns, Figure, Report, interleave

_SCRIPT = """
import os, sys
from kwrap.capture.source import select
from kwrap.supervisor.snapshot import take
project = os.fsencode(sys.argv[1])
selection = select(project)
assert len(selection.files) == int(sys.argv[3]), (len(selection.files), selection.notes)
if sys.argv[2]:
    take(selection, project, sys.argv[2] + "/store", sys.argv[2] + "/index")
"""
_LIST = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
_FILES_A_DIRECTORY = 20
_SETTLED_S = 2.5


def build(root: Path, files: int) -> int:
    """A tree of small text files; their bytes in all."""
    numbers = random.Random(1)
    size = 0
    for number in range(files):
        directory = root / f"package{number // 500:02d}" / f"module{number // _FILES_A_DIRECTORY % 25:02d}"
        directory.mkdir(parents=True, exist_ok=True)
        text = numbers.randbytes(numbers.randint(100, 2000)).hex()
        (directory / f"file{number:05d}.py").write_text(text)
        size += len(text)
    return size


def prepare(place: Path, files: int) -> tuple[list[Case], int]:
    """The cases, on trees whose first snapshot is taken, and the bytes in a tree."""
    plain, git = place / "plain", place / "git"
    size_bytes = build(plain, files)
    shutil.copytree(plain, git)
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "b"]):
        subprocess.run(["git", "-C", str(git), *command], check=True)
    edited = git / "package00" / "module00" / "file00000.py"

    def edit() -> None:
        edited.write_text(f"x = {time.time_ns()}\n")
        time.sleep(_SETTLED_S)

    def forget() -> None:
        shutil.rmtree(place / "first", ignore_errors=True)

    def case(name: str, project: Path, state: str) -> Case:
        argv = [sys.executable, "-c", _SCRIPT, str(project), str(place / state) if state else "", str(files)]
        return Case(name, argv, str(place), os.environ)

    time.sleep(_SETTLED_S)
    cases = [
        Case("python -c pass", [sys.executable, "-c", "pass"], str(place), os.environ),
        Case("git ls-files", _LIST, str(git), os.environ),
        Case("git status", ["git", "status", "--porcelain"], str(git), os.environ),
        case("files found, git", git, ""),
        case("unchanged, git", git, "state-git"),
        case("unchanged, no git", plain, "state-plain"),
        case("one file edited, git", git, "state-edited")._replace(before=edit),
        case("first, git", git, "first")._replace(before=forget),
    ]
    return cases, size_bytes


def report(measured: dict[str, Columns], files: int, size_bytes: int, rounds: int) -> Report:
    def median(name: str) -> float:
        return statistics.median(measured[name]["CPU s"])

    git_version = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    return Report(
        name="snapshot",
        title="What a code snapshot costs",
        about=f"{files:,} files, {size_bytes / 1e6:.1f} MB. CPU seconds of a whole fresh process, git's included.",
        rounds=rounds,
        versions={"git": git_version},
        cases=measured,
        figures=[
            Figure("unchanged, in a git work tree", median("unchanged, git"), "CPU s", 0.3),
            Figure("unchanged, outside git", median("unchanged, no git"), "CPU s", 0.3),
            Figure("one file edited", median("one file edited, git"), "CPU s"),
            Figure("first", median("first, git"), "CPU s"),
        ],
        notes=["The wall time of the edited case leaves out the wait until the file counts as settled."],
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.snapshot")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kwrap-bench-") as place:
        cases, size_bytes = prepare(Path(place), options.files)
        measured = interleave(cases, options.rounds)
    if options.json:
        medians = {name: statistics.median(columns["CPU s"]) for name, columns in measured.items()}
        print(json.dumps({"files": options.files, "rounds": options.rounds, "cpu_s": medians}, indent=2))
        return
    report(measured, options.files, size_bytes, options.rounds).write()


if __name__ == "__main__":
    main()
