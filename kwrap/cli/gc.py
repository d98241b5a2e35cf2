"""`kwrap gc`: free what no experiment names any more."""

from __future__ import annotations

from typing import Annotated

import typer

from kwrap.analysis.table import format_duration, format_size
from kwrap.cli.options import DirectoryOption, JsonOption, RepositoryOption, VerboseOption, project_of, screen_of
from kwrap.cli.progress import steps_bar
from kwrap.cli.render import remark
from kwrap.cli.result import envelope
from kwrap.cli.words import count
from kwrap.clock import to_rfc3339
from kwrap.project.collecting import Collected


def gc(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how much there is to free, and change nothing.")
    ] = False,
    now: Annotated[bool, typer.Option("--now", help="Free it at once, while writers are kept off.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until all is done, for about 80 minutes.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --now on a bucket: nothing is recorded or copied there now.")
    ] = False,
    json: JsonOption = False,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Free what no experiment names any more.

    That is what 'kwrap rm' has removed, and what broken-off uploads have left. Runs may be recorded meanwhile: what is
    to go is first condemned, an hour later announced, and a quarter of an hour later looked at again and deleted. Each
    call takes the steps that are due, and says when the next one is: call it once a day, or with --wait.

    In a directory, --now does all of it at once; whoever stores checkpoints then waits for it.
    """
    screen = screen_of(context)
    project = project_of(context, repository, directory)
    with steps_bar(screen, "looking for what can be freed") as progress:
        done = project.collect(dry_run=dry_run, now=now, wait=wait, force=force, progress=progress)
    if json:
        due_at = to_rfc3339(done.due_ns) if done.due_ns is not None else None
        screen.out.write(envelope("gc", {**_plain(done), "dry_run": dry_run, "due_at": due_at}))
        return 0
    for line in _sentences(done, screen.now_ns(), dry_run=dry_run):
        screen.print(line)
    waits = done.condemned_objects or done.condemned_experiments or done.young_objects
    if waits and "://" not in project.repository_url:
        remark(screen, "'kwrap gc --now' frees all of it at once; whoever stores checkpoints waits meanwhile.")
    return 0


def _plain(done: Collected) -> dict[str, object]:
    names = (name for name in done.__dataclass_fields__ if name != "due_ns")
    return {name: getattr(done, name) for name in names}


def _sentences(done: Collected, now_ns: int, *, dry_run: bool) -> list[str]:
    freed = _amount(done.freed_bytes, done.freed_objects, done.freed_experiments)
    condemned = _amount(done.condemned_bytes, done.condemned_objects, done.condemned_experiments)
    due = f"'kwrap gc' goes on {_when(done.due_ns, now_ns)}"
    lines = []
    if freed:
        lines.append(f"Freed {freed}.")
    if condemned and dry_run:
        lines.append(f"'kwrap gc' would free {condemned}." + (f" It has begun: {due}." if done.due_ns else ""))
    elif condemned:
        lines.append(f"{'Another' if freed else 'Nothing is freed yet:'} {condemned} on the way: {due}.")
    if done.young_objects:
        young = _amount(done.young_bytes, done.young_objects, 0)
        lines.append(f"{young} that nothing names {'is' if done.young_objects == 1 else 'are'} left for tomorrow: "
                     "what was stored within the last day may be on its way into an experiment.")  # fmt: skip
    if not freed and not condemned:
        lines.insert(0, "There is nothing to free.")
    return lines


def _amount(size_bytes: int, objects: int, experiments: int) -> str:
    """`1.2 GB: 3 removed experiments, 240 objects`; empty when there is nothing."""
    parts = [
        *([count(experiments, "removed experiment")] if experiments else []),
        *([count(objects, "object")] if objects else []),
    ]
    return f"{format_size(size_bytes)} ({', '.join(parts)})" if parts else ""


def _when(due_ns: int | None, now_ns: int) -> str:
    if due_ns is None or due_ns <= now_ns:
        return "now"
    return f"in {format_duration((due_ns - now_ns) / 1e9)}"
