"""What a goal cost and who gave it: device time by experiment, work and verified gain by agent."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from hub.tables import ExperimentRow, GoalRow, RunRow
from protocol.experiments import Standing
from protocol.overview import Contribution, Effort

MOST = 200
_REFUTED = (Standing.DISPUTED.value, Standing.REJECTED.value)


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


def _ran(goal: GoalRow) -> Any:
    return (
        sa.select(
            col(RunRow.agent),
            sa.func.max(col(RunRow.owner)).label("owner"),
            sa.func.count().label("runs"),
            _times(col(RunRow.kind) == "replicate").label("replicates"),
            sa.func.sum(col(RunRow.seconds)).label("seconds"),
        )
        .where(col(RunRow.goal) == goal.slug)
        .group_by(col(RunRow.agent))
    )


def _made(goal: GoalRow) -> Any:
    row = ExperimentRow
    verified = col(row.standing) == Standing.VERIFIED.value
    sign = -1 if goal.direction == "min" else 1
    gain = sa.case((sa.and_(verified, col(row.kept)), sign * col(row.delta)), else_=0.0)
    return (
        sa.select(
            col(row.agent),
            sa.func.max(col(row.owner)).label("owner"),
            sa.func.count().label("experiments"),
            _times(col(row.kept)).label("kept"),
            _times(verified).label("confirmed"),
            _times(col(row.standing).in_(_REFUTED)).label("refuted"),
            sa.func.sum(gain).label("verified_gain"),
        )
        .where(col(row.goal) == goal.slug, ~col(row.hidden), col(row.agent).is_not(None))
        .group_by(col(row.agent))
    )


def _times(condition: Any) -> Any:
    return sa.func.sum(sa.case((condition, 1), else_=0))
