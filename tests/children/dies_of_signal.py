"""dies_of_signal.py SIGNAL: prints a line and dies of the signal (`9` or `KILL`), without a core."""

import os
import resource
import signal
import sys

name = sys.argv[1]
number = int(name) if name.isdigit() else signal.Signals[f"SIG{name.removeprefix('SIG')}"].value
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
if number not in (signal.SIGKILL, signal.SIGSTOP):
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
print(f"dies of {number}", flush=True)
os.kill(os.getpid(), number)
