"""An experiment as `show` prints it: how it ended, what it was, what it measured, what it left."""

from __future__ import annotations

from collections.abc import Sequence

from kwrap.analysis.table import format_duration, format_size, format_value
from kwrap.analysis.text import printable
from kwrap.analysis.times import recorded_ns
from kwrap.cli.render import STATUS_STYLES, facts, heading, plain_table, table
from kwrap.cli.render_metrics import print_metrics
from kwrap.cli.screen import Screen
from kwrap.cli.table import Cell, Column, paint
from kwrap.cli.words import age, count, moment, number, warning
from kwrap.project import Checkpoint, Experiment
from kwrap.project.measured import Measured
from kwrap.records import Git, LeftOut, Outcome, Run, Source, Status

# Those that say what kind of work it is, most telling first.
_INTERESTING = (
    *("torch", "tensorflow", "jax", "keras", "flax", "mxnet", "lightning", "pytorch-lightning", "transformers"),
    *("xgboost", "lightgbm", "catboost", "scikit-learn", "numpy", "scipy", "pandas", "datasets", "onnx"),
)
_PACKAGES_SHOWN = 5
_LEFT_OUT_SHOWN = 5
_METRICS_SHOWN = 12
_CHECKPOINTS_SHOWN = 20


def print_experiment(screen: Screen, one: Experiment, measured: Sequence[Measured], *, everything: bool) -> None:
    """Everything that a person wants to know; with `everything`, all of it."""
    screen.print(paint(one.sentence, STATUS_STYLES[one.status], screen.colours))
    screen.print()
    _identity(screen, one)
    _params(screen, one)
    _code(screen, one, everything)
    _environment(screen, one, everything)
    for run in one.state.runs:
        outcome = next((found for found in one.state.outcomes if found.run == run.run), None)
        _run(screen, run, outcome, alone=len(one.state.runs) == 1)
    _metrics(screen, measured, everything)
    _checkpoints(screen, one, everything)
    _warnings(screen, one)
    _last_lines(screen, one)
    _what_next(screen, one)


def _identity(screen: Screen, one: Experiment) -> None:
    record = one.record
    started_ns = recorded_ns(record.created_at)
    by = " ".join(
        filter(None, [f"by {record.user}" if record.user else "", f"on {record.host}" if record.host else ""])
    )
    facts(
        screen,
        [
            ("experiment", one.id),
            ("name", one.name or ""),
            ("tags", ", ".join(one.tags)),
            ("primary", _primary(one)),
            ("note", one.note_text or ""),
            ("command", one.command),
            ("directory", record.working_directory),
            ("started", f"{moment(record.created_at)} ({age(started_ns, screen.now_ns())}) {by}".rstrip()),
            ("removed", "it was removed from the list" if one.deleted else ""),
        ],
    )


def _primary(one: Experiment) -> str:
    primary = one.primary_metric
    if primary is None:
        return ""
    seen = primary.name in one.last_metrics or any(primary.name in each.metrics for each in one.checkpoints)
    never = "" if seen or one.is_running() else "; it was never printed"
    return f"{primary.name}, {primary.goal.value}{never}"


def _params(screen: Screen, one: Experiment) -> None:
    if not one.record.params:
        return
    heading(screen, "Parameters")
    sources = {param.source for param in one.record.params.values()}
    rows = [
        [
            Cell(name, "dim"),
            Cell(format_value(param.value, 60)),
            Cell(f"({param.source})" if len(sources) > 1 else "", "dim"),
        ]
        for name, param in one.record.params.items()
    ]
    plain_table(screen, rows)


def _code(screen: Screen, one: Experiment, everything: bool) -> None:
    source, git = one.record.source, one.record.git
    if source is None and git is None:
        return
    heading(screen, "Code")
    snapshot = "none was taken"
    if source is not None:
        snapshot = f"{count(source.files, 'file')}, {format_size(source.size_bytes)}"
    facts(screen, [("snapshot", snapshot), *_left_out(source, everything), *_git(git)], indent="  ")


def _left_out(source: Source | None, everything: bool) -> list[tuple[str, str]]:
    if source is None or not source.left_out:
        return []
    named = [f"{one.path} ({_why_left_out(one)})" for one in source.left_out]
    total = max(source.left_out_count, len(named))
    shown = named if everything else named[:_LEFT_OUT_SHOWN]
    more = f" and {total - len(shown):,} more" if total > len(shown) else ""
    return [("left out", f"{count(total, 'file')}: {', '.join(shown)}{more}")]


def _why_left_out(one: LeftOut) -> str:
    return one.reason if one.size_bytes is None else f"{format_size(one.size_bytes)}, {one.reason}"


def _git(git: Git | None) -> list[tuple[str, str]]:
    if git is None:
        return []
    state = {True: ", with changes that were not committed", False: "", None: ""}[git.dirty]
    branch = f" on {git.branch}" if git.branch else ""
    return [("git", f"{(git.commit or 'no commit yet')[:12]}{branch}{state}"), ("remote", git.remote or "")]


