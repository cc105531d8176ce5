"""Work orders: the hub decides what is worth doing, and leases it to one agent until a deadline."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import agents, experiments, goals, preparing, scheduling
from hub.agents import NotActive
from hub.db import Work
from hub.errors import NotYours
from hub.gitstore import GitStore
from hub.minds import Mind
from hub.settings import Settings
from hub.tables import AgentRow, ExperimentRow, GoalRow, GoalVersionRow, OrderRow, RunRow
from protocol.events import LeaseClaimed, LeaseEnded
from protocol.work import (
    Kind,
    Lease,
    Prepared,
    Release,
    Renewal,
    WorkRequest,
)

GRACE = timedelta(seconds=10)
"""Heartbeats are written behind by a second or two; nobody loses a lease to that."""
ENDED_AT_ONCE = 100
"""So many overdue leases one claim ends: of ten thousand it kept every writer waiting for 11 s."""
OTHERS = timedelta(minutes=30)
"""So long what an owner lost or ran waits for another; none may come, and it waits no longer."""


@dataclass(frozen=True)
class Idle:
    """Why there is no work, and when to ask again (seconds)."""

    code: str
    reason: str
    retry_after: float


def claim(
    work: Work, settings: Settings, mind: Mind, agent: AgentRow, request: WorkRequest
) -> OrderRow | Idle:
    """Hand out one order, or say why there is none.

    An order that this agent already holds but does not list is handed out again as it is: its
    claim's reply was lost on the way.
    """
    if agent.state != "active":
        raise NotActive
    if agent.wish:
        return Idle("paused", "Your owner paused this agent on the board and resumes it there.", 30)
    agent.device = request.device.model_dump(mode="json")
    agent.device_class = request.device.device_class
    agent.client_version = request.client_version or agent.client_version
    mine = _held_by(work.session, agent)
    lost = [order for order in mine if order.id not in request.holding]
    for order in lost:
        if not _silent(work, order):
            return _extend(work, settings, order)
        _expire(work, settings, order)
    mine = [order for order in mine if order not in lost]
    most = settings.max_open_leases_per_agent if request.prefetch else 1
    if len(mine) >= most:
        return Idle("holding", f"You hold {len(mine)} of {most} leases; finish one first.", 5.0)
    open_goals = scheduling.open_goals(work.session, request)
    if not open_goals:
        code, reason = scheduling.why_none(work.session, request)
        return Idle(code, reason, 60.0)
    found = _waiting(work, settings, agent, open_goals)
    found = found or scheduling.choose(work, mind, agent, request, open_goals)
    if found is None:
        return Idle("nothing_to_do", scheduling.NOTHING, 30.0)
    return _lease(work, settings, found, agent)


def _held_by(session: Session, agent: AgentRow) -> list[OrderRow]:
    held = session.exec(_HELD, params={"agent": agent.name}).all()
    return sorted(held, key=lambda order: order.claimed_at or order.created_at)


_HELD = (
    select(OrderRow)
    .where(col(OrderRow.agent) == sa.bindparam("agent"), col(OrderRow.state) == "leased")
    .with_for_update()
)


def _silent(work: Work, order: OrderRow) -> bool:
    return order.deadline is not None and order.deadline < work.now - GRACE


def _waiting(
    work: Work, settings: Settings, agent: AgentRow, open_goals: list[GoalRow]
) -> OrderRow | None:
    """An order that waits, or whose holder vanished: expiry is decided here, on the hub's clock."""
    overdue = {"overdue": work.now - GRACE, "most": ENDED_AT_ONCE}
    said = {"goals": [goal.slug for goal in open_goals], **overdue}
    free = work.session.exec(_FREE, params=said).all()
    for order in sorted(free, key=lambda order: order.created_at):
        if order.state == "leased":
            _expire(work, settings, order)
        if order.state != "open" or _is_for_others(work, order, agent.owner):
            continue
        if _runnable(work.session, order, agent.owner):
            return order
    return None


