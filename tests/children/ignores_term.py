"""ignores_term.py [SECONDS=60]: prints `ready <pid>`, ignores SIGTERM and SIGHUP until its time is over."""

import os
import signal
import sys
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
print(f"ready {os.getpid()}", flush=True)
time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
print("done", flush=True)
