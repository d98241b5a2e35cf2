"""`kwrap logs`: what a run printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, BinaryIO, Optional

import typer

from kwrap.analysis.times import parse_duration, parse_moment
from kwrap.cli.options import DirectoryOption, RepositoryOption, VerboseOption, project_of, screen_of
from kwrap.cli.screen import Screen
from kwrap.cli.show import IdArgument
from kwrap.errors import UsageError
from kwrap.project import Checkpoint, Experiment, output
from kwrap.repository.segments import OutputChunk


def logs(
    context: typer.Context,
    name: IdArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    stdout: Annotated[bool, typer.Option("--stdout", help="Only what went to standard output.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="Only what went to standard error.")] = False,
    since: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--since", metavar="TIME", help="From then on: 5m (ago), 18:30, yesterday, 2026-11-21T18:30Z."),
    ] = None,
    grep: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--grep", metavar="REGEX", help="Only lines in which it is found."),
    ] = None,
    tail: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--tail", "-n", metavar="N", min=0, help="Only the last N lines."),
    ] = None,
    run: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--run", metavar="RUN", help="Of a run other than the last attempt of rank 0."),
    ] = None,
    repository: RepositoryOption = None,
    directory: DirectoryOption = None,
    verbose: VerboseOption = 0,
) -> int:
    """Print what a run printed, byte for byte.

    Both streams go to standard output, in the order they came. A run that goes on is followed from any machine that
    reads the repository: at once where it runs, after some seconds elsewhere.
    """
    screen = screen_of(context)
    found = project_of(context, repository, directory).find(name)
    experiment = found.experiment if isinstance(found, Checkpoint) else found
    if "keepsake" in experiment.record.extra:
        screen.say("Keepsake recorded it, and keeps no output.")
        return 0
    wanted = _Wanted(
        screen,
        experiment,
        run,
        None if stdout == stderr else "stdout" if stdout else "stderr",
        None if since is None else _seconds(since, experiment, run, screen),
        grep,
    )
    _print(screen, wanted, follow, tail)
    return 0


class _Wanted:
    """Which part of the output."""

    def __init__(
        self,
        screen: Screen,
        experiment: Experiment,
        run: str | None,
        stream: str | None,
        since_s: float | None,
        grep: str | None,
    ) -> None:
        self._screen = screen
        self._experiment = experiment
        self._run = run
        self._stream = stream
        self._since_s = since_s
        self.grep = grep
        self.is_later = since_s is not None
        self.position = 0

    def chunks(self, *, follow: bool) -> Iterator[OutputChunk]:
        """From where the last call ended."""
        whole = _telling_of_gaps(self._screen, self._experiment.logs(self._run, follow=follow))
        source = output.after(whole, self.position)
        if self._since_s is not None:
            source = output.since(source, self._since_s)
        return output.of_stream(self._counted(source), self._stream)

    def lines(self, *, follow: bool) -> Iterator[bytes]:
        chunks = self.chunks(follow=follow)
        return output.lines(chunks) if self.grep is None else output.matching(chunks, self.grep)

    def _counted(self, source: Iterable[OutputChunk]) -> Iterator[OutputChunk]:
        for chunk in source:
            self.position = chunk.offset + len(chunk.data)
            yield chunk


def _telling_of_gaps(screen: Screen, source: Iterable[OutputChunk]) -> Iterator[OutputChunk]:
    """A word, beside the output, where bytes of it were lost."""
    position = 0
    for chunk in source:
        if chunk.offset > position:
            screen.say(f"[{chunk.offset - position:,} bytes are missing here]")
        position = chunk.offset + len(chunk.data)
        yield chunk


def _print(screen: Screen, wanted: _Wanted, follow: bool, tail: int | None) -> None:
    binary = screen.binary()
    if tail is not None:
        _write(binary, output.last_lines(wanted.lines(follow=False), tail))
        if not follow:
            return
    if wanted.grep is not None:
        _write(binary, wanted.lines(follow=follow))
    else:
        _write(binary, (chunk.data for chunk in wanted.chunks(follow=follow)))
    if wanted.position == 0:
        screen.say(f"It has printed nothing{' since then' if wanted.is_later else ''}.")


def _write(binary: BinaryIO, pieces: Iterable[bytes]) -> None:
    """Each at once: a terminal, or a pipe, is waiting for it."""
    for piece in pieces:
        binary.write(piece)
        binary.flush()


def _seconds(text: str, experiment: Experiment, run: str | None, screen: Screen) -> float:
    """A time, or how long ago, in seconds since the run began."""
    try:
        moment_s = screen.now_ns() / 1e9 - parse_duration(text.removesuffix("ago"))
    except (ValueError, OverflowError):
        try:
            moment_s = parse_moment(text, screen.now_ns()).start_ns / 1e9
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            raise UsageError(f"--since '{text}' is {message}", hint=f"{hint}, or how long ago: 30s, 5m, 2h") from error
    return moment_s - output.started_ns(experiment.state, run) / 1e9
