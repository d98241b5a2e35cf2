"""`kwrap run [options] -- COMMAND`: everything before the child starts, and the word of how it ended.

On the path to the child's start: nothing heavier than `json` is imported before the child runs. The recorder's modules
are imported in the recorder's own process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kwrap import config, ids, processes
from kwrap.capture import redaction
from kwrap.errors import KwrapError, UsageError
from kwrap.project_state import index_file, written_checkpoints
from kwrap.repository import preflight
from kwrap.rundir import Journal, RunDirectory, state_directory, store_directory
from kwrap.storage.bucket_url import is_bucket
from kwrap.supervisor import child
from kwrap.supervisor.recorder_process import Record
from kwrap.supervisor.supervise import Ended, Task, supervise

if TYPE_CHECKING:
    from kwrap.cli.bucket_check import BucketCheck


def main(arguments: list[str]) -> int:
    """Run it; returns the exit status, or dies of the signal that the command died of."""
    if arguments and arguments[0] in ("--help", "-h"):
        from kwrap.cli.help import render_run_help

        print(render_run_help())
        return 0
    settings = config.load(arguments, os.environ, config.working_directory())
    if settings.dry_run:
        from kwrap.cli.dry_run import dry_run

        return dry_run(settings)
    if not settings.argv:
        raise UsageError(
            "no command to run", hint="kwrap run [options] -- COMMAND …, e.g. kwrap run -- python train.py"
        )
    program = child.find_program(settings.argv[0], os.environ.get("PATH"))
    if settings.offline or not is_bucket(settings.repository):
        check(settings)
        return _run(settings, program, None)
    from kwrap.cli.bucket_check import BucketCheck

    _check_patterns(settings)
    looking = BucketCheck(settings.repository, os.environ)
    try:
        return _run(settings, program, looking)
    finally:
        looking.give_up()


def check(settings: config.Settings) -> None:
    """What can be told to be wrong before anything is started. Raises KwrapError."""
    _check_patterns(settings)
    if not settings.offline:
        preflight.check(settings.repository)


def _check_patterns(settings: config.Settings) -> None:
    if settings.metrics:
        from kwrap.metrics.user_patterns import compile_pattern

        for pattern in settings.metrics:
            compile_pattern(pattern)


def excluded_directories(settings: config.Settings) -> list[str]:
    """Directories below the project that are kwrap's own."""
    return [settings.repository, state_directory()]


def _run(settings: config.Settings, program: str, looking: BucketCheck | None) -> int:
    say = _Speaker(settings)
    experiment_id = ids.new_experiment_id(time.time_ns())
    run_directory, journal = _begin(settings, program, experiment_id, say)
    if journal is not None and settings.snapshot:
        _snapshot(settings, journal, say)
    if looking is not None:
        _wait_for(looking, run_directory)
    task = Task(
        argv=settings.argv,
        program=program,
        environment={**_given_environment(), "KWRAP_EXPERIMENT": experiment_id},
        pty=settings.pty,
        unbuffer=settings.unbuffer,
        grace_s=settings.grace,
        run_directory=run_directory,
        journal=journal,
        record=_recorder(run_directory) if run_directory else None,
        say=say.warn,
    )
    ended = supervise(task)
    if ended.cannot_start is not None:
        raise _cannot_execute(program, run_directory, ended.cannot_start)
    if run_directory is not None:
        recorded = _wait(run_directory, ended, say) if settings.wait else None
        say.ended(experiment_id, ended, run_directory, recorded)
    if ended.exit.signal is not None:
        from kwrap.supervisor.signals import die_of

        die_of(ended.exit.signal)
        return 128 + ended.exit.signal
    return ended.exit.status or 0


def _wait_for(looking: BucketCheck, run_directory: RunDirectory | None) -> None:
    """The verdict on the bucket. Where it is bad nothing runs, so nothing is recorded."""
    try:
        looking.wait()
    except BaseException:
        if run_directory is not None:
            run_directory.remove()
        raise


def _begin(
    settings: config.Settings, program: str, experiment_id: str, say: _Speaker
) -> tuple[RunDirectory | None, Journal | None]:
    """The run directory with its first entry; None when it cannot be written: the command runs unrecorded."""
    run_id = ids.run_id(0, 1)
    try:
        run_directory = RunDirectory.create(experiment_id, run_id)
        journal = run_directory.open_journal()
        supervisor = processes.identity(os.getpid())
        journal.append(
            "created",
            experiment=experiment_id,
            run=run_id,
            wall_ns=time.time_ns(),
            monotonic_ns=time.monotonic_ns(),
            argv=redaction.argv(settings.argv),
            program=program,
            working_directory=os.getcwd(),
            project_directory=settings.project_directory,
            repository=settings.repository,
            user=_user(),
            host=os.uname().nodename,
            supervisor=supervisor,
            write_id=ids.new_write_id(),
            environment=_recorded_environment(),
            excluded=excluded_directories(settings),
            name=settings.name,
            tags=settings.tags,
            note=redaction.text(settings.note) if settings.note else None,
            params=redaction.values(settings.params),
            metrics=settings.metrics,
            auto_metrics=settings.auto_metrics,
            primary=settings.primary,
            goal=settings.goal,
            watch=settings.watch,
            offline=settings.offline,
        )
    except OSError as error:
        place = error.filename or state_directory()
        say.warn(f"nothing can be recorded: {error.strerror}: {place} (KWRAP_STATE_DIRECTORY names another place)")
        return None, None
    return run_directory, journal


