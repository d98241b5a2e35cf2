"""What `kwrap --help` costs, beside a bare interpreter and the peers."""

from __future__ import annotations

import statistics
import sys

from benchmarks.harness import KWRAP, Case, Figure, Report, interleave, options, workspace
from benchmarks.peers import find


def main() -> None:
    rounds = options("help", rounds=15).rounds
    peers = [peer for peer in (find("con-duct"), find("guildai")) if peer]
    with workspace() as (project, env):
        cases = [
            Case("python -c pass", [sys.executable, "-c", "pass"], project, env),
            Case("kwrap --help", [KWRAP, "--help"], project, env),
            Case("kwrap run --help", [KWRAP, "run", "--help"], project, env),
            *(Case(f"{peer.name} --help", [peer.program, "--help"], project, env) for peer in peers),
        ]
        measured = interleave(cases, rounds)
    Report(
        name="help",
        title="What help costs",
        about="CPU seconds (user and system) of the whole process tree.",
        rounds=rounds,
        versions={peer.name: peer.version for peer in peers},
        cases=measured,
        figures=[Figure("kwrap --help", statistics.median(measured["kwrap --help"]["CPU s"]), "CPU s", 0.15)],
    ).write()


if __name__ == "__main__":
    main()
