"""daemonises.py [SECONDS=5]: leaves a daemon behind that keeps stdout and stderr open, and exits 0 at once.

The daemon (forked twice, own session) prints `daemon <n>` five times a second until the time is over.
The first line, `daemon pid <pid>`, is printed before the exit.
"""

import os
import sys
import time

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
announced_r, announced_w = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    print(f"daemon pid {os.getpid()}", flush=True)
    os.close(announced_w)
    os.close(announced_r)
    for number in range(1, round(seconds * 5) + 1):
        time.sleep(0.2)
        print(f"daemon {number}", flush=True)
    os._exit(0)
os.close(announced_w)
os.wait()
os.read(announced_r, 1)  # returns when the daemon has announced itself