_wanted: sa.BindParameter[str] = sa.bindparam("goals", expanding=True)
_open = col(OrderRow.state) == "open", col(OrderRow.goal).in_(_wanted)
# Not by the goal's index, which finds all that is leased: coalesce is nothing that it could find.
_overdue = (
    *(col(OrderRow.state) == "leased", col(OrderRow.deadline) < sa.bindparam("overdue")),
    sa.func.coalesce(col(OrderRow.goal), "").in_(_wanted),
)
_longest = sa.select(col(OrderRow.id)).where(*_overdue).order_by(col(OrderRow.deadline))
_ended = _longest.limit(sa.bindparam("most")).subquery()
_free = sa.union_all(sa.select(col(OrderRow.id)).where(*_open), sa.select(_ended.c.id))
_FREE = select(OrderRow).where(col(OrderRow.id).in_(_free)).with_for_update(skip_locked=True)


def _is_for_others(work: Work, order: OrderRow, owner: str) -> bool:
    """Whether an owner lost an order, or ran its experiment, and another may still want it."""
    if owner in order.tried_owners:
        return order.ended_at is None or work.now < order.ended_at + OTHERS
    if order.kind != Kind.REPLICATE.value or work.now >= order.created_at + OTHERS:
        return False
    had = _owners_of(work.session, str(order.experiment))
    return owner in had and _another_is_there(work, had)


def _owners_of(session: Session, sha: str) -> set[str | None]:
    """Whose word on an experiment is known, or will be: who made it, ran it or is running it."""
    made, run, order = ExperimentRow, RunRow, OrderRow
    at_it = col(order.experiment) == sha, col(order.state) == "leased"
    every: Any = sa.union_all(
        sa.select(col(made.owner)).where(col(made.sha) == sha),
        sa.select(col(run.owner)).where(col(run.experiment) == sha),
        sa.select(col(order.owner)).where(*at_it),
    )
    return set(session.execute(every).scalars())


def _another_is_there(work: Work, had: Collection[str | None]) -> bool:
    agent = AgentRow
    there = col(agent.state) == "active", col(agent.last_seen_at) > work.now - agents.ONLINE
    owners = work.session.execute(sa.select(col(agent.owner)).where(*there).distinct())
    return any(owner not in had for owner in owners.scalars())


def _runnable(session: Session, order: OrderRow, owner: str) -> bool:
    """Whether this owner's runs test it, and it was not taken out since: banned code is not run."""
    made = ExperimentRow
    query = sa.select(col(made.hidden), col(made.owner)).where(col(made.sha) == order.experiment)
    alone = goals.rules(session.connection(), order.goal).verification.alone
    return all(
        not hidden and (alone or author != owner) for hidden, author in session.execute(query)
    )


def _expire(work: Work, settings: Settings, order: OrderRow) -> None:
    """Take the lease from a holder who fell silent; park the order when it failed too often."""
    end(work, order, "expired", "The agent fell silent.")
    if order.kind != Kind.REPLICATE.value:
        # The next agent is better served by a fresh choice of parent, and another owner to run the
        # baseline may never come.
        return
    order.state = "parked" if order.tries >= settings.max_tries else "open"


def end(work: Work, order: OrderRow, state: str, reason: str) -> None:
    """Close a lease and abandon what it was making; a late result is still welcome."""
    order.reasons = [*order.reasons, f"{order.agent}: {reason}"]
    order.state, order.ended_at = state, work.now
    if order.owner is not None and state == "expired":
        order.tried_owners = [*order.tried_owners, order.owner]
    work.announce(
        LeaseEnded(
            goal=order.goal, lease=order.id, agent=order.agent or "", state=state, reason=reason
        )
    )
    if order.kind in (Kind.EXPLORE.value, Kind.MERGE.value, Kind.ABLATE.value):
        experiments.abandon(work, order.id, reason)


def _lease(work: Work, settings: Settings, order: OrderRow, agent: AgentRow) -> OrderRow:
    order.state = "leased"
    order.epoch += 1
    order.tries += 1
    order.agent, order.owner = agent.name, agent.owner
    order.holders = {**order.holders, str(order.epoch): agent.name}
    order.phase, order.fraction, order.step, order.loss = "claimed", 0.0, 0, None
    order.claimed_at = work.now
    work.announce(
        LeaseClaimed(
            goal=order.goal, lease=order.id, kind=order.kind, agent=agent.name, why=order.why
        )
    )
    return _extend(work, settings, order)


def _extend(work: Work, settings: Settings, order: OrderRow) -> OrderRow:
    order.renewed_at = work.now
    order.deadline = work.now + timedelta(seconds=settings.lease_seconds)
    return order


