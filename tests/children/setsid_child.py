"""setsid_child.py [SECONDS=1] [leave]: starts a child in a session of its own, which prints and uses CPU for a while.

Prints `child <pid> session <sid>`; waits for the child, or with `leave` exits at once and leaves it running.
"""

import os
import sys
import time

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
pid = os.fork()
if pid == 0:
    os.setsid()
    print(f"child {os.getpid()} session {os.getsid(0)}", flush=True)
    while time.process_time() < seconds:
        pass
    print("child done", flush=True)
    os._exit(0)
if "leave" not in sys.argv:
    os.waitpid(pid, 0)
    print("parent done", flush=True)
