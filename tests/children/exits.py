"""exits.py CODE: prints a line to stdout and one to stderr, and exits with the code."""

import sys

print("to stdout", flush=True)
print("to stderr", file=sys.stderr, flush=True)
sys.exit(int(sys.argv[1]))
