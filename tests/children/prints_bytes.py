"""prints_bytes.py: everything that is awkward in an output, on both streams, the same bytes every time.

Invalid UTF-8, NUL, every byte value, ANSI colours, progress bars repainted with a carriage return, CRLF,
a UTF-8 sequence cut between two writes, and a last line without its newline.
"""

import os
import sys
import time

BAR = [b"\r\x1b[32m%3d%%\x1b[0m |%-20s| loss: %.3f" % (i * 5, b"#" * i, 1 - i / 25) for i in range(21)]
PIECES = [
    b"plain line\n",
    b"invalid \xff\xfe\xc3( utf-8\n",
    b"nul \0 in a line\n\0\0\0\n",
    bytes(range(256)) + b"\n",
    b"\x1b[1;31mloss: 0.25\x1b[0m in red\n",
    *BAR,
    b"\r\n",
    b"windows line\r\n",
    b"cut: \xe2\x82",
    b"\xac\n",
    "ünïcödé ✓ 𝛼\n".encode(),
    b"no newline at the end",
]

if __name__ == "__main__":
    for piece in PIECES:
        os.write(sys.stdout.fileno(), piece)
        time.sleep(0.002)
    os.write(sys.stderr.fileno(), b"to stderr \xff\0\n")
