"""Records run directories in forks that are killed at a step, as it is told on its standard input.

A process of its own, which stays small: a fork costs by what its process holds, and there are hundreds.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from asked_once import ask_once
from system_calls import Killed

from kwrap.recorder.session import record
from kwrap.rundir import RunDirectory


def main() -> None:
    ask_once(setattr)
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        os.environ["KWRAP_STATE_DIRECTORY"] = order["state"]
        directory = RunDirectory(order["directory"])
        if order["step"] is None:
            status = record(directory, None)  # in this process: what it has asked the machine, forks know
        else:
            status = _in_a_fork(directory, order["step"], torn=order["torn"])
        print(status, flush=True)


def _in_a_fork(directory: RunDirectory, step: int, *, torn: bool) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            with Killed(step, torn=torn):
                os._exit(record(directory, None))
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
