"""What a run would record, without starting it: for `kwrap run --dry-run`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kwrap.capture import interpreter, parameters, source
from kwrap.config import Settings
from kwrap.project_state import written_checkpoints
from kwrap.recorder.checkpoints import SUFFIXES
from kwrap.records import Interpreter, LeftOut, Param
from kwrap.rundir import state_directory


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewFile:
    """A file that the code snapshot would hold."""

    path: str
    size_bytes: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The answer of a dry run."""

    argv: tuple[str, ...]
    program: str | None
    project_directory: str
    repository: str
    config_file: str | None
    interpreter: Interpreter | None
    params: Mapping[str, Param]
    files: tuple[PreviewFile, ...]
    size_bytes: int
    left_out: tuple[LeftOut, ...]
    watch: tuple[str, ...]
    watch_suffixes: tuple[str, ...]
    metrics: tuple[str, ...]
    auto_metrics: bool


def preview(settings: Settings, program: str | None, excluded: Sequence[str]) -> Preview:
    """Look at everything that `kwrap run` would look at."""
    project = os.fsencode(settings.project_directory)
    selection = source.Selection([], [])
    if settings.snapshot:
        selection = source.select(
            project,
            max_file_bytes=int(settings.max_file_size * 1e6),
            max_total_bytes=int(settings.max_snapshot_size * 1e6),
            excluded=[os.fsencode(path) for path in (*excluded, state_directory())],
            written=written_checkpoints(project),
        )
    files = tuple(
        PreviewFile(path=_text(file.path), size_bytes=file.size_bytes, kind=file.kind) for file in selection.files
    )
    params = (
        {**parameters.from_argv(settings.argv), **parameters.from_options(settings.params)} if settings.argv else {}
    )
    return Preview(
        argv=settings.argv,
        program=program,
        project_directory=settings.project_directory,
        repository=settings.repository,
        config_file=settings.config_file,
        interpreter=interpreter.find(settings.argv, program) if program else None,
        params=params,
        files=files,
        size_bytes=sum(file.size_bytes for file in files),
        left_out=tuple(
            LeftOut(path=_text(file.path), size_bytes=file.size_bytes, reason=file.reason)
            for file in selection.left_out
        ),
        watch=tuple(settings.watch),
        watch_suffixes=tuple(sorted(SUFFIXES)),
        metrics=tuple(settings.metrics),
        auto_metrics=settings.auto_metrics,
    )


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
