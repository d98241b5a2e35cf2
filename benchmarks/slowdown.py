"""How much slower a CPU-bound training is under kwrap: its own CPU and wall time, in pairs."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Mapping
from functools import partial

from benchmarks import trainer
from benchmarks.harness import (
    KWRAP,
    Case,
    Columns,
    Figure,
    Report,
    check_recorded,
    interleave,
    median_ratio,
    options,
    workspace,
)
from benchmarks.peers import find

_STEP_S = 0.05
_BARE = "python trainer.py"
_KWRAP = "kwrap run -- python trainer.py"
_DUCT = "con-duct run -- python trainer.py"
_CPU, _WALL, _TREE = "training's own CPU s", "training's own wall s", "CPU s"


def main() -> None:
    rounds = options("slowdown", rounds=9).rounds
    duct = find("con-duct")
    with workspace() as (project, env):
        shutil.copy(trainer.__file__, os.path.join(project, "train.py"))
        result = f"{project}.json"
        train = [sys.executable, "train.py", result, str(_products_per_step())]
        wrapped = {_BARE: [], _KWRAP: [KWRAP, "run", "--quiet", "--"]}
        if duct:
            wrapped[_DUCT] = [duct.program, "run", "--quiet", "--clobber", "--output-prefix", f"{project}.duct/"]
        before, after = partial(shutil.rmtree, f"{project}/weights", ignore_errors=True), partial(_read, result)
        cases = [Case(name, [*prefix, *train], project, env, before, after) for name, prefix in wrapped.items()]
        measured = interleave(cases, rounds)
        check_recorded(project, cases, rounds)
    figures = [Figure("slow-down, its own CPU", _slower(measured, _KWRAP, _CPU), "%", 1.0)]
    figures += [Figure("slow-down, its wall time", _slower(measured, _KWRAP, _WALL), "%", 1.0)]
    figures += [Figure("slow-down of the quickest runs, its own CPU", _quickest(measured, _KWRAP), "%")]
    figures += [Figure("kwrap's own processes, beside it", _beside(measured, _KWRAP), "CPU s")]
    if _DUCT in measured:
        figures += [Figure("con-duct: slow-down, its own CPU", _slower(measured, _DUCT, _CPU), "%")]
        figures += [Figure("con-duct: slow-down, its wall time", _slower(measured, _DUCT, _WALL), "%")]
        figures += [Figure("con-duct: its own processes, beside it", _beside(measured, _DUCT), "CPU s")]
    Report(
        name="slowdown",
        title="What a training loses",
        about="A CPU-bound training of a fixed amount of work (about 10 s) prints 20 lines and writes 1 MB of weights "
        "a second; it measures its own CPU and wall time from its first step to its last. Figures are medians of the "
        "paired ratios, less one. Everything shares the machine's cores, the recorder included.",
        rounds=rounds,
        versions={duct.name: duct.version} if duct else {},
        cases=measured,
        figures=figures,
    ).write()


def _products_per_step() -> int:
    """So many that a step takes 50 ms here; settled once, so that every run does the same work."""
    a, b = trainer.data()
    best = min(_timed(a, b) for _ in range(20))
    return max(1, round(_STEP_S / best))


def _timed(a: list[float], b: list[float]) -> float:
    start = time.process_time()
    trainer.step(a, b, 5)
    return (time.process_time() - start) / 5


def _read(result: str) -> Mapping[str, float]:
    with open(result) as file:
        used = json.load(file)
    os.remove(result)
    return {_CPU: used["cpu_s"], _WALL: used["wall_s"]}


def _slower(measured: dict[str, Columns], name: str, column: str) -> float:
    """The median over the pairs of how much more it took than the bare one, in per cent."""
    return 100 * (median_ratio(measured[name][column], measured[_BARE][column]) - 1)


def _quickest(measured: dict[str, Columns], name: str) -> float:
    """The same of the best run of each: what is left when the machine was otherwise idle for one run of either."""
    return 100 * (min(measured[name][_CPU]) / min(measured[_BARE][_CPU]) - 1)


def _beside(measured: dict[str, Columns], name: str) -> float:
    """What the tree used besides the training, above what it did bare (an interpreter's start)."""

    def rest(columns: Columns) -> float:
        return statistics.median(tree - own for tree, own in zip(columns[_TREE], columns[_CPU], strict=True))

    return rest(measured[name]) - rest(measured[_BARE])


if __name__ == "__main__":
    main()
