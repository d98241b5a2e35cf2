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


@contextmanager
def steps_bar(screen: Screen, what: str) -> Iterator[Callable[[str], None]]:
    """A function that is told, at every object or folder, what is being done: nobody knows how much there is."""
    if not screen.terminal or not screen.err.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    counts: dict[str, int] = {}
    with Progress(*columns, console=Console(file=screen.err, no_color=not screen.colours), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def told(word: str) -> None:
            counts[word] = counts.get(word, 0) + 1
            bar.update(task, description=f"{what}: {counts[word]:,} {word}")

        yield told