class Held(NamedTuple):
    """What a renewal needs to know of an order: its columns of these names.

    `hidden` is whether its experiment was taken out; None while it has none.
    """

    id: UUID
    goal: str
    epoch: int
    state: str
    holders: dict[str, str]
    experiment: str | None
    claimed_at: datetime | None
    hidden: bool | None


@dataclass(frozen=True)
class Terms:
    """What a goal tells the holders of its leases; times are seconds."""

    lease_seconds: float
    longest: float
    stop: bool
    reason: str


def terms(session: Session, settings: Settings, slugs: Collection[str]) -> dict[str, Terms]:
    """The terms of these goals as they are now."""
    found = session.execute(_RULES, {"slugs": list(slugs)})
    return {
        slug: Terms(
            settings.lease_seconds,
            goals.understood(rules).timeout_seconds * settings.lease_hard_cap_factor,
            state == "closed",
            reason,
        )
        for slug, state, reason, rules in found
    }


_goals, _versions = (sa.inspect(each).local_table.c for each in (GoalRow, GoalVersionRow))
_RULES = sa.select(_goals.slug, _goals.state, _goals.state_reason, _versions.spec).where(
    _goals.slug.in_(sa.bindparam("slugs", expanding=True)),
    _versions.goal == _goals.slug,
    _versions.version == _goals.version,
)


def held(order: Held | None, by: str, epoch: int) -> Held:
    """The order, if this agent holds it at this epoch.

    A holder who was silent past the deadline keeps the lease as long as nobody else took it.

    Raises:
        StaleLease: it ended, went to somebody else at a later epoch, or never was.
        NotYours: it is another agent's.
    """
    if order is None or str(epoch) not in order.holders:
        raise experiments.StaleLease
    if order.holders[str(epoch)] != by:
        raise NotYours
    if order.epoch != epoch or order.state != "leased":
        raise experiments.StaleLease
    return order


def renew(order: Held, terms: Terms, wish: str, now: datetime) -> Renewal:
    """A held lease's new deadline; the caller writes heartbeats behind, in batches.

    `wish` is what its owner wants of the agent: pause, stop or nothing.
    """
    stop, reason = terms.stop, terms.reason
    if (now - (order.claimed_at or now)).total_seconds() > terms.longest:
        stop = True
        reason = f"This lease is over {terms.longest:.0f} s old, far more than a run may take."
    if order.hidden:
        stop, reason = True, "an operator took this experiment out"
    if wish == "stop":
        stop, reason = True, "its owner stopped it on the board"
    return Renewal(
        deadline=now + timedelta(seconds=terms.lease_seconds),
        lease_seconds=terms.lease_seconds,
        stop=stop,
        reason=reason,
    )


def release(work: Work, lease: UUID, by: AgentRow, said: Release) -> None:
    """Give a lease back at once, so that another agent can have the work; safe to send again."""
    order = work.session.get(OrderRow, lease, with_for_update=True)
    if order is None or order.holders.get(str(said.epoch)) != by.name:
        raise NotYours
    if order.epoch != said.epoch or order.state != "leased":
        return
    end(work, order, "released", said.reason)
    if order.kind in (Kind.REPLICATE.value, Kind.ANCHOR.value):
        order.state = "open"
        order.tries -= 1


def leases(
    session: Session, now: datetime, goal: str | None = None, parked: bool = False
) -> list[Lease]:
    """The leases that are held now, or the orders that were parked."""
    wanted = (col(OrderRow.state) == "parked",) if parked else agents.under_way(now)
    query = select(OrderRow).where(*wanted)
    if goal is not None:
        query = query.where(col(OrderRow.goal) == goal)
    rows = session.exec(query.order_by(col(OrderRow.claimed_at)).limit(1000)).all()
    return [Lease.model_validate(row.model_dump()) for row in rows]


@dataclass(frozen=True)
class Given:
    """A lease that an ask for work got, and the proposal that the hub wrote for it itself."""

    lease: UUID
    prepared: Prepared | None


def give(
    work: Work,
    settings: Settings,
    mind: Mind,
    git: GitStore,
    agent: AgentRow,
    request: WorkRequest,
) -> Given | Idle:
    """Answer an ask for work; to prepare it may leave out of the order what does not fit."""
    mine = work.session.get_one(AgentRow, agent.name)
    given = claim(work, settings, mind, mine, request)
    if isinstance(given, Idle):
        return given
    return Given(given.id, preparing.prepare(work.session, git, given))
