"""Many experiments at once, as rows alone: what a big hub's database holds."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from hub import rebuild
from hub.core import Hub
from hub.gitobjects import Files
from hub.tables import AgentRow, ExperimentRow, GoalRow, OwnerRow
from tests.builders import NOON


def grow(
    hub: Hub, count: int, fan: int = 3, goal: str = "toy", *, merging: bool = False
) -> list[str]:
    """Insert `count` experiments below the root, `fan` to a parent, and no git object at all.

    Where they are `merging`, each has the one before it as its second parent.
    """
    with hub.database.work() as work:
        row = work.session.get_one(GoalRow, goal)
        root = work.session.exec(select(ExperimentRow).where(col(ExperimentRow.sha) == row.root))
        _agent(work.session)
        rows, children = _rows(root.one(), count, fan, merging)
        work.session.execute(sa.insert(ExperimentRow), rows)
        work.session.execute(
            sa.update(ExperimentRow)
            .where(col(ExperimentRow.sha) == row.root)
            .values(n_children=children)
        )
        row.next_number = count + 1
    return [str(each["sha"]) for each in rows]


def _agent(session: Any) -> None:
    session.add(OwnerRow(name="gaia", created_at=NOON))
    session.flush()
    device: dict[str, Any] = {"name": "cpu", "kind": "cpu", "device_class": "cpu"}
    session.add(
        AgentRow(name="tree", owner="gaia", device=device, device_class="cpu", created_at=NOON)
    )


def _rows(
    root: ExperimentRow, count: int, fan: int, merging: bool
) -> tuple[list[dict[str, Any]], int]:
    first = rebuild.rebuild(root, {})
    made: list[dict[str, Any]] = [{"sha": root.sha, "number": 0, "depth": 0, "n_children": 0}]
    files: dict[str, Files] = {root.sha: first.files}
    for number in range(1, count + 1):
        parent = made[(number - 1) // fan]
        row = _row(root, parent, number)
        row.second_parent = made[-1]["sha"] if merging and number > 1 else None
        done = rebuild.rebuild(row, files[parent["sha"]])
        row.sha, row.tree = done.sha, done.objects[-2].sha
        files[row.sha] = done.files
        parent["n_children"] += 1
        made.append(row.model_dump())
    return made[1:], int(made[0]["n_children"])


def _row(root: ExperimentRow, parent: dict[str, Any], number: int) -> ExperimentRow:
    return ExperimentRow(
        id=UUID(int=number),
        sha="",
        goal=root.goal,
        number=number,
        parent=parent["sha"],
        parent_number=parent["number"],
        depth=parent["depth"] + 1,
        title=f"Experiment {number}",
        hypothesis="A larger step learns faster.",
        message=f"Experiment {number}\n\nA larger step learns faster.\n",
        operator="tweak",
        agent="tree",
        owner="gaia",
        patch={"train.py": [[0, 1, f"LEARNING_RATE = {number}\n"]]},
        tree="",
        created_at=NOON,
        status="finished",
        finished_at=NOON,
        metric=1 / number,
        score=1 / number,
    )
