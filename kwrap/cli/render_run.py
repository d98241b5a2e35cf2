"""The runs of an experiment as `show` prints them: on which machine, and what they used of it."""

from __future__ import annotations

from kwrap.analysis.table import format_duration, format_size
from kwrap.cli.render import facts, heading
from kwrap.cli.screen import Screen
from kwrap.cli.words import count
from kwrap.records import Outcome, Run, State


def print_runs(screen: Screen, state: State) -> None:
    """One section for each run."""
    for run in state.runs:
        outcome = next((found for found in state.outcomes if found.run == run.run), None)
        _run(screen, run, outcome, alone=len(state.runs) == 1)


def _run(screen: Screen, run: Run, outcome: Outcome | None, *, alone: bool) -> None:
    machine = run.machine
    cores = f"{machine.cpu_count} cores" if machine.cpu_count else ""
    if machine.cpu_allotted is not None and machine.cpu_allotted != machine.cpu_count:
        cores += f", {machine.cpu_allotted} allotted"
    parts = [machine.host, machine.system, machine.cpu_model, cores, _memory(machine.memory_bytes)]
    heading(screen, "Machine and usage" if alone else f"Run {run.run}")
    lines = [("machine", ", ".join(filter(None, parts)))]
    if outcome is not None:
        if not alone:
            lines.append(("ended", _how(outcome)))
        lines.append(("processor", _processor(outcome)))
        lines.append(("memory", _peak(outcome)))
        lines.append(("output", _printed(outcome)))
        lines.append(("left behind", ", ".join(outcome.left_running)))
    facts(screen, lines, indent="  ")


def _memory(size_bytes: int | None) -> str:
    return f"{format_size(size_bytes)} memory" if size_bytes is not None else ""


def _how(outcome: Outcome) -> str:
    how = f"signal {outcome.signal}" if outcome.signal is not None else f"exit status {outcome.exit_status}"
    return f"{outcome.reason.value}, {how}, {format_duration(outcome.duration_s)}"


def _processor(outcome: Outcome) -> str:
    usage = outcome.usage
    if usage is None:
        return ""
    total = usage.cpu_user_s + usage.cpu_system_s
    text = f"{format_duration(total)} ({format_duration(usage.cpu_system_s)} of it system)"
    if outcome.duration_s:
        text += f", {100 * total / outcome.duration_s:.0f} % of one core"
    return text + (f", {count(usage.processes, 'process')}" if usage.processes else "")


def _peak(outcome: Outcome) -> str:
    if outcome.usage is None or outcome.usage.max_rss_bytes is None:
        return ""
    return f"{format_size(outcome.usage.max_rss_bytes)} at most, in the largest process"


def _printed(outcome: Outcome) -> str:
    lost = f"; {format_size(outcome.output_lost_bytes)} more were lost" if outcome.output_lost_bytes else ""
    return f"{format_size(outcome.output_bytes)}{lost}"
