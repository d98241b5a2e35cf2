"""What it costs to run a command that does nothing: all processes together, and until the command is started."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping

from benchmarks.harness import KWRAP, Case, Figure, Report, check_recorded, interleave, median_ratio, options, workspace
from benchmarks.peers import Peer, find

# Run as the child: what its parent has used so far. schedstat counts in nanoseconds, for every thread by itself; what
# the parent's own children used that have ended is in stat, in ticks of 10 ms.
_PROBE = """
total=0
for task in /proc/$PPID/task/*/schedstat; do
    read -r used rest < "$task" && total=$((total + used))
done
read -r line < /proc/$PPID/stat
set -- "$1" ${line##*) }
echo "$total $((${15} + ${16}))" > "$1"
"""
_UNTIL_START = "CPU s until the child starts"
_DUCT, _GUILD = "con-duct run -- true", "guild run (exec: true)"


def main() -> None:
    rounds = options("launch", rounds=15).rounds
    duct, guild = find("con-duct"), find("guildai")
    with workspace() as (project, env):
        kwrap = [KWRAP, "run", "--quiet", "--"]
        cases = [Case("true", ["true"], project, env), Case("kwrap run -- true", [*kwrap, "true"], project, env)]
        cases += [_probed("kwrap run -- probe", kwrap, project, env)]
        if duct:
            prefix = [duct.program, "run", "--quiet", "--clobber", "--output-prefix", f"{project}.duct/"]
            cases += [Case(_DUCT, [*prefix, "true"], project, env)]
            cases += [_probed("con-duct run -- probe", prefix, project, env)]
        if guild:
            cases += [_guild(guild, project, env)]
        measured = interleave(cases, rounds)
        check_recorded(project, cases, rounds)
    total = measured["kwrap run -- true"]["CPU s"]
    until_start = measured["kwrap run -- probe"][_UNTIL_START]
    Report(
        name="launch",
        title="What a launch costs",
        about="`true`, in a project of one file. CPU seconds (user and system) of the whole process tree, the "
        "recorder's and every other process's included; the probe is a shell that reads what its parent has used.",
        rounds=rounds,
        versions={peer.name: peer.version for peer in (duct, guild) if peer},
        cases=measured,
        figures=[
            Figure("kwrap run -- true", statistics.median(total), "CPU s", 0.18),
            Figure("until the child is started", statistics.median(until_start), "CPU s", 0.08),
            *(
                Figure(f"kwrap run -- true, against {name}", median_ratio(total, measured[name]["CPU s"]), "x")
                for name in (_DUCT, _GUILD)
                if name in measured
            ),
        ],
    ).write()


def _probed(name: str, prefix: list[str], project: str, env: Mapping[str, str]) -> Case:
    result = f"{project}.probe"

    def read() -> Mapping[str, float]:
        with open(result) as file:
            own_ns, children_ticks = map(int, file.read().split())
        return {_UNTIL_START: own_ns / 1e9 + children_ticks / os.sysconf("SC_CLK_TCK")}

    return Case(name, [*prefix, "sh", "-c", _PROBE, "probe", result], project, env, after=read)


def _guild(guild: Peer, project: str, env: Mapping[str, str]) -> Case:
    """A project of its own: Guild runs operations that its file declares, not commands."""
    directory = f"{project}.guild"
    os.mkdir(directory)
    with open(os.path.join(directory, "guild.yml"), "w") as file:
        file.write("nothing:\n  exec: 'true'\n")
    return Case(_GUILD, [guild.program, "run", "--yes", "nothing"], directory, env)


if __name__ == "__main__":
    main()
