"""The training that `slowdown` measures: `trainer.py RESULT PRODUCTS`, a fixed amount of work in 200 steps.

A step is PRODUCTS dot products over lists that do not fit into the inner caches, and a printed line; every 20 steps
a checkpoint of 1 MB is written. RESULT gets what the work took, as JSON. Standard library only.
"""

from __future__ import annotations

import json
import operator
import os
import random
import sys
import time

STEPS = 200
STEPS_PER_CHECKPOINT = 20
_LENGTH = 50_000


def step(a: list[float], b: list[float], products: int) -> float:
    return sum(sum(map(operator.mul, a, b)) for _ in range(products))


def data() -> tuple[list[float], list[float]]:
    rng = random.Random(0)
    return [rng.random() for _ in range(_LENGTH)], [rng.random() for _ in range(_LENGTH)]


def main(result: str, products: int) -> None:
    a, b = data()
    weights = random.Random(1).randbytes(1_000_000)
    os.makedirs("weights", exist_ok=True)
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(1, STEPS + 1):
        value = step(a, b, products)
        print(f"step {number}/{STEPS} loss: {value / number:.4f}", flush=True)
        if number % STEPS_PER_CHECKPOINT == 0:
            path = f"weights/step-{number:04d}.npz"
            with open(path + ".tmp", "wb") as file:
                file.write(number.to_bytes(8, "little") + weights)
            os.replace(path + ".tmp", path)
    used = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    with open(result, "w") as file:
        json.dump(used, file)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
