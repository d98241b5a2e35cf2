"""no_newline.py SIZE: writes that many bytes without a single newline, as fast as they go."""

import os
import sys

left = int(sys.argv[1])
chunk = memoryview(b"0123456789abcdef" * 4096)
while left > 0:
    left -= os.write(1, chunk[:left])
