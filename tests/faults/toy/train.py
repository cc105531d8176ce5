"""Pretends to train: prints steps like a trainer and ends with a score."""

import math
import os
import random
import time

from prepare import SECONDS_PER_STEP

LEARNING_RATE = 0.02
WEIGHT_DECAY = 0.1
DEPTH = 4
WARMUP_STEPS = 5
BATCH_SIZE = 16

unit, _, amount = os.environ.get("AGENTHUB_BUDGET", "steps=20").partition("=")
steps = int(float(amount))
noise = random.Random(int(os.environ.get("AGENTHUB_SEED", "0"))).gauss(0, 0.001)
best = abs(math.log(LEARNING_RATE / 0.01)) + abs(WEIGHT_DECAY - 0.05) + abs(DEPTH - 6) / 10

started = time.monotonic()
for step in range(1, steps + 1):
    time.sleep(SECONDS_PER_STEP)
    loss = 1.0 + best + 3.0 / step
    print(f"step {step:05d} ({step / steps:.1%}) | loss: {loss:.4f} | tok/s: 1,000", flush=True)

seconds = time.monotonic() - started
print("---")
print(f"score: {1.0 + best + noise:.6f}")
print(f"training_seconds: {seconds:.1f}")
print(f"total_seconds: {seconds:.1f}")
print("peak_vram_mb: 0.0")
print(f"num_steps: {steps}")
print(f"depth: {DEPTH}")
