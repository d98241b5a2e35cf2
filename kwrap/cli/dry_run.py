"""`kwrap run --dry-run [--json]`: what a run would record. Starts nothing, writes nothing."""

from __future__ import annotations

import os
import shlex

from kwrap.analysis.table import format_size, format_value
from kwrap.cli import failure
from kwrap.cli.main import replace_closed_streams
from kwrap.cli.render import facts, heading, paragraph, plain_table
from kwrap.cli.result import envelope
from kwrap.cli.screen import Screen
from kwrap.cli.table import Cell
from kwrap.cli.words import count
from kwrap.config import Settings
from kwrap.preview import Preview, preview
from kwrap.supervisor.child import CannotStart, find_program

_FILES_SHOWN = 40
_PARAM_WIDTH = 60


def dry_run(settings: Settings) -> int:
    """Print the preview; a command that could not be started is told, and what it would exit with."""
    from kwrap.cli.run import check

    check(settings)
    program, problem = None, None
    if settings.argv:
        try:
            program = find_program(settings.argv[0], os.environ.get("PATH"))
        except CannotStart as error:
            problem = error
    found = preview(settings, program, [settings.repository])
    replace_closed_streams()
    screen = Screen.of_process()
    if settings.json:
        screen.out.write(envelope("run", found, [problem] if problem else []))
        return problem.exit_status if problem else 0
    _print(screen, found, everything=bool(settings.verbose))
    return failure.report(problem, "run", [], screen.err) if problem else 0


def _print(screen: Screen, found: Preview, *, everything: bool) -> None:
    files = [file for file in found.files if file.kind != "directory"]
    code = f"{count(len(files), 'file')} of code ({format_size(found.size_bytes)})"
    paragraph(screen, f"Nothing is started. Would keep {code} and {count(len(found.params), 'parameter')}.")
    screen.print()
    patterns = f", and {count(len(found.metrics), 'pattern')}" if found.metrics else ""
    facts(
        screen,
        [
            ("command", shlex.join(found.argv) or "(none given)"),
            ("program", found.program or "(not found)"),
            ("interpreter", _interpreter(found)),
            ("project", found.project_directory),
            ("repository", found.repository),
            ("settings", found.config_file or "no kwrap.yaml"),
            ("metrics", f"{'recognised' if found.auto_metrics else 'only given patterns'}{patterns}"),
            ("checkpoints", " ".join([*found.watch_suffixes, *found.watch])),
        ],
        width=11,
    )
    if found.params:
        heading(screen, "Parameters")
        params = found.params.items()
        plain_table(
            screen,
            [
                [Cell(name, "dim"), Cell(format_value(param.value, _PARAM_WIDTH)), Cell(f"({param.source})", "dim")]
                for name, param in params
            ],
        )
    _print_files(screen, "Files", [(file.path, file.size_bytes, "") for file in files], everything)
    left_out = [(file.path, file.size_bytes, f"({file.reason})") for file in found.left_out]
    _print_files(screen, "Left out", left_out, everything)


def _print_files(screen: Screen, title: str, files: list[tuple[str, int | None, str]], everything: bool) -> None:
    if not files:
        return
    heading(screen, title)
    shown = files if everything else files[:_FILES_SHOWN]
    for path, size_bytes, remark in shown:
        facts(screen, [(f"{format_size(size_bytes):>9}", f"{path}  {remark}".rstrip())], indent="  ", width=9)
    if len(shown) < len(files):
        screen.print(f"  and {len(files) - len(shown):,} more (--verbose lists all)")


def _interpreter(found: Preview) -> str:
    if found.interpreter is None:
        return "none: the command is no Python"
    return f"{found.interpreter.executable} (Python {found.interpreter.version or 'of unknown version'})"