def _environment(screen: Screen, one: Experiment, everything: bool) -> None:
    record = one.record
    if record.interpreter is None and not record.packages and not (everything and record.environment):
        return
    heading(screen, "Environment")
    interpreter = record.interpreter
    python = f"{interpreter.version or 'of unknown version'} ({interpreter.executable})" if interpreter else ""
    lines = [("python", python), ("packages", _packages(record.packages or {}, everything))]
    if everything:
        lines += [(name, value) for name, value in sorted(record.environment.items())]
    width = max(10, *(len(name) for name, _ in lines))
    facts(screen, lines, indent="  ", width=min(width, 30))


def _packages(packages: dict[str, str] | object, everything: bool) -> str:
    if not isinstance(packages, dict) or not packages:
        return ""
    names = list(packages)
    if not everything and len(names) > _PACKAGES_SHOWN:
        interesting = [name for name in _INTERESTING if name in packages]
        names = interesting or names[:_PACKAGES_SHOWN]
    more = f" and {len(packages) - len(names)} more (--all)" if len(packages) > len(names) else ""
    return ", ".join(f"{name} {packages[name]}" for name in names) + more


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


def _metrics(screen: Screen, measured: Sequence[Measured], everything: bool) -> None:
    if not measured:
        return
    heading(screen, "Metrics")
    shown = measured if everything else measured[:_METRICS_SHOWN]
    print_metrics(screen, shown, indent="  ")
    if len(shown) < len(measured):
        screen.print(paint(f"  and {len(measured) - len(shown)} more (--all)", "dim", screen.colours))


def _checkpoints(screen: Screen, one: Experiment, everything: bool) -> None:
    checkpoints = one.checkpoints
    if not checkpoints:
        return
    best = one.best()
    heading(screen, "Checkpoints")
    shown = list(checkpoints)
    if not everything and len(shown) > _CHECKPOINTS_SHOWN:
        shown = [each for each in checkpoints[-_CHECKPOINTS_SHOWN:] if each != best]
        shown = sorted([best, *shown] if best else shown, key=lambda each: each.sequence)
        hidden = len(checkpoints) - len(shown)
        screen.print(paint(f"  {hidden} earlier ones are not shown (--all)", "dim", screen.colours))
    names = list(dict.fromkeys(name for each in shown for name in each.metrics))
    primary = one.primary_metric.name if one.primary_metric else None
    names.sort(key=lambda name: name != primary)
    columns = [Column("ID"), *(Column(title, right=True, rank=rank) for title, rank in _progress(shown).items())]
    columns += [Column("AFTER", right=True, rank=2), Column("SIZE", right=True, rank=3)]
    columns += [Column(name, right=True, rank=1 if name == primary else 4) for name in names]
    columns += [Column("", rank=1)]
    rows = [_checkpoint_row(each, names, list(_progress(shown)), best=each == best) for each in shown]
    table(screen, columns, rows, indent="  ")


def _progress(shown: Sequence[Checkpoint]) -> dict[str, int]:
    """Steps and epochs, where there are any."""
    titles = {"STEP": 0} if any(each.step is not None for each in shown) else {}
    return {**titles, **({"EPOCH": 1} if any(each.epoch is not None for each in shown) else {})}


def _checkpoint_row(one: Checkpoint, names: Sequence[str], progress: Sequence[str], *, best: bool) -> list[Cell]:
    reached = {"STEP": one.step, "EPOCH": one.epoch}
    marks = ["best"] if best else []
    style = "green" if best else ""
    return [
        Cell(f"@{one.sequence}", "bold"),
        *(Cell(number(reached[title])) for title in progress),
        Cell(format_duration(one.record.t_s)),
        Cell(format_size(one.size_bytes)),
        *(Cell(number(one.metrics.get(name)), style) for name in names),
        Cell(", ".join([*marks, *one.tags]), style),
    ]


def _warnings(screen: Screen, one: Experiment) -> None:
    counted = [(code, times) for outcome in one.state.outcomes for code, times in outcome.warnings.items()]
    if counted:
        heading(screen, "Warnings")
        for code, times in counted:
            screen.print(f"  {paint('!', 'yellow', screen.colours)} {warning(code, times)}")


def _last_lines(screen: Screen, one: Experiment) -> None:
    for outcome in one.state.outcomes:
        if outcome.last_lines and one.status is not Status.FINISHED:
            traceback = outcome.last_lines[0].startswith("Traceback")
            heading(screen, "The last traceback" if traceback else "The last lines")
            for line in outcome.last_lines:
                screen.print(f"  {printable(line)}")


def _what_next(screen: Screen, one: Experiment) -> None:
    if not screen.terminal:
        return
    commands = [f"kwrap logs {one.short_id}" + (" -f" if one.is_running() else "")]
    if one.checkpoints or one.record.source:
        commands.append(f"kwrap checkout {one.short_id} -o DIR")
    screen.print()
    screen.say(paint(f"next: {' · '.join(commands)}", "dim", screen.colours))
