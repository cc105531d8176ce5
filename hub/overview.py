"""The hub at a glance: cards, staircases, titles and activity, by a few queries each."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from hub import agents, goals
from hub.column_types import UtcDateTime
from hub.settings import VERSION, Settings
from hub.tables import (
    AgentRow,
    EventRow,
    ExperimentRow,
    GoalRow,
    GoalVersionRow,
    OrderRow,
    RunRow,
)
from protocol.events import AnyEnvelope
from protocol.goals import Direction, GoalSpec, GoalState
from protocol.overview import GoalCard, GoalLine, GoalLines, Improvement, Overview, Title

DAY = timedelta(days=1)
MAX_STAIRS = 200
MAX_CARDS = 48

_made = ExperimentRow


def overview(session: Session, settings: Settings, now: datetime) -> Overview:
    """Everything on the board's first page; of more goals than fit, the busiest."""
    rows = session.exec(_busiest(now).limit(MAX_CARDS)).all()
    online = sa.select(sa.func.count()).where(col(AgentRow.last_seen_at) > now - agents.ONLINE)
    hour = sa.select(sa.func.count()).where(*agents.ran_since(now - timedelta(hours=1)))
    spent: Any = sa.func.coalesce(sa.func.sum(col(RunRow.seconds)), 0.0)
    today = sa.select(spent).where(*agents.ran_since(now - DAY))
    newest = session.execute(sa.select(sa.func.max(col(EventRow.seq)))).scalar() or 0
    return Overview(
        name=settings.name,
        version=VERSION,
        seq=newest,
        agents_online=session.execute(online).scalar_one(),
        experiments_last_hour=session.execute(hour).scalar_one(),
        gpu_hours_today=session.execute(today).scalar_one() / 3600,
        goals_total=session.execute(sa.select(sa.func.count()).select_from(GoalRow)).scalar_one(),
        goals=[card(session, row, now) for row in rows],
    )


def _busiest(now: datetime) -> Any:
    return select(GoalRow).order_by(
        _runs_since(now - DAY).desc(), col(GoalRow.created_at).desc(), col(GoalRow.slug)
    )


def _runs_since(then: datetime) -> sa.ScalarSelect[int]:
    """How many runs of a goal came since; by an index, so that a thousand goals cost little."""
    query = sa.select(sa.func.count()).where(
        col(RunRow.goal) == col(GoalRow.slug), col(RunRow.created_at) > then
    )
    return query.correlate(GoalRow).scalar_subquery()


def lines(session: Session, now: datetime, after: str, limit: int) -> GoalLines:
    """Goals by name, a line each, after a name."""
    found = session.execute(_lines(now).where(col(GoalRow.slug) > after).limit(limit))
    rows = [GoalLine.model_validate(dict(row)) for row in found.mappings()]
    total = session.execute(sa.select(sa.func.count()).select_from(GoalRow)).scalar_one()
    following = rows[-1].name if len(rows) == limit else None
    return GoalLines(goals=rows, total=total, next_cursor=following)


def _lines(now: datetime) -> sa.Select[Any]:
    root, leader = aliased(ExperimentRow), aliased(ExperimentRow)
    spec = GoalVersionRow.spec["metric"]["name"].as_string()
    held = sa.select(sa.func.count()).where(
        col(OrderRow.goal) == col(GoalRow.slug), *agents.under_way(now)
    )
    last = sa.select(sa.func.max(col(RunRow.created_at))).where(
        col(RunRow.goal) == col(GoalRow.slug)
    )
    best = sa.case(
        (col(GoalRow.direction) == "min", _first(col(_made.score).asc())),
        else_=_first(col(_made.score).desc()),
    )
    columns = {
        **{name: col(getattr(GoalRow, name)) for name in ("title", "direction", "state")},
        "name": col(GoalRow.slug),
        "metric": spec,
        "baseline": col(root.score),
        "verified_best": col(leader.score),
        "best": best,
        "experiments": col(GoalRow.next_number),
        "runs_today": _runs_since(now - DAY),
        "running": held.correlate(GoalRow).scalar_subquery(),
        "created_at": col(GoalRow.created_at),
        "last_at": last.correlate(GoalRow).scalar_subquery(),
    }
    return (
        sa.select(*[column.label(name) for name, column in columns.items()])
        .select_from(GoalRow)
        .join(
            GoalVersionRow,
            sa.and_(
                col(GoalVersionRow.goal) == col(GoalRow.slug),
                col(GoalVersionRow.version) == col(GoalRow.version),
            ),
        )
        .outerjoin(root, col(root.sha) == col(GoalRow.root))
        .outerjoin(leader, sa.and_(col(leader.sha) == col(GoalRow.champion), ~col(leader.hidden)))
        .order_by(col(GoalRow.slug))
    )


def _first(order: Any) -> sa.ScalarSelect[float]:
    query = sa.select(col(_made.score)).where(
        col(_made.goal) == col(GoalRow.slug), col(_made.score).is_not(None), ~col(_made.hidden)
    )
    return query.order_by(order).limit(1).correlate(GoalRow).scalar_subquery()


