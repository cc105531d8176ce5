"""What an agent that asked for work is told: its order with a digest, or why there is none."""

import sqlalchemy as sa
from sqlmodel import Session

from hub import briefing, goals
from hub.settings import VERSION, Settings
from hub.tables import NoticeRow, OrderRow
from hub.work import Given, Idle
from protocol.experiments import Operator
from protocol.work import Kind, Notice, Prepared, WorkOrder, WorkReply


def reply(session: Session, settings: Settings, given: Given | Idle) -> WorkReply:
    """The answer as it is told: an order with its digest, or why there is none; only reads."""
    versions = {"minimum_client": settings.minimum_client, "latest_client": VERSION}
    if isinstance(given, Idle):
        return WorkReply(
            code=given.code, reason=given.reason, retry_after=given.retry_after, **versions
        )
    order = session.get_one(OrderRow, given.lease)
    return WorkReply(order=_order(session, settings, order, given.prepared), **versions)


def _order(
    session: Session, settings: Settings, order: OrderRow, prepared: Prepared | None
) -> WorkOrder:
    """An order as the agent reads it."""
    goal = goals.find(session, order.goal)
    return WorkOrder(
        lease=order.id,
        epoch=order.epoch,
        kind=Kind(order.kind),
        goal=order.goal,
        goal_version=goal.version,
        parent=order.parent,
        second_parent=order.second_parent,
        brought=order.brought,
        experiment=order.experiment,
        operator=Operator(order.operator),
        why=order.why,
        seed=order.seed,
        nonce=order.nonce,
        lease_seconds=settings.lease_seconds,
        deadline=order.deadline,
        digest=briefing.brief(session, goal, order),
        notices=_notices(session, order.goal),
        prepared=prepared,
    )


def _notices(session: Session, goal: str) -> list[Notice]:
    """What operators want agents to know now."""
    rows = session.execute(_NOTICES, {"goal": goal})
    return [Notice(id=number, text=text, created_at=at) for number, text, at in rows]


_told = sa.inspect(NoticeRow).local_table.c
_NOTICES = (
    sa.select(_told.id, _told.text, _told.created_at)
    .where(
        _told.withdrawn_at.is_(None),
        sa.or_(_told.goal.is_(None), _told.goal == sa.bindparam("goal")),
    )
    .order_by(_told.id)
)
