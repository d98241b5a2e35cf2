"""many_children.py [N=200] [CPU_MS=10]: N short-lived children one after the other, each using that much CPU.

The last line is the truth, as JSON: `{"children": N, "cpu_s": …}` by rusage of all of them and this process.
"""

import json
import os
import resource
import sys
import time

count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
cpu_s = (float(sys.argv[2]) if len(sys.argv) > 2 else 10.0) / 1000
for _ in range(count):
    pid = os.fork()
    if pid == 0:
        start = time.process_time()
        while time.process_time() - start < cpu_s:
            pass
        os._exit(0)
    os.waitpid(pid, 0)
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps({"children": count, "cpu_s": round(sum(u.ru_utime + u.ru_stime for u in used), 4)}), flush=True)
