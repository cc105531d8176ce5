"""The skeleton that `hub goal new` writes: a goal that runs, to be rewritten piece by piece."""

from protocol.goals import (
    Budget,
    BudgetUnit,
    Commands,
    Direction,
    Files,
    GoalSpec,
    Metric,
    Source,
)

_TRAIN = '''"""The one file that experiments edit: find the x where the curve is lowest."""

import os
import random

STEP = 0.1        # how far one guess may lie from the best so far
START = 0.0       # where to begin

dice = random.Random(int(os.environ.get("AGENTHUB_SEED", "0")))
steps = int(float(os.environ.get("AGENTHUB_BUDGET", "steps=40").split("=")[1]))
best, lowest = START, float("inf")
for step in range(1, steps + 1):
    x = best + dice.uniform(-STEP, STEP)
    value = (x - 3.0) ** 2
    if value < lowest:
        best, lowest = x, value
    if step % 4 == 0:
        print(f"step {step:05d} ({step / steps:.1%}) | loss: {lowest:.4f}", flush=True)
print("---")
print(f"loss: {lowest:.6f}")
'''

_PROGRAM = """# {name}: what to work on

Make `loss` smaller. Lower is better.

**You may change `train.py`** and nothing else. The seed and the budget come from the environment.
Say in one sentence what you expect of a change, and why.
"""


def skeleton(name: str) -> tuple[GoalSpec, dict[str, str]]:
    """Make the rules and files of a small goal that trains in a blink and reports its own loss."""
    spec = GoalSpec(
        name=name,
        title=f"{name}: say in a few words what is optimised",
        question="Which question does this goal answer, and what would a good answer be worth?",
        timeout_seconds=60,
        metric=Metric(name="loss", direction=Direction.MIN, source=Source.SELF_REPORTED),
        files=Files(editable=["train.py"]),
        commands=Commands(train=["python", "train.py"]),
        budget=Budget(unit=BudgetUnit.STEPS, amount=40),
    )
    return spec, {"train.py": _TRAIN, "program.md": _PROGRAM.format(name=name)}
