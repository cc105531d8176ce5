"""What a sandbox costs at the start of a run: `python -m benchmarks.agent.sandbox_startup`.

Each round starts one short program plainly and then behind each kind of walls, until its end is
known; so the machine's other work meets all of them alike. Overheads are differences within a
round. `--save` writes the numbers to benchmarks/results.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from agent_client.sandbox import Job, Sandbox, Unsafe, backends

RESULT = Path(__file__).parents[1] / "results" / "sandbox_startup.json"
PROGRAM = ["/bin/true"]


def milliseconds(start: Callable[[], object]) -> tuple[float, float]:
    """How long a call takes, and how much processor time its processes use."""
    began, used = time.perf_counter(), processor_seconds()
    start()
    return (time.perf_counter() - began) * 1000, (processor_seconds() - used) * 1000


def processor_seconds() -> float:
    """Of this process and of those that have ended below it."""
    own, below = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime


def behind(sandbox: Sandbox, folder: Path) -> Callable[[], None]:
    """A call that runs the program behind walls to its end."""

    def start() -> None:
        with sandbox.start(Job(PROGRAM, folder)) as running:
            assert running.wait(60).ok

    return start


def measure(rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds by kind of walls and round; "plain" is a subprocess without anything."""
    kinds = [one for one in (*backends(), Unsafe()) if one.available() is None]
    with tempfile.TemporaryDirectory(prefix="agenthub-") as folder:
        ways: dict[str, Callable[[], object]] = {
            "plain": lambda: subprocess.run(PROGRAM, check=True, cwd=folder),
            **{kind.name: behind(kind, Path(folder)) for kind in kinds},
        }
        for start in ways.values():
            start()
        found = [{name: milliseconds(start) for name, start in ways.items()} for _ in range(rounds)]
    return {name: [each[name] for each in found] for name in found[0]}


def summary(times: dict[str, list[tuple[float, float]]]) -> dict[str, dict[str, float]]:
    """Per kind: median and least time, and the median overhead over the plain start."""
    plain = [wall for wall, _ in times["plain"]]
    walls = {name: [wall for wall, _ in each] for name, each in times.items()}
    return {
        name: {
            "median_processor_ms": round(median(used for _, used in times[name]), 1),
            "median_ms": round(median(each), 1),
            "least_ms": round(min(each), 1),
            "median_overhead_ms": round(median(a - b for a, b in zip(each, plain, strict=True)), 1),
            "least_overhead_ms": round(min(each) - min(plain), 1),
        }
        for name, each in walls.items()
    }


def machine() -> dict[str, object]:
    """What was measured on, and how busy it was."""
    return {
        "kernel": platform.release(),
        "cpu": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "as_root": os.geteuid() == 0,
        "load_1m": round(os.getloadavg()[0], 1),
        "nice": os.nice(0),  # a negative one keeps other work of a busy machine out of the way
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def main() -> None:
    """Measure, print, and save if told to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--save", action="store_true")
    wanted = parser.parse_args()
    before = machine()
    result = {"machine": before, "rounds": wanted.rounds, "ways": summary(measure(wanted.rounds))}
    print(json.dumps(result, indent=2))
    if wanted.save:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
