"""A progress bar for work that takes a while: on a terminal, and only once it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kwrap.cli.screen import Screen

# Less than that is done before a bar could be read.
_WORTH_A_BAR_BYTES = 50_000_000


@contextmanager
def bytes_bar(screen: Screen, what: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
    """A function that is told of bytes as they are done."""
    if not screen.terminal or not screen.err.isatty() or total_bytes < _WORTH_A_BAR_BYTES:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(file=screen.err, no_color=not screen.colours)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(what, total=total_bytes)
        yield lambda done: bar.advance(task, done)
