"""Agents in the order that somebody asked for, and what one agent has done so far."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import agents
from hub.tables import AgentRow, ExperimentRow, GoalRow, RunRow
from protocol.agents import Agents
from protocol.roster import ActiveDay, AgentHistory, Machine, Order, Span, Speed, Step

SPANS = {Span.DAY: timedelta(days=1), Span.WEEK: timedelta(days=7)}
YEAR = timedelta(days=365)
DAY_SECONDS = 86_400
MOST = 200
_made, _run = ExperimentRow, RunRow


@dataclass(frozen=True)
class Wanted:
    """Which agents, in which order, counted over which span of time."""

    order: Order = Order.NAME
    span: Span = Span.ALL
    owner: str = ""
    words: str = ""


def page(
    session: Session, wanted: Wanted, now: datetime, after: str | None = None, limit: int = 100
) -> Agents:
    """Agents after a name, in order, with what they did in the span that was asked for."""
    since = now - SPANS[wanted.span] if wanted.span in SPANS else None
    names = _ordered(session, wanted, since)
    # An agent that has gone from the list meanwhile sends its reader back to the start.
    start = names.index(after) + 1 if after in names else 0
    chosen = names[start : start + limit]
    query = select(AgentRow).where(col(AgentRow.name).in_(chosen))
    rows = {row.name: row for row in session.exec(query)}
    return Agents(
        agents=agents.views(session, [rows[name] for name in chosen], now, since),
        next_cursor=chosen[-1] if start + limit < len(names) else None,
        total=len(names),
    )


def _ordered(session: Session, wanted: Wanted, since: datetime | None) -> list[str]:
    query = sa.select(col(AgentRow.name), col(AgentRow.last_seen_at))
    if wanted.owner:
        query = query.where(col(AgentRow.owner) == wanted.owner)
    for word in wanted.words.lower().split():
        said = (AgentRow.name, AgentRow.owner, AgentRow.device_class)
        hit = [sa.func.lower(col(each)).contains(word, autoescape=True) for each in said]
        query = query.where(sa.or_(*hit))
    found = [(name, seen) for name, seen in session.execute(query)]
    if wanted.order is Order.NAME:
        return sorted(name for name, _ in found)
    if wanted.order is Order.SEEN:
        never = datetime.min.replace(tzinfo=UTC)
        return [name for name, seen in sorted(found, key=lambda each: _late(each[1] or never))]
    worth = _worth(session, wanted.order, since)
    return sorted((name for name, _ in found), key=lambda name: (-worth.get(name, 0.0), name))


def _late(seen: datetime) -> float:
    return -seen.timestamp() if seen.year > 1 else float("inf")


def _worth(session: Session, order: Order, since: datetime | None) -> dict[str, float]:
    """What each agent is worth in an order; those without any are left out."""
    if order in (Order.KEPT, Order.EXPERIMENTS, Order.GAIN):
        query = agents.made(since)
    else:
        query = agents.done(since)
    return {
        str(row.agent): float(getattr(row, order.column) or 0) for row in session.execute(query)
    }


def history(session: Session, row: AgentRow, now: datetime) -> AgentHistory:
    """One agent's year: its days, its kept steps, its machines, its speed, what was doubted."""
    return AgentHistory(
        days=_days(session, row.name, now - YEAR),
        kept=_steps(session, row.name, lambda query: query.where(col(_made.kept))),
        doubted=_steps(
            session, row.name, lambda query: query.where(col(_made.standing).in_(agents.REFUTED))
        ),
        machines=_machines(session, row.name),
        speeds=_speeds(session, row.name),
    )


def _days(session: Session, name: str, since: datetime) -> list[ActiveDay]:
    seconds = sa.extract("epoch", col(_run.created_at))
    # Whole days of UTC on both databases: SQLite counts in integers, PostgreSQL in numerics.
    day = (seconds - seconds % DAY_SECONDS).label("day")
    failed = sa.func.sum(sa.case((col(_run.failure).is_not(None), 1), else_=0))
    query = (
        sa.select(day, sa.func.count(), failed, sa.func.sum(col(_run.seconds)))
        .where(col(_run.agent) == name, col(_run.created_at) > since)
        .group_by(day)
        .order_by(day)
    )
    return [
        ActiveDay(
            day=datetime.fromtimestamp(int(at), UTC).date(),
            runs=runs,
            failures=failures,
            seconds=spent,
        )
        for at, runs, failures, spent in session.execute(query)
    ]


def _steps(session: Session, name: str, only: Callable[[Any], Any]) -> list[Step]:
    columns = [col(getattr(_made, each)) for each in Step.model_fields if each != "direction"]
    query = (
        sa.select(*columns, col(GoalRow.direction))
        .join(GoalRow, col(GoalRow.slug) == col(_made.goal))
        .where(col(_made.agent) == name, ~col(_made.hidden), col(_made.score).is_not(None))
    )
    newest = only(query).order_by(col(_made.created_at).desc()).limit(MOST)
    return [Step.model_validate(dict(each)) for each in session.execute(newest).mappings()][::-1]


def _machines(session: Session, name: str) -> list[Machine]:
    query = (
        sa.select(
            col(_run.device_class),
            col(_run.client_version),
            sa.func.count().label("runs"),
            sa.func.min(col(_run.created_at)).label("first_at"),
            sa.func.max(col(_run.created_at)).label("last_at"),
        )
        .where(col(_run.agent) == name)
        .group_by(col(_run.device_class), col(_run.client_version))
        .order_by(sa.func.max(col(_run.created_at)).desc())
        .limit(20)
    )
    return [Machine.model_validate(dict(each)) for each in session.execute(query).mappings()]


def _speeds(session: Session, name: str) -> list[Speed]:
    tokens = _run.metrics["total_tokens_M"].as_float()  # type: ignore[attr-defined]
    query = (
        sa.select(col(_run.created_at), col(_run.goal), tokens, col(_run.seconds))
        .where(col(_run.agent) == name, col(_run.seconds) > 0, tokens.is_not(None))
        .order_by(col(_run.created_at).desc())
        .limit(MOST)
    )
    return [
        Speed(at=at, goal=goal, tokens_per_second=millions * 1e6 / seconds)
        for at, goal, millions, seconds in session.execute(query)
    ][::-1]