def card(session: Session, goal: GoalRow, now: datetime) -> GoalCard:
    """One goal at a glance."""
    spec = goals.spec(session, goal)
    steps = stairs(session, goal)
    baseline, best, verified = (
        _baseline(session, goal),
        _best(session, goal),
        _verified(session, goal),
    )
    gain = None if best is None or baseline is None else best - baseline
    return GoalCard(
        name=goal.slug,
        title=goal.title,
        question=spec.question,
        metric=spec.metric.name,
        unit=spec.metric.unit,
        direction=Direction(goal.direction),
        state=GoalState(goal.state),
        reason=goal.state_reason,
        baseline=baseline,
        best=best,
        verified_best=verified.score if verified else None,
        champion=verified.sha if verified else None,
        gain=gain,
        noise_sd=goal.noise_sd,
        **_counts(session, goal, now),
        owners_missing=0 if verified else owners_missing(session, goal, spec),
        created_at=goal.created_at,
        stairs=steps[-MAX_STAIRS:],
    )


def _counts(session: Session, goal: GoalRow, now: datetime) -> dict[str, int]:
    held = (col(OrderRow.goal) == goal.slug, *agents.under_way(now))
    mine = col(_made.goal) == goal.slug
    asked = {
        "experiments": sa.select(sa.func.count()).where(mine),
        "experiments_today": sa.select(sa.func.count()).where(
            mine, col(_made.number) > sa.func.coalesce(_last_before(goal, now - DAY), -1)
        ),
        "running": sa.select(sa.func.count()).where(*held),
        "agents": sa.select(sa.func.count(sa.distinct(col(OrderRow.agent)))).where(*held),
        "replications_waiting": sa.select(sa.func.count()).where(
            col(OrderRow.goal) == goal.slug,
            col(OrderRow.state) == "open",
            col(OrderRow.kind) == "replicate",
        ),
    }
    return {name: session.execute(query).scalar_one() for name, query in asked.items()}


def owners_missing(session: Session, goal: GoalRow, spec: GoalSpec) -> int:
    """How many more owners must measure something before the rules let any claim be verified."""
    asked = spec.verification.owners
    # Distinct and limited: the search ends with the owner that makes them enough.
    read = (col(RunRow.goal) == goal.slug, col(RunRow.counted), col(RunRow.metric).is_not(None))
    heard = sa.select(col(RunRow.owner)).where(*read).distinct().limit(asked)
    return asked - len(session.execute(heard).all())


def _last_before(goal: GoalRow, then: datetime) -> sa.ScalarSelect[int]:
    """The number of the last experiment before a time: numbers grow with time, so the search walks
    back over what came since, and not over the whole goal.
    """
    query = sa.select(col(_made.number)).where(
        col(_made.goal) == goal.slug, col(_made.created_at) <= then
    )
    return query.order_by(col(_made.number).desc()).limit(1).scalar_subquery()


def _best(session: Session, goal: GoalRow) -> float | None:
    """The best score so far; by order and limit, as an index on the score answers that at once."""
    score = col(_made.score)
    query = sa.select(score).where(
        col(_made.goal) == goal.slug, score.is_not(None), ~col(_made.hidden)
    )
    order = score.asc() if goal.direction == "min" else score.desc()
    return session.execute(query.order_by(order).limit(1)).scalar()


def _baseline(session: Session, goal: GoalRow) -> float | None:
    return session.execute(sa.select(col(_made.score)).where(col(_made.sha) == goal.root)).scalar()


def _verified(session: Session, goal: GoalRow) -> Any:
    """Sha and score of the champion, if there is one to show."""
    if goal.champion is None:
        return None  # a database asked for no sha goes through every row
    query = sa.select(col(_made.sha), col(_made.score))
    return session.execute(query.where(col(_made.sha) == goal.champion, ~col(_made.hidden))).first()


def stairs(session: Session, goal: GoalRow) -> list[Improvement]:
    """The experiments that were the best when they came, oldest first."""
    at = sa.func.coalesce(col(_made.finished_at), col(_made.created_at), type_=UtcDateTime())
    # Whole rows hold patches, as for titles: of every goal at a glance they were most of the work.
    wanted = [col(getattr(_made, name)) for name in Improvement.model_fields if name != "at"]
    steps = (col(_made.goal) == goal.slug, col(_made.kept), ~col(_made.hidden))
    query = sa.select(*wanted, at.label("at")).where(*steps, col(_made.score).is_not(None))
    found = session.execute(query.order_by(col(_made.number))).mappings()
    return [Improvement.model_validate(dict(row)) for row in found]


def titles(session: Session, goal: GoalRow, numbers: Sequence[int]) -> list[Title]:
    """Labels of the nodes on the screen."""
    # Whole rows hold patches: two hundred of them cost ten times their labels.
    wanted = [col(getattr(_made, name)) for name in Title.model_fields]
    named = (col(_made.goal) == goal.slug, col(_made.number).in_(numbers), ~col(_made.hidden))
    query = sa.select(*wanted).where(*named)
    return [Title.model_validate(dict(row)) for row in session.execute(query).mappings()]


def activity(
    session: Session, goal: GoalRow, before: int | None, limit: int, types: Sequence[str] = ()
) -> list[AnyEnvelope]:
    """A goal's events, newest first, before a cursor; of some types, or of all."""
    query = select(EventRow).where(col(EventRow.goal) == goal.slug)
    if types:
        query = query.where(col(EventRow.type).in_(types))
    if before is not None:
        query = query.where(col(EventRow.seq) < before)
    rows = session.exec(query.order_by(col(EventRow.seq).desc()).limit(limit)).all()
    return [
        AnyEnvelope.model_validate({"seq": row.seq, "at": row.at, "event": row.body})
        for row in rows
    ]
