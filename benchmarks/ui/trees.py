"""Large goals as rows: synthetic trees, and the public swarm's record where it is at hand."""

import gzip
import json
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from hub import goal_files, goals
from hub.core import open_hub
from hub.settings import Settings
from hub.tables import ExperimentRow, GoalRow

RECORD = Path("../shared/data/public-swarm-dag.json.gz")
START = datetime(2026, 3, 1, tzinfo=UTC)


def synthetic(count: int) -> list[tuple[int, float | None]]:
    """Parents and scores: some nodes attract many tries, one in twelve fails."""
    dice = random.Random(1)
    rows: list[tuple[int, float | None]] = [(-1, 1.0)]
    scores = [1.0]
    for number in range(1, count):
        parent = int(number * dice.random() ** 0.7) if dice.random() < 0.7 else number - 1
        score = scores[parent] + abs(dice.gauss(0, 0.003)) - 0.0008 * dice.random()
        scores.append(score)
        rows.append((parent, None if dice.random() < 0.08 else score))
    return rows


def public_record() -> list[tuple[int, float | None]]:
    """The 14,732 published results, in order of time; a parent that is missing is the root."""
    with gzip.open(RECORD, "rt") as file:
        said: list[dict[str, Any]] = json.load(file)
    said.sort(key=lambda row: (bool(row["parent_hash"]), row["created_at"]))
    number = {row["hash"]: index for index, row in enumerate(said)}
    parents = [
        number.get(row["parent_hash"], -1 if index == 0 else 0) for index, row in enumerate(said)
    ]
    return [
        (parent if parent < index else 0, row["val_bpb"])
        for index, (parent, row) in enumerate(zip(parents, said, strict=True))
    ]


def fill(
    data: Path, tree: list[tuple[int, float | None]], titles: Sequence[str] | None = None
) -> None:
    """Write a tree as the goal `tiny_gpt` of a new hub; rows only, without commits."""
    hub = open_hub(Settings(data=data))
    loaded = goal_files.from_library("tiny_gpt")
    with hub.database.work() as work:
        goal = goals.open_goal(work, hub.git, loaded.spec, loaded.texts)
        goal.next_number = len(tree)
    best, depth = float("inf"), [0]
    children = Counter(parent for parent, _ in tree)
    rows: list[dict[str, Any]] = []
    with hub.database.work() as work:
        root = work.session.get_one(GoalRow, "tiny_gpt").root
        for number, (parent, score) in enumerate(tree):
            kept = score is not None and score < best
            best = min(best, score if score is not None else best)
            if number:
                depth.append(depth[parent] + 1)
            rows.append(
                _row(number, parent, score, kept, root or "")
                | {"depth": depth[number], "n_children": children[number]}
                | ({"title": titles[number]} if titles else {})
            )
        work.session.execute(
            sa.update(ExperimentRow).values(
                score=tree[0][1], status="finished", n_children=children[0]
            )
        )
        work.session.execute(sa.insert(ExperimentRow), rows[1:])
    hub.database.dispose()


def _row(number: int, parent: int, score: float | None, kept: bool, root: str) -> dict[str, Any]:
    return {
        "id": UUID(int=number),
        "sha": f"{number:040x}",
        "goal": "tiny_gpt",
        "goal_version": 1,
        "number": number,
        "parent": root if parent == 0 else f"{parent:040x}",
        "parent_number": parent,
        "title": f"change {number}",
        "hypothesis": "",
        "message": "",
        "operator": "tweak",
        "agent": f"agent-{number % 40}",
        "owner": f"owner-{number % 20}",
        "mutator": "",
        "model": "",
        "tokens_used": 0,
        "dollars": 0.0,
        "body_digest": "",
        "patch": {},
        "tree": "",
        "canonical": "",
        "effect": "",
        "lines_added": 1,
        "lines_removed": 1,
        "created_at": START + timedelta(seconds=65 * number),
        "status": "finished" if score is not None else "failed",
        "standing": "claimed" if score is not None else "none",
        "verdict": "",
        "score": score,
        "metric": score,
        "n_runs": 0,  # there are no rows of runs: the hub would spend its first minute on mending
        "n_owners": 0,
        "kept": kept,
        "pinned": False,
        "boost": 1.0,
        "frozen": False,
        "forbidden": False,
        "hidden": False,
        "changed_seq": 1,
    }