def _snapshot(settings: config.Settings, journal: Journal, say: _Speaker) -> None:
    from kwrap.capture import source
    from kwrap.supervisor import snapshot

    project = os.fsencode(settings.project_directory)
    try:
        selection = source.select(
            project,
            max_file_bytes=int(settings.max_file_size * 1e6),
            max_total_bytes=int(settings.max_snapshot_size * 1e6),
            excluded=[os.fsencode(path) for path in excluded_directories(settings)],
            written=written_checkpoints(project),
        )
        taken = snapshot.take(selection, project, store_directory(), index_file(project))
        for note in selection.notes:
            say.progress(note)
        left_out = [[_printable(file.path), file.size_bytes, file.reason] for file in taken.left_out]
        journal.append(
            "snapshot",
            tree=taken.tree,
            content_sha256=taken.content_sha256,
            files=taken.files,
            size_bytes=taken.size_bytes,
            packs=taken.packs,
            blobs=taken.blobs,
            left_out=left_out[:1000],
            left_out_count=len(left_out),
        )
    except Exception as error:  # a fault of ours must not keep the command from running either
        say.warn(f"the code is not kept: {error if isinstance(error, (OSError, KwrapError)) else repr(error)}")
        try:
            journal.append("code_not_kept", reason=str(error))
        except OSError:
            pass  # said already


def _recorder(run_directory: RunDirectory) -> Record:
    def record(wake: int, take_over: Callable[[], None], let_go: Callable[[], None]) -> None:
        from kwrap.recorder.process import main as recorder_main

        recorder_main(run_directory, wake, take_over, let_go)

    return record


def _wait(run_directory: RunDirectory, ended: Ended, say: _Speaker) -> bool | None:
    from kwrap.supervisor.waiting import wait_for_recorder

    return wait_for_recorder(ended.recorder_pid, _recorder(run_directory), ended.signals, say.progress)


def _cannot_execute(program: str, run_directory: RunDirectory | None, number: int) -> child.CannotStart:
    """The system refused to execute the file: nothing ran, so nothing is recorded."""
    import errno

    if run_directory is not None:
        run_directory.remove()
    missing = number == errno.ENOENT
    reason = "its interpreter (the first line, after #!) does not exist" if missing else os.strerror(number)
    return child.CannotStart(f"'{program}' cannot be executed: {reason}", exit_status=127 if missing else 126)


def _given_environment() -> dict[str, str]:
    """What we were started with. In the C locale Python adds an LC_CTYPE to its own environment (PEP 538)."""
    environment = dict(os.environ)
    if environment.get("LC_CTYPE") in ("C.UTF-8", "C.utf8", "UTF-8"):
        try:
            with open("/proc/self/environ", "rb") as file:
                given = file.read().split(b"\0")
        except OSError:
            return environment
        if not any(entry.startswith(b"LC_CTYPE=") for entry in given):
            del environment["LC_CTYPE"]
    return environment


def _user() -> str | None:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return os.environ.get("USER")


def _recorded_environment() -> dict[str, str]:
    from kwrap.capture import environment

    return environment.capture(os.environ)


def _printable(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


class _Speaker:
    """kwrap's own words, on stderr: few, one line each."""

    def __init__(self, settings: config.Settings) -> None:
        self._quiet = settings.quiet
        self._end = "\r\n" if os.isatty(2) else "\n"  # the terminal is raw while the child has one of its own

    def warn(self, message: str) -> None:
        self._line(message)

    def progress(self, message: str) -> None:
        if not self._quiet:
            self._line(message)

    def ended(self, experiment_id: str, ended: Ended, run_directory: RunDirectory, recorded: bool | None) -> None:
        """The last line: the id to ask for, and what is still to be sent."""
        name = ids.short(experiment_id)
        if ended.lost_bytes:
            self._line(f"{ended.lost_bytes:,} bytes of output are not in the record: the disk was full")
        if ended.relay_lost_bytes:
            self._line(f"{ended.relay_lost_bytes:,} bytes of output could not be passed on: the disk was full")
        kept_here = os.path.exists(run_directory.journal)
        if recorded or (recorded is None and not kept_here):
            self.progress(f"recorded as {name}: kwrap show {name}")
        elif recorded is None:
            self.progress(f"{name} is being recorded in the background: kwrap show {name}")
        elif kept_here:
            self.progress(f"{name} is recorded on this machine and not yet in the repository: kwrap sync")
        else:
            self._line(f"{name} is not recorded: {run_directory.path} was removed while it ran")

    def _line(self, message: str) -> None:
        try:
            os.write(2, f"kwrap: {message}{self._end}".encode("utf-8", "backslashreplace"))
        except OSError:
            pass
