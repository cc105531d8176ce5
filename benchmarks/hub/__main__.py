"""`make bench-hub`: each path of the hub beside its floor and the peer's way, in one run."""

import argparse
import json
import os
import platform
import sqlite3
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from benchmarks.hub import events, reads, submits

RESULTS = Path(__file__).parents[1] / "results" / "hub.json"


def main() -> None:
    """Measure, print, and write the result file."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--tree", type=int, default=100_000, help="experiments in the tree")
    words.add_argument("--repeats", type=int, default=30)
    words.add_argument("--packs", type=int, default=300, help="pushes the peer has had before")
    words.add_argument("--experiments", type=int, default=1000, help="the hub has had before")
    said = words.parse_args()
    found = measure(said.tree, said.repeats, said.packs, said.experiments)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1, default=_plain) + "\n")
    print(RESULTS.read_text())


def measure(size: int, repeats: int, packs: int, before: int) -> dict[str, Any]:
    """Everything, with what the machine was doing at the time."""
    load = os.getloadavg()
    found: dict[str, Any] = {"submit_floor": submits.floor(repeats * 10)}
    found["submit_peer"] = submits.peer(packs, repeats)
    found["submit_peer_had"] = packs
    found["submit_propose"], found["submit_report"] = submits.submit(before, repeats)
    found["submit_hub_had"] = before
    found["tree"] = reads.tree(size, 5)
    found["tree_experiments"] = size
    found["lineage_850"] = reads.lineage(850, repeats)
    found["git"] = reads.git_reads(2000, repeats)
    found["heartbeats_10000"] = events.heartbeats(10_000)
    found["fan_out_1000"] = events.fan_out(1000)
    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    found["machine"] = {"cores": os.cpu_count(), "load": [load, os.getloadavg()], **versions}
    return found


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


if __name__ == "__main__":
    main()
