"""What every benchmark shares: cases measured in turns, figures against their targets, results written down.

The cases of a benchmark run one after the other in every round (A B C A B C …), so that a machine that is busier for
a while is busier for all of them; ratios are taken within a round, and medians are reported. Targets are reported,
never asserted: a timing is no test.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import glob
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, NamedTuple

from benchmarks.meter import CommandFailed, measure

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESULTS = os.path.join(ROOT, "benchmarks", "results")
KWRAP = os.path.join(os.path.dirname(sys.executable), "kwrap")

Columns = dict[str, list[float]]


class Case(NamedTuple):
    """A command to measure. `before` prepares each run; `after` gives further columns, read when it has ended."""

    name: str
    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    before: Callable[[], None] | None = None
    after: Callable[[], Mapping[str, float]] | None = None


class Figure(NamedTuple):
    """A number to reach. `target` is the most it may be; None where it is only told."""

    name: str
    value: float
    unit: str
    target: float | None = None

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "reached" if self.value <= self.target else "missed"


@dataclass
class Report:
    """What a benchmark found, to be written as JSON for programs and as Markdown for people."""

    name: str
    title: str
    about: str
    rounds: int
    versions: dict[str, str]
    cases: dict[str, Columns]
    figures: list[Figure]
    notes: list[str] = field(default_factory=list)

    def write(self) -> None:
        os.makedirs(RESULTS, exist_ok=True)
        facts = {"made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **machine(), **self.versions}
        _save(f"{self.name}.json", json.dumps(self._as_json(facts), indent=1) + "\n")
        markdown = self._as_markdown(facts)
        _save(f"{self.name}.md", markdown)
        print(markdown)

    def _as_json(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        cases = {name: {key: _spread(values) for key, values in of.items()} for name, of in self.cases.items()}
        return {
            "name": self.name,
            "title": self.title,
            "about": self.about,
            "rounds": self.rounds,
            "facts": facts,
            "cases": cases,
            "figures": [{**figure._asdict(), "verdict": figure.verdict or None} for figure in self.figures],
            "notes": self.notes,
        }

    def _as_markdown(self, facts: Mapping[str, Any]) -> str:
        columns = list(dict.fromkeys(column for values in self.cases.values() for column in values))
        cells = [[_cell(values.get(column, [])) for column in columns] for values in self.cases.values()]
        rows = [[name, *row] for name, row in zip(self.cases, cells, strict=True)]
        figures = [
            [one.name, f"{_number(one.value)} {one.unit}".strip(), _limit(one), one.verdict] for one in self.figures
        ]
        parts = [
            f"# {self.title}",
            self.about,
            _table(["figure", "value", "to reach", ""], figures),
            f"Median (least – most) of {self.rounds} rounds:",
            _table(["command", *columns], rows),
            *(f"- {note}" for note in self.notes),
            " · ".join(f"{name}: {value}" for name, value in facts.items()),
        ]
        return "\n\n".join(parts) + "\n"


def interleave(cases: Sequence[Case], rounds: int, *, warm_ups: int = 1) -> dict[str, Columns]:
    """Every case once per round, in an order that turns about; the first `warm_ups` rounds are not counted.

    A case that fails is left out with a line on stderr, unless it is kwrap's.
    """
    columns: dict[str, Columns] = {case.name: {} for case in cases}
    failed: set[str] = set()
    for turn in range(-warm_ups, rounds):
        print(f"\rround {turn + 1}/{rounds} ", end="", file=sys.stderr, flush=True)
        for case in cases if turn % 2 == 0 else reversed(cases):
            if case.name in failed:
                continue
            try:
                values = _one(case)
            except CommandFailed as error:
                if case.argv[0] == KWRAP:
                    raise
                print(f"\nSKIPPED {case.name}: {error}", file=sys.stderr)
                failed.add(case.name)
                continue
            if turn >= 0:
                for column, value in values.items():
                    columns[case.name].setdefault(column, []).append(value)
    print(file=sys.stderr)
    return {name: values for name, values in columns.items() if name not in failed}


def median_ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """The median of the ratios within each round."""
    return statistics.median(value / one for value, one in zip(values, base, strict=True))


def options(name: str, rounds: int) -> argparse.Namespace:
    """The options of every benchmark, parsed."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}")
    parser.add_argument("--rounds", type=int, default=rounds)
    parsed = parser.parse_args()
    compileall.compile_dir(os.path.join(ROOT, "kwrap"), quiet=1)  # a stale file would be compiled at every start
    return parsed


@contextlib.contextmanager
def workspace() -> Iterator[tuple[str, dict[str, str]]]:
    """A small project in a temporary directory, and an environment whose state lies beside it."""
    with tempfile.TemporaryDirectory(prefix="kwrap-bench-") as directory:
        project = os.path.join(directory, "project")
        os.mkdir(project)
        with open(os.path.join(project, "train.py"), "w") as file:
            file.write("print('epoch 1 loss: 0.5')\n")
        ours = ("PYTHON", "KWRAP", "DUCT", "GUILD", "XDG")
        env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        for name in ("XDG_STATE_HOME", "GUILD_HOME"):
            env[name] = os.path.join(directory, name.lower())
            os.mkdir(env[name])
        yield project, env


def check_recorded(project: str, cases: Sequence[Case], rounds: int, *, warm_ups: int = 1) -> None:
    """Raise CommandFailed unless every run under kwrap has its outcome: what was not recorded costs nothing."""
    wanted = sum(case.argv[:2] == [KWRAP, "run"] for case in cases) * (rounds + warm_ups)
    found = len(glob.glob(os.path.join(project, ".kwrap", "metadata", "outcomes", "*", "*.json")))
    if found != wanted:
        raise CommandFailed(f"of {wanted} runs {found} are recorded; nothing is to be concluded from these figures")


def compile_c(source: str, program: str) -> None:
    subprocess.run(["cc", "-O2", source, "-o", program, "-lm"], check=True)


def machine() -> dict[str, Any]:
    """What the numbers depend on. No names of machines or people."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "kwrap": f"{version('kwrap')} ({_commit()})",
    }


def _one(case: Case) -> dict[str, float]:
    if case.before:
        case.before()
    measured = measure(case.argv, cwd=case.cwd, env=case.env)
    return {"CPU s": measured.cpu_s, "wall s": measured.wall_s, **(case.after() if case.after else {})}


def _cpu_model() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", ROOT, *words], check=True, capture_output=True, text=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--", "kwrap") else "")
    except (OSError, subprocess.SubprocessError):
        return "no commit"


def _spread(values: Sequence[float]) -> dict[str, Any]:
    rounded = [round(value, 5) for value in values]
    return {"median": round(statistics.median(values), 5), "min": min(rounded), "max": max(rounded), "values": rounded}


def _cell(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{_number(statistics.median(values))} ({_number(min(values))} – {_number(max(values))})"


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _limit(figure: Figure) -> str:
    return "" if figure.target is None else f"≤ {figure.target:g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [[cell.replace("|", "\\|") for cell in cells] for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _save(name: str, text: str) -> None:
    with open(os.path.join(RESULTS, name), "w") as file:
        file.write(text)
