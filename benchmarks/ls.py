"""What `kwrap ls` and `kwrap show` cost at ten thousand, a hundred thousand and a million experiments."""

from __future__ import annotations

import argparse
import compileall
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from benchmarks import generated
from benchmarks.harness import KWRAP, ROOT, Case, Columns, Figure, Report, interleave, workspace
from benchmarks.meter import measure

_SMALL, _MIDDLE, _LARGE = 10_000, 100_000, 1_000_000
_WARM: dict[str, tuple[int, Sequence[str]]] = {
    "ls, 10,000": (_SMALL, ["ls"]),
    "ls --last 0, 10,000": (_SMALL, ["ls", "--last", "0"]),
    "ls -q, 10,000": (_SMALL, ["ls", "-q"]),
    "ls --json, 10,000": (_SMALL, ["ls", "--json"]),
    "ls --filter, 10,000": (_SMALL, ["ls", "--filter", "loss < 0.01 and optimizer = adam"]),
    "ls --sort, 10,000": (_SMALL, ["ls", "--sort", "loss"]),
    "ps, 10,000": (_SMALL, ["ps"]),
    "show, 10,000": (_SMALL, ["show", "SHORT"]),
    "ls, 100,000": (_MIDDLE, ["ls"]),
    "ls --filter, 100,000": (_MIDDLE, ["ls", "--filter", "loss < 0.01 and optimizer = adam"]),
    "ls --sort, 100,000": (_MIDDLE, ["ls", "--sort", "loss"]),
    "ls, 1,000,000": (_LARGE, ["ls"]),
    "ls -q --last 1000, 1,000,000": (_LARGE, ["ls", "-q", "--last", "1000"]),
    "show by short id, 1,000,000": (_LARGE, ["show", "SHORT"]),
    "show by name, 1,000,000": (_LARGE, ["show", "NAME"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ls")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", metavar="DIR", help="make the repositories there, and use those that are there")
    chosen = parser.parse_args()
    compileall.compile_dir(os.path.join(ROOT, "kwrap"), quiet=1)
    with workspace() as (project, env), tempfile.TemporaryDirectory(prefix="kwrap-bench-") as made:
        place = chosen.keep or made
        env = {**env, "XDG_CACHE_HOME": os.path.join(made, "caches"), "COLUMNS": "140"}
        for amount in (_SMALL, _MIDDLE, _LARGE):
            if not os.path.isdir(_repository(place, amount)):
                generated.make(_repository(place, amount), amount)
        first = {
            f"first ls, {amount:,}": _once(place, amount, ["ls"], project, env) for amount in (_SMALL, _MIDDLE, _LARGE)
        }
        # Rows are made when they are first asked for: once, and not in every round.
        made_rows = {
            f"first ls --filter, {amount:,}": _once(place, amount, ["ls", "--filter", "loss < 0"], project, env)
            for amount in (_SMALL, _MIDDLE)
        }
        cases = [Case(name, _argv(place, *what), project, env) for name, what in _WARM.items()]
        measured = interleave(cases, chosen.rounds)
        memory = {name: _peak_mb(_argv(place, *what), project, env) for name, what in _WARM.items()}
        caches = sum(os.path.getsize(os.path.join(base, one)) for base, _, names in os.walk(made) for one in names)
    _report(chosen.rounds, {**first, **made_rows, **measured}, memory, caches)


def _report(rounds: int, measured: dict[str, Columns], memory: dict[str, float], caches: int) -> None:
    cpu_s = {name: statistics.median(columns["CPU s"]) for name, columns in measured.items()}
    for name, peak_mb in memory.items():
        measured[name]["peak MB"] = [peak_mb]
    Report(
        name="ls",
        title="What lists cost",
        about="CPU seconds (user and system) and peak memory of the process, from a warm cache unless it says `first`.",
        rounds=rounds,
        versions={},
        cases=measured,
        figures=[
            Figure("ls, 10,000", cpu_s["ls, 10,000"], "CPU s", 0.3),
            Figure("ls, 10,000, memory", memory["ls, 10,000"], "MB", 80),
            Figure("ls, 1,000,000", cpu_s["ls, 1,000,000"], "CPU s", 0.5),
            Figure("show, 10,000", cpu_s["show, 10,000"], "CPU s", 0.25),
            Figure("show by short id, 1,000,000", cpu_s["show by short id, 1,000,000"], "CPU s", 0.25),
            Figure("show by name, 1,000,000", cpu_s["show by name, 1,000,000"], "CPU s", 0.25),
        ],
        notes=[
            "An experiment has twelve params, sixty packages, two checkpoints and six metrics: 4.7 kB of records.",
            f"The three caches together take {caches / 1e9:.1f} GB.",
        ],
    ).write()


def _repository(place: str, amount: int) -> str:
    return os.path.join(place, str(amount))


def _argv(place: str, amount: int, words: Sequence[str]) -> list[str]:
    """The command, with names of the newest experiments in place of SHORT and NAME."""
    newest = amount - 10
    known = {"SHORT": generated.id_of(newest)[-8:], "NAME": f"sweep-{newest}"}
    return [KWRAP, *(known.get(word, word) for word in words), "-R", _repository(place, amount)]


def _once(place: str, amount: int, words: Sequence[str], project: str, env: dict[str, str]) -> Columns:
    used = measure(_argv(place, amount, words), cwd=project, env=env, timeout_s=3600)
    return {"CPU s": [used.cpu_s], "wall s": [used.wall_s]}


# A small process of its own: a child is counted with what its parent holds when it is forked.
_METER = """
import os, sys
null = os.open(os.devnull, os.O_RDWR)
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
print(os.wait4(process, 0)[2].ru_maxrss)
"""


def _peak_mb(argv: Sequence[str], project: str, env: dict[str, str]) -> float:
    """Of the process itself, as the system counts it."""
    meter = [sys.executable, "-c", _METER, *argv]
    done = subprocess.run(meter, cwd=project, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return int(done.stdout) / 1000


if __name__ == "__main__":
    main()
