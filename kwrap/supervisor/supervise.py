"""Starting one child and carrying it to its end.

It knows nothing of storage, metrics or GPUs; what it learns goes into the run directory.
"""

from __future__ import annotations

import os
import time

from kwrap import processes
from kwrap.supervisor import child as children
from kwrap.supervisor import stdio as standard
from kwrap.supervisor.carrier import Carrier
from kwrap.supervisor.pump import OutputLog
from kwrap.supervisor.signals import Signals, become_subreaper
from kwrap.supervisor.task import Ended, Task

__all__ = ["Ended", "Task", "supervise"]


def supervise(task: Task) -> Ended:
    """Run the command to its end. Whatever fails on our side is said and counted; the command goes on."""
    standard.open_standard_descriptors()
    signals = Signals()
    become_subreaper()
    foreign = frozenset(processes.children(os.getpid()))
    stdio = standard.prepare(task.pty)
    environment = dict(task.environment)
    unbuffered = task.unbuffer and not stdio.pty and "PYTHONUNBUFFERED" not in environment
    if unbuffered:
        environment["PYTHONUNBUFFERED"] = "1"
    child = children.fork(task.argv, task.program, environment, stdio, signals)
    stdio.close_child_side()
    started_ns = time.monotonic_ns()
    identity = processes.identity(child.pid)
    task.note(
        "spawned",
        pid=identity.pid,
        start_ticks=identity.start_ticks,
        boot_id=identity.boot_id,
        wall_ns=time.time_ns(),
        monotonic_ns=started_ns,
        terminal=stdio.pty,
        combined=stdio.combined,
        unbuffered=unbuffered,
    )
    error = children.release(child)
    standard.let_go_of_inherited(keep_stdin=stdio.keyboard)
    log = _open_log(task, started_ns)
    return Carrier(task, child.pid, stdio, signals, log, foreign=foreign, cannot_start=error).run()


def _open_log(task: Task, started_ns: int) -> OutputLog | None:
    if task.run_directory is None:
        return None
    try:
        return OutputLog(task.run_directory.output, task.run_directory.index, started_ns)
    except OSError as error:
        task.say(f"the output cannot be recorded: {error}")
        return None
