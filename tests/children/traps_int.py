"""traps_int.py [SECONDS=60]: prints `ready <pid>`, then `interrupt <n>` at each SIGINT; exits with 7 on the third."""

import os
import signal
import sys
import time

interrupts = 0


def interrupted(*_: object) -> None:
    global interrupts
    interrupts += 1
    os.write(1, b"interrupt %d\n" % interrupts)
    if interrupts == 3:
        os._exit(7)


signal.signal(signal.SIGINT, interrupted)
print(f"ready {os.getpid()}", flush=True)
end = time.monotonic() + (float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
while (left := end - time.monotonic()) > 0:
    time.sleep(left)
