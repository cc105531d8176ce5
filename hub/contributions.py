"""What a goal cost and who gave it: device time by experiment, work and verified gain by agent."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from hub import agents
from hub.tables import ExperimentRow, GoalRow, RunRow
from protocol.overview import Contribution, Effort

MOST = 200


def effort(session: Session, goal: GoalRow) -> Effort:
    """Seconds and tokens of training by experiment and class of device."""
    query = (
        sa.select(
            col(ExperimentRow.number),
            sa.func.sum(col(RunRow.seconds)),
            col(RunRow.device_class),
            sa.func.sum(RunRow.metrics["total_tokens_M"].as_float()),  # type: ignore[attr-defined]
        )
        .join(ExperimentRow, col(ExperimentRow.sha) == col(RunRow.experiment))
        .where(col(RunRow.goal) == goal.slug, ~col(ExperimentRow.hidden))
        .group_by(col(ExperimentRow.number), col(RunRow.device_class))
        .order_by(col(ExperimentRow.number), col(RunRow.device_class))
    )
    rows = session.execute(query).all()
    classes = sorted({row.device_class for row in rows})
    place = {name: index for index, name in enumerate(classes)}
    return Effort(
        number=[number for number, *_ in rows],
        seconds=[round(seconds, 1) for _, seconds, *_ in rows],
        tokens=[round(tokens or 0.0, 4) for *_, tokens in rows],
        device=[place[row.device_class] for row in rows],
        classes=classes,
    )


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
