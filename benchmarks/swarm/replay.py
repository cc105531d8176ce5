"""Replays the public record of 14,732 results through the hub's belief and rules of promotion.

`python -m benchmarks.swarm.replay` writes benchmarks/results/replay.md. The record carries no
source code, so a re-roll is told by its label: results of one parent whose labels are the same but
for the counter (`best64 rep12`) are the same tree again, hence replicates of one entry. With source
the hub tells by the canonical tree.
"""

import gzip
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hub import belief, novelty, titles, verification
from hub.snapshot import Node, Reading, Snapshot

RECORD = Path("../shared/data/public-swarm-dag.json.gz")
TARGET = Path("benchmarks/results/replay.md")
_COUNTER = re.compile(r"[\s_]*(?:rep|repeat)[\s_]*\d+$", re.IGNORECASE)


@dataclass(frozen=True)
class Result:
    """One published result."""

    key: str
    parent: str
    owner: str
    message: str
    value: float
    day: str


def read(path: Path) -> list[Result]:
    """The record in the order of its times; results without a finite metric are left out."""
    with gzip.open(path, "rt") as file:
        rows = json.load(file)
    rows.sort(key=lambda row: row["created_at"])
    return [
        Result(
            row["hash"],
            row["parent_hash"],
            row["contributor_id"],
            row["message"],
            float(row["val_bpb"]),
            row["created_at"][:10],
        )
        for row in rows
        if row["val_bpb"] is not None
    ]


def label(message: str) -> str:
    """A label without its counter: what all re-rolls of one patch share."""
    return _COUNTER.sub("", message.strip()).strip(" _")


def gathered(results: Sequence[Result]) -> tuple[Snapshot, int]:
    """Results as nodes and readings, re-rolls as readings of one node; and how many those were."""
    place: dict[str, int] = {}
    entries: dict[str, int] = {}
    nodes: list[Node] = []
    readings: list[Reading] = []
    for one in results:
        parent = place.get(one.parent)
        code = novelty.canonical(f"{parent}: {label(one.message)!r}")
        node = entries.get(code) if _COUNTER.search(one.message) else None
        if node is None:
            node = len(nodes)
            nodes.append(Node(one.key, node, parent, owner=one.owner, title=one.message))
            entries.setdefault(code, node)
        place[one.key] = node
        readings.append(Reading(node, one.value, one.owner, one.owner, one.day, "H100"))
    return Snapshot(nodes=tuple(nodes), readings=tuple(readings)), len(results) - len(nodes)


def table(results: Sequence[Result]) -> str:
    """What a leaderboard of raw minima shows, and what the hub believes, side by side."""
    snapshot, rerolls = gathered(results)
    start = time.perf_counter()
    believed = belief.fit(snapshot)
    seconds = time.perf_counter() - start
    verdicts = verification.judge(snapshot, believed)
    crowned = titles.Referee().champion(snapshot, believed, verdicts)
    lowest = min(range(len(results)), key=lambda place: results[place].value)
    node = snapshot.readings[lowest].node
    most = int(believed.n.argmax())
    score, sd, n = believed.of(node)
    rolls = [one.value for one in snapshot.readings if one.node == most]
    lucky = min(rolls)
    below = sum(one < believed.score[most] - 3 * believed.noise_sd for one in rolls)
    champion = "nobody yet" if crowned is None else snapshot.nodes[crowned].title
    rows = [
        ("results", f"{len(results):,}"),
        ("re-rolls that became replicates of an earlier entry", f"{rerolls:,}"),
        ("experiments", f"{len(snapshot.nodes):,}"),
        ("replicates of the most repeated entry", f"{int(believed.n[most]):,}"),
        ("its score", _score(believed.of(most))),
        ("its luckiest reading, which a promotion of minima would keep", f"{lucky:.6f}"),
        ("readings of it below its score by more than 3 sd of the noise", f"{below:,}"),
        (
            "lowest raw reading, which a leaderboard of minima crowns",
            f"{results[lowest].value:.6f}",
        ),
        ("what it is a reading of", f"`{snapshot.nodes[node].title}`, {n:,} runs"),
        ("what the hub believes of that", f"{score:.6f} ± {sd:.6f}"),
        ("so the lucky reading flatters by", f"{score - results[lowest].value:.6f}"),
        ("noise learned", f"{believed.noise_sd:.6f}"),
        ("offset of a working day learned", f"{believed.period_sd:.6f}"),
        ("champion by the rule of two owners", champion),
        ("seconds to fit the belief", f"{seconds:.2f}"),
    ]
    lines = ["# The public record, replayed", "", "| | |", "|---|---|"]
    return "\n".join([*lines, *[f"| {name} | {value} |" for name, value in rows], ""])


def _score(told: tuple[float, float, int]) -> str:
    return f"{told[0]:.6f} ± {told[1]:.6f}"


def main() -> None:
    """Write the table, or say plainly that the record is not here."""
    if not RECORD.exists():
        raise SystemExit(f"{RECORD} is not here; the project does not carry it. See docs/swarm.md.")
    TARGET.write_text(table(read(RECORD)))
    print(TARGET.read_text())


if __name__ == "__main__":
    main()
