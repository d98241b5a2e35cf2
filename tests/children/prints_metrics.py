"""prints_metrics.py [EPOCHS=3] [DELAY_S=0.1]: a line of metrics per epoch, each after a delay, flushed.

The loss of epoch n is 1/n and its accuracy 1 - 1/n, so that a test knows them all.
"""

import sys
import time

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
delay_s = float(sys.argv[2]) if len(sys.argv) > 2 else 0.1
for epoch in range(1, epochs + 1):
    time.sleep(delay_s)
    print(f"epoch {epoch}/{epochs} loss: {1 / epoch:.4f} accuracy: {1 - 1 / epoch:.4f}", flush=True)
