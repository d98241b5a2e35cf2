"""`kwrap run --dry-run [--json]`: what a run would record. Starts nothing, writes nothing."""

from __future__ import annotations

import os
import sys

from kwrap.analysis.table import format_size
from kwrap.cli.result import envelope
from kwrap.config import Settings
from kwrap.preview import Preview, preview
from kwrap.supervisor.child import CannotStart, find_program

_LISTED = 40


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
    if settings.json:
        sys.stdout.write(envelope("run", found, [problem] if problem else []))
    else:
        for line in _lines(found, verbose=settings.verbose):
            print(line)
        if problem:
            print(f"error: {problem.message}", file=sys.stderr)
    return problem.exit_status if problem else 0


def _lines(found: Preview, *, verbose: bool) -> list[str]:
    regular = [file for file in found.files if file.kind != "directory"]
    lines = [
        f"Nothing is started. Would keep {len(regular)} files of code ({format_size(found.size_bytes)}), "
        f"{len(found.params)} parameters.",
        "",
        f"command      {' '.join(found.argv) or '(none given)'}",
        f"program      {found.program or '(not found)'}",
        f"interpreter  {_interpreter(found)}",
        f"project      {found.project_directory}",
        f"repository   {found.repository}",
        f"settings     {found.config_file or 'no kwrap.yaml'}",
        f"metrics      {'recognised' if found.auto_metrics else 'only given patterns'}"
        + (f", and {len(found.metrics)} patterns" if found.metrics else ""),
        f"checkpoints  {' '.join(found.watch_suffixes)}" + (f", and {' '.join(found.watch)}" if found.watch else ""),
    ]
    if found.params:
        lines += ["", "Parameters"]
        width = max(len(name) for name in found.params)
        lines += [f"  {name:<{width}}  {param.value!r}  ({param.source})" for name, param in found.params.items()]
    lines += ["", "Files"]
    listed = regular if verbose else regular[:_LISTED]
    lines += [f"  {format_size(file.size_bytes):>9}  {file.path}" for file in listed]
    if len(listed) < len(regular):
        lines.append(f"  … and {len(regular) - len(listed)} more (--verbose lists all)")
    if found.left_out:
        lines += ["", "Left out"]
        lines += [f"  {format_size(file.size_bytes):>9}  {file.path}  ({file.reason})" for file in found.left_out]
    return lines


def _interpreter(found: Preview) -> str:
    if found.interpreter is None:
        return "none: the command is no Python"
    return f"{found.interpreter.executable} (Python {found.interpreter.version or 'of unknown version'})"
