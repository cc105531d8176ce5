"""`make bench-hub`: each path of the hub beside its floor and the peer's way, in one run."""

import argparse
import json
import os
import platform
from collections.abc import Iterator
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
    found: dict[str, Any] = {"load_before": os.getloadavg(), "asked": vars(said)}
    for name, value in measure(said.tree, said.repeats, said.packs, said.experiments):
        found[name] = value
        print(name, json.dumps(value, default=_plain), flush=True)
        found["load_after"] = os.getloadavg()
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1, default=_plain) + "\n")


def measure(size: int, repeats: int, packs: int, before: int) -> Iterator[tuple[str, Any]]:
    """Everything, one after the other; times are milliseconds."""
    yield "machine", {"cores": os.cpu_count(), "python": platform.python_version()}
    yield "submit_floor", submits.floor(repeats * 10)
    yield "submit_peer", submits.peer(packs, repeats)
    proposed, reported = submits.submit(before, repeats)
    yield "submit_propose", proposed
    yield "submit_report", reported
    yield "lineage_850", reads.lineage(850, repeats)
    yield "heartbeats_10000", events.heartbeats(10_000)
    yield "fan_out_1000", events.fan_out(1000)
    yield "git", reads.git_reads(2000, repeats)
    yield "tree", reads.tree(size, 5)


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


if __name__ == "__main__":
    main()
