"""`make bench`: every measurement, one after another, each in a process of its own.

Run it on a machine that does nothing else; results go to benchmarks/results.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

PARTS: Mapping[str, Sequence[str]] = {
    "sandbox": ("benchmarks.agent.sandbox_startup", "--save"),
    "hub": ("benchmarks.hub",),
    "ui": ("benchmarks.ui.measure",),
    "replay": ("benchmarks.swarm.replay",),
    "agent": ("benchmarks.agent.duty_cycle",),
    "swarm": ("benchmarks.swarm",),
}
LONG = ("agent", "swarm")
"""Fifteen minutes and some hours: measured only when named."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; the exit code is the number of parts that failed."""
    words = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    everything = f"default: all but {' and '.join(LONG)}"
    words.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; {everything}")
    named = words.parse_args(argv).parts
    if unknown := [part for part in named if part not in PARTS]:
        words.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return sum(not _measured(part) for part in named or [p for p in PARTS if p not in LONG])


def _measured(part: str) -> bool:
    print(f"== {part}", flush=True)
    started = time.monotonic()
    threads = os.environ | ({"OMP_NUM_THREADS": "1"} if part == "swarm" else {})
    ended = subprocess.run([sys.executable, "-m", *PARTS[part]], check=False, env=threads)
    said = "done" if ended.returncode == 0 else f"failed with {ended.returncode}"
    print(f"== {part}: {said} after {time.monotonic() - started:.0f} s", flush=True)
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
