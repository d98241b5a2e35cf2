"""looks_around.py: everything a process inherits, as a line of JSON: two of them can be compared."""

import json
import os
import resource
import signal

STATUS = ("Umask", "SigBlk", "SigIgn", "NoNewPrivs", "Seccomp", "Groups", "Cpus_allowed", "CapEff")


def status() -> dict[str, str]:
    with open("/proc/self/status") as file:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    return {name: fields[name] for name in STATUS if name in fields}


def descriptors() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]


limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
seen = {
    "status": status(),
    "descriptors": sorted(descriptors()),
    "limits": limits,
    "niceness": os.nice(0),
    "directory": os.getcwd(),
    "environment": dict(os.environ),
    "pending": sorted(signal.sigpending()),
    "timer": signal.getitimer(signal.ITIMER_REAL),
}
print(json.dumps(seen))
