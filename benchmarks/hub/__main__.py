"""`make bench-hub`: each path of the hub beside its floor and the peer's way, in one run."""

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.hub import cycles, events, load, reads, submits
from benchmarks.hub.table import table

RESULTS = Path(__file__).parents[1] / "results" / "hub.json"


def main() -> None:
    """Measure, print, and add to the result file."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--only", nargs="*", help="parts to measure, each under four minutes")
    words.add_argument("--tree", type=int, default=100_000, help="experiments in the tree")
    words.add_argument("--repeats", type=int, default=30)
    words.add_argument("--packs", type=int, default=1000, help="pushes the peer has had before")
    words.add_argument("--experiments", type=int, default=1000, help="the hub has had before")
    words.add_argument("--submits", type=int, default=2000, help="of each kind, over HTTP")
    words.add_argument("--kept", action="store_true", help="only show what is in the result file")
    said = words.parse_args()
    known = parts(said)
    for name in [] if said.kept else said.only or known:
        found = {**_circumstances(), "found": known[name]()}
        found["load_after"] = os.getloadavg()
        print(name, json.dumps(found, default=_plain), flush=True)
        _keep(name, found)
    Console(width=110).print(table(json.loads(RESULTS.read_text())))


def parts(said: argparse.Namespace) -> Mapping[str, Callable[[], Any]]:
    """What can be measured, by name; times are milliseconds."""
    repeats = int(said.repeats)
    return {
        "submit": lambda: submits.side_by_side(said.experiments, said.packs, repeats),
        "submit_100000": lambda: submits.submit(said.tree, repeats),
        "load": lambda: load.submits(said.experiments, said.submits),
        "load_100000": lambda: load.submits(said.tree, said.submits),
        "cycles": lambda: cycles.cycles(200, seconds=40.0),
        "lineage": lambda: reads.lineage(850, repeats),
        "heartbeats": lambda: events.heartbeats(10_000, seconds=15.0),
        "written_behind": lambda: events.written_behind(10_000),
        "fan_out": lambda: events.fan_out(1000),
        "git": lambda: reads.git_reads(2000, repeats),
        "tree": lambda: reads.tree(said.tree, 5),
    }


def _circumstances() -> dict[str, Any]:
    head = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(head, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": commit,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": os.getloadavg(),
    }


def _keep(name: str, found: Mapping[str, Any]) -> None:
    """Each part stands with the commit and the load that it was measured at."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept[name] = found
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(kept, indent=1, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


if __name__ == "__main__":
    main()
