"""What carrying a lot of output costs: 2,000,000 lines of 24 bytes, beside `cat`, `tee` and duct."""

from __future__ import annotations

import os
import statistics

from benchmarks.harness import (
    KWRAP,
    ROOT,
    Case,
    Columns,
    Figure,
    Report,
    check_recorded,
    compile_c,
    interleave,
    median_ratio,
    options,
    workspace,
)
from benchmarks.peers import find

LINES = 2_000_000
# One line in a thousand is a metric: 2,000 of them, as of a training that logs a lot besides.
EVERY = 1000
DENSE_LINES = 100_000

_CAT = "program | cat"
_CARRIED = "kwrap run --no-auto-metrics"
_METRICS = "kwrap run"
_START = "kwrap run -- true"
_DENSE = f"kwrap run, {DENSE_LINES:,} lines, each a metric"


def main() -> None:
    rounds = options("throughput", rounds=7).rounds
    duct = find("con-duct")
    with workspace() as (project, env):
        program = os.path.join(os.path.dirname(project), "many_lines")
        compile_c(os.path.join(ROOT, "tests", "children", "many_lines.c"), program)
        lines = [program, str(LINES), str(EVERY)]
        run, tee = [KWRAP, "run", "--quiet"], f"{project}.tee"
        cases = [
            Case(_CAT, ["sh", "-c", f"{' '.join(lines)} | cat > /dev/null"], project, env),
            Case("program | tee file", ["sh", "-c", f"{' '.join(lines)} | tee {tee} > /dev/null"], project, env),
            Case(_CARRIED, [*run, "--no-auto-metrics", "--", *lines], project, env),
            Case(_METRICS, [*run, "--", *lines], project, env),
            Case(_START, [*run, "--", "true"], project, env),
            Case(_DENSE, [*run, "--", program, str(DENSE_LINES), "1"], project, env),
        ]
        if duct:
            prefix = [duct.program, "run", "--quiet", "--clobber", "--output-prefix", f"{project}.duct/"]
            cases += [
                Case("con-duct run", [*prefix, *lines], project, env),
                Case("con-duct run, log only", [*prefix, "--outputs", "none", *lines], project, env),
                Case("con-duct run -- true", [*prefix, "true"], project, env),
            ]
        measured = interleave(cases, rounds)
        check_recorded(project, cases, rounds)
    Report(
        name="throughput",
        title="What carrying output costs",
        about=f"A program in C prints {LINES:,} lines of 24 bytes (48 MB), one in {EVERY:,} of them a metric; stdout "
        "of the whole goes to /dev/null. CPU seconds (user and system) of the whole process tree, the printing program "
        "and the recorder included. Ratios to `program | cat` of the same round; net of start-up: what the same tool "
        "used for `true` in that round is taken off first.",
        rounds=rounds,
        versions={duct.name: duct.version} if duct else {},
        cases=measured,
        figures=_figures(measured),
    ).write()


def _figures(measured: dict[str, Columns]) -> list[Figure]:
    figures = [
        _ratio(measured, _CARRIED, None, 1.5),
        _ratio(measured, _CARRIED, _START, 1.5),
        _ratio(measured, _METRICS, None, 4.0),
        _ratio(measured, _METRICS, _START, 4.0),
        _ratio(measured, "program | tee file", None, None),
    ]
    if "con-duct run" in measured:
        for name in ("con-duct run", "con-duct run, log only"):
            figures += [_ratio(measured, name, None, None), _ratio(measured, name, "con-duct run -- true", None)]
    dense = statistics.median(_net(measured, _DENSE, _START))
    return [*figures, Figure(f"{DENSE_LINES:,} scalars from stdout, net of start-up", dense, "CPU s", 1.0)]


def _ratio(measured: dict[str, Columns], name: str, start: str | None, target: float | None) -> Figure:
    value = median_ratio(_net(measured, name, start), measured[_CAT]["CPU s"])
    return Figure(f"{name}, {'net of start-up' if start else 'gross'}", value, "x", target)


def _net(measured: dict[str, Columns], name: str, start: str | None) -> list[float]:
    gross = measured[name]["CPU s"]
    return [one - off for one, off in zip(gross, measured[start]["CPU s"], strict=True)] if start else gross


if __name__ == "__main__":
    main()
