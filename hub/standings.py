"""A goal's leaderboard with places, and what its page tells beside: failures, kinds, noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import experiments, goals
from hub.columns import Columns, Kept, indexed
from hub.errors import NotFound
from hub.tables import AgentRow, ExperimentRow, GoalRow, RunRow
from protocol.experiments import Standing, Status
from protocol.standings import Noise, Ranked, Ranking, Reason

DAY = timedelta(days=1)
_made, _run = ExperimentRow, RunRow


@dataclass(frozen=True)
class Filters:
    """Which experiments a leaderboard is of: verified ones alone, or those of a class of device."""

    verified: bool = False
    device: str = ""

    def on(self, goal: GoalRow) -> list[sa.ColumnElement[bool]]:
        """The conditions."""
        found = [
            col(_made.goal) == goal.slug,
            col(_made.score).is_not(None),
            ~col(_made.hidden),
        ]
        if self.verified:
            found.append(col(_made.standing) == Standing.VERIFIED.value)
        if self.device:
            ran = sa.select(col(_run.id)).where(
                col(_run.experiment) == col(_made.sha), col(_run.device_class) == self.device
            )
            found.append(ran.exists())
        return found


def ranking(
    session: Session,
    goal: GoalRow,
    now: datetime,
    filters: Filters,
    after: int | None = None,
    limit: int = 50,
) -> Ranking:
    """A page of the leaderboard: the best first, after the experiment with a number."""
    board = filters.on(goal)
    query, ahead = select(_made).where(*board), (0, 0)
    if after is not None:
        last = _scored(session, goal, after)
        query = query.where(_past(goal, last, worse=True))
        ahead = _ahead(session, last, [*board, _past(goal, last, worse=False)], now - DAY)
    found = session.exec(query.order_by(*_order(goal)).limit(limit + 1)).all()
    rows = found[:limit]
    return Ranking(
        experiments=_ranked(session, rows, ahead, now - DAY),
        classes=_classes(session, goal),
        next_cursor=str(rows[-1].number) if len(found) > limit else None,
    )


def _scored(session: Session, goal: GoalRow, number: int) -> ExperimentRow:
    query = select(_made).where(col(_made.goal) == goal.slug, col(_made.number) == number)
    row = session.exec(query).first()
    if row is None or row.score is None:
        raise NotFound("The leaderboard has changed; begin again without a cursor.")
    return row


def _order(goal: GoalRow) -> tuple[Any, Any]:
    score = col(_made.score)
    return (score.asc() if goal.direction == "min" else score.desc(), col(_made.number))


def _past(goal: GoalRow, row: ExperimentRow, worse: bool) -> sa.ColumnElement[bool]:
    """What stands behind a row, or before it; bounded by the score first, which has an index."""
    score, number = col(_made.score), col(_made.number)
    if worse is (goal.direction == "min"):
        bound, beyond = score >= row.score, score > row.score
    else:
        bound, beyond = score <= row.score, score < row.score
    return sa.and_(bound, sa.or_(beyond, number > row.number if worse else number < row.number))


def _ahead(
    session: Session, row: ExperimentRow, before: list[sa.ColumnElement[bool]], then: datetime
) -> tuple[int, int]:
    """How many stand before the row after this one: now, and among those older than a time."""
    old = sa.func.coalesce(sa.func.sum(sa.case((col(_made.finished_at) <= then, 1), else_=0)), 0)
    now, once = session.execute(sa.select(sa.func.count(), old).where(*before)).one()
    return now + 1, once + _stood(row, then)


def _stood(row: ExperimentRow, then: datetime) -> bool:
    return row.finished_at is not None and row.finished_at <= then


def _ranked(
    session: Session, rows: Sequence[ExperimentRow], ahead: tuple[int, int], then: datetime
) -> list[Ranked]:
    rank, before = ahead
    ran = _first_runs(session, [row.sha for row in rows])
    found = []
    for row in rows:
        rank, before = rank + 1, before + _stood(row, then)
        place = {"rank": rank, "rank_before": before if _stood(row, then) else None}
        view = experiments.view(row).model_dump()
        found.append(Ranked.model_validate(view | place | ran.get(row.sha, {})))
    return found


def _first_runs(session: Session, shas: list[str]) -> dict[str, dict[str, Any]]:
    columns = (col(_run.experiment), col(_run.device_class), col(_run.seconds))
    query = sa.select(*columns).where(
        col(_run.experiment).in_(shas), col(_run.kind) != "replicate", col(_run.failure).is_(None)
    )
    newest_first = query.order_by(col(_run.created_at).desc())
    return {
        sha: {"device_class": device, "seconds": seconds}
        for sha, device, seconds in session.execute(newest_first)
    }


def _classes(session: Session, goal: GoalRow) -> list[str]:
    # By way of the agents: the runs are a hundred times as many. The index on goals would walk over
    # all of them for each agent, so the goal is compared in a way that no index can serve.
    of_goal = sa.func.coalesce(col(_run.goal), "") == goal.slug
    ran = sa.select(col(_run.id)).where(col(_run.agent) == col(AgentRow.name), of_goal)
    query = sa.select(col(AgentRow.device_class)).where(ran.exists()).distinct()
    return sorted(session.execute(query).scalars())


def reasons(session: Session, goal: GoalRow) -> list[Reason]:
    """Why experiments ended without a result, the most frequent reason first."""
    query = (
        sa.select(col(_made.failure), sa.func.count(), sa.func.max(col(_made.number)))
        .where(col(_made.goal) == goal.slug, ~col(_made.hidden))
        .where(col(_made.status) == Status.FAILED.value)
        .group_by(col(_made.failure))
    )
    found = session.execute(query).all()
    last = _by_number(session, goal, [number for _, _, number in found])
    return [
        Reason(failure=failure or "crash", experiments=count, number=number, **last[number])
        for failure, count, number in sorted(found, key=lambda each: (-each[1], each[2]))
    ]


def _by_number(session: Session, goal: GoalRow, numbers: list[int]) -> dict[int, dict[str, str]]:
    query = (
        sa.select(col(_made.number), col(_made.sha), col(_run.failure_detail))
        .outerjoin(_run, col(_run.experiment) == col(_made.sha))
        .where(col(_made.goal) == goal.slug, col(_made.number).in_(numbers))
        .order_by(col(_run.created_at))
    )
    return {
        number: {"sha": sha, "detail": detail or ""}
        for number, sha, detail in session.execute(query)
    }


def categories() -> Kept:
    """Which kind of change each experiment is, as columns for all who ask (`Categories`)."""
    return Kept(_categories, _encoded)


def _categories(session: Session, goal: GoalRow, after: int) -> Columns:
    query = sa.select(col(_made.number), col(_made.operator)).where(
        col(_made.goal) == goal.slug, ~col(_made.hidden)
    )
    if after:
        query = query.where(col(_made.changed_seq) > after)
    rows = session.execute(query.order_by(col(_made.number))).all()
    number, category = zip(*rows, strict=True) if rows else ((), ())
    return {"number": list(number), "category": list(category)}


def _encoded(_goal: GoalRow, _seq: int, columns: Columns) -> bytes:
    places, names = indexed(columns["category"])
    return orjson.dumps({**columns, "category": places, "categories": names})


def noise(session: Session, goal: GoalRow) -> Noise:
    """How much luck is in one run, and from which repeats the hub knows."""
    # Most experiments ran once: their counters say so, and their runs need not be read.
    again = sa.select(col(_made.sha)).where(col(_made.goal) == goal.slug, col(_made.n_runs) > 1)
    measured = sa.select(col(_run.experiment), col(_run.agent)).where(
        col(_run.experiment).in_(again), col(_run.counted), col(_run.metric).is_not(None)
    )
    ran: dict[str, list[str]] = {}
    for sha, agent in session.execute(measured):
        ran.setdefault(sha, []).append(agent)
    repeated = [agents for agents in ran.values() if len(agents) > 1]
    return Noise(
        sd=goal.noise_sd,
        stated=goals.spec(session, goal).verification.noise_sd,
        repeated=len(repeated),
        runs=sum(len(agents) for agents in repeated),
        devices=len({agent for agents in repeated for agent in agents}),
    )
