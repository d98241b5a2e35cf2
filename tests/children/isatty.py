"""isatty.py [SECONDS=0]: what the three streams are, as a line of JSON, and again whenever the window's size changes.

{"stdin": true, "stdout": true, "stderr": false, "columns": 80, "lines": 24}; the size is null without a terminal.
"""

import json
import os
import signal
import sys
import time


def report(*_: object) -> None:
    terminals = [number for number in range(3) if os.isatty(number)]
    size = os.get_terminal_size(1 if 1 in terminals else terminals[0]) if terminals else None
    seen = {name: number in terminals for number, name in enumerate(("stdin", "stdout", "stderr"))}
    window = {"columns": size.columns if size else None, "lines": size.lines if size else None}
    os.write(1, json.dumps(seen | window).encode() + b"\n")


signal.signal(signal.SIGWINCH, report)
report()
end = time.monotonic() + (float(sys.argv[1]) if len(sys.argv) > 1 else 0.0)
while (left := end - time.monotonic()) > 0:
    time.sleep(left)
