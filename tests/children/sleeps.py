"""sleeps.py [SECONDS=60]: prints `ready <pid>`, sleeps and prints `done`."""

import os
import sys
import time

print(f"ready {os.getpid()}", flush=True)
time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
print("done", flush=True)
