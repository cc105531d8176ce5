"""What a goal cost and who gave it: device time by experiment, work and verified gain by agent."""

from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col

from hub import agents
from hub.columns import Columns, Kept
from hub.tables import ExperimentRow, GoalRow, RunRow
from protocol.overview import Contribution

MOST = 200


def efforts() -> Kept:
    """What goals cost, as columns for all who ask (`Effort`)."""
    return Kept(_effort, _encoded)


def _effort(session: Session, goal: GoalRow, after: int) -> Columns:
    """Seconds and tokens of training by experiment and class of device."""
    query = (
        sa.select(
            col(ExperimentRow.number),
            sa.func.sum(col(RunRow.seconds)),
            sa.func.sum(RunRow.metrics["total_tokens_M"].as_float()),  # type: ignore[attr-defined]
            col(RunRow.device_class),
        )
        .join(ExperimentRow, col(ExperimentRow.sha) == col(RunRow.experiment))
        .where(col(ExperimentRow.goal) == goal.slug, ~col(ExperimentRow.hidden))
        .group_by(col(ExperimentRow.number), col(RunRow.device_class))
        .order_by(col(ExperimentRow.number), col(RunRow.device_class))
    )
    if after:
        query = query.where(col(ExperimentRow.changed_seq) > after)
    rows = session.execute(query).all()
    number, seconds, tokens, device = zip(*rows, strict=True) if rows else ((),) * 4
    return {
        "number": list(number),
        "seconds": [round(each, 1) for each in seconds],
        "tokens": [round(each or 0.0, 4) for each in tokens],
        "device": list(device),
    }


def _encoded(_goal: GoalRow, _seq: int, columns: Columns) -> bytes:
    classes = sorted(set(columns["device"]))
    place = {name: index for index, name in enumerate(classes)}
    devices = [place[name] for name in columns["device"]]
    return orjson.dumps({**columns, "device": devices, "classes": classes})


def by_agent(session: Session, goal: GoalRow) -> list[Contribution]:
    """Every agent that worked on a goal: the largest verified gain first, then the most runs."""
    ran = {row.agent: row for row in session.execute(_ran(goal))}
    made = {row.agent: row for row in session.execute(_made(goal))}
    found = [_contribution(ran.get(name), made.get(name)) for name in ran.keys() | made.keys()]
    found.sort(key=lambda each: (-each.verified_gain, -each.runs, each.agent))
    return found[:MOST]


def _contribution(ran: Any, made: Any) -> Contribution:
    rows = [row._asdict() for row in (ran, made) if row is not None]
    known = {name: value for row in rows for name, value in row.items() if value is not None}
    return Contribution.model_validate(known)


def _ran(goal: GoalRow) -> sa.Select[Any]:
    run = RunRow
    whose = sa.func.max(col(run.owner)).label("owner")
    seconds = sa.func.sum(col(run.seconds)).label("seconds")
    return agents.done(None).add_columns(whose, seconds).where(col(run.goal) == goal.slug)


def _made(goal: GoalRow) -> sa.Select[Any]:
    made = ExperimentRow
    whose = sa.func.max(col(made.owner)).label("owner")
    shown = (col(made.goal) == goal.slug, ~col(made.hidden))
    return agents.made(None).add_columns(whose).where(*shown)
