"""writes_weights.py [N=3] [MANNER=rename] [DELAY_S=0.2] [SIZE=100000]: N weight files, in one of four manners.

rename     weights/step-1.npz … written under a temporary name, then renamed
direct     the same names, written in place in one go
slowly     the same names, written in place in ten pieces over DELAY_S
overwrite  weights/model.npz, written in place again and again

Before each file a line `step <n> loss: <1/n>` is printed. The delay comes before the first file and after each.
"""

import os
import random
import sys
import time


def write(path: str, data: bytes, pieces: int, delay_s: float) -> None:
    length = -(-len(data) // pieces)
    with open(path, "wb", buffering=0) as file:
        for start in range(0, len(data), length):
            file.write(data[start : start + length])
            if pieces > 1:
                time.sleep(delay_s / pieces)


def main(count: int, manner: str, delay_s: float, size: int) -> None:
    os.makedirs("weights", exist_ok=True)
    time.sleep(delay_s)
    for step in range(1, count + 1):
        data = random.Random(step).randbytes(size)
        print(f"step {step} loss: {1 / step:.4f}", flush=True)
        path = "weights/model.npz" if manner == "overwrite" else f"weights/step-{step}.npz"
        if manner == "rename":
            write(path + ".tmp", data, 1, delay_s)
            os.replace(path + ".tmp", path)
        else:
            write(path, data, 10 if manner == "slowly" else 1, delay_s)
        time.sleep(delay_s)


if __name__ == "__main__":
    given = sys.argv[1:] + ["3", "rename", "0.2", "100000"][len(sys.argv) - 1 :]
    if given[1] not in ("rename", "direct", "slowly", "overwrite"):
        sys.exit(f"unknown manner {given[1]}")
    main(int(given[0]), given[1], float(given[2]), int(given[3]))
