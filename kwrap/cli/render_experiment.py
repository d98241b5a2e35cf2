"""An experiment as `show` prints it: how it ended, what it was, what it measured, what it left."""

from __future__ import annotations

from collections.abc import Sequence

from kwrap.analysis.table import format_age, format_size, format_value
from kwrap.analysis.text import cell_width, printable
from kwrap.analysis.times import recorded_ns
from kwrap.cli.render import STATUS_STYLES, facts, heading, paragraph, plain_table
from kwrap.cli.render_checkpoint import print_checkpoints
from kwrap.cli.render_metrics import print_metrics
from kwrap.cli.render_run import print_runs
from kwrap.cli.screen import Screen
from kwrap.cli.table import Cell, paint
from kwrap.cli.words import count, moment, warning
from kwrap.project import Experiment
from kwrap.project.measured import Measured
from kwrap.records import Git, LeftOut, Source, Status

# Those that say what kind of work it is, most telling first.
_INTERESTING = (
    *("torch", "tensorflow", "jax", "keras", "flax", "mxnet", "lightning", "pytorch-lightning", "transformers"),
    *("xgboost", "lightgbm", "catboost", "scikit-learn", "numpy", "scipy", "pandas", "datasets", "onnx"),
)
_PACKAGES_SHOWN = 5
_LEFT_OUT_SHOWN = 5
_METRICS_SHOWN = 12
_PARAM_WIDTH, _WHOLE = 60, 1_000_000


def print_experiment(screen: Screen, one: Experiment, measured: Sequence[Measured], *, everything: bool) -> None:
    """Everything that a person wants to know; with `everything`, all of it."""
    paragraph(screen, one.sentence, STATUS_STYLES[one.status])
    screen.print()
    _identity(screen, one)
    _params(screen, one, everything)
    _code(screen, one, everything)
    _environment(screen, one, everything)
    print_runs(screen, one.state)
    _metrics(screen, measured, everything)
    print_checkpoints(screen, one, everything=everything)
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
            ("started", f"{moment(record.created_at)} ({format_age(started_ns, screen.now_ns())}) {by}".rstrip()),
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


def _params(screen: Screen, one: Experiment, everything: bool) -> None:
    params = one.record.params
    if not params:
        return
    heading(screen, "Parameters")
    sources = {param.source for param in params.values()}
    told = {name: f"({param.source})" if len(sources) > 1 else "" for name, param in params.items()}
    if everything:
        width = min(max(cell_width(printable(name)) for name in params), 30)
        whole = {name: format_value(param.value, _WHOLE) for name, param in params.items()}
        facts(
            screen, [(name, f"{text}  {told[name]}".rstrip()) for name, text in whole.items()], indent="  ", width=width
        )
        return
    rows = [
        [Cell(name, "dim"), Cell(format_value(param.value, _PARAM_WIDTH)), Cell(told[name], "dim")]
        for name, param in params.items()
    ]
    plain_table(screen, rows)


def _code(screen: Screen, one: Experiment, everything: bool) -> None:
    source, git = one.record.source, one.record.git
    if source is None and git is None:
        return
    heading(screen, "Code")
    snapshot = "none was taken"
    if source is not None:
        snapshot = source.tree  # a tarball of Keepsake's: what it holds shows when it is checked out
        if source.files is not None:
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
    python = ""
    if interpreter is not None:
        where = f" ({interpreter.executable})" if interpreter.executable else ""
        python = f"{interpreter.version or 'of unknown version'}{where}"
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


def _metrics(screen: Screen, measured: Sequence[Measured], everything: bool) -> None:
    if not measured:
        return
    heading(screen, "Metrics")
    shown = measured if everything else measured[:_METRICS_SHOWN]
    print_metrics(screen, shown, indent="  ")
    if len(shown) < len(measured):
        screen.print(paint(f"  and {len(measured) - len(shown)} more (--all)", "dim", screen.colours))


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
