"""Owners and their agents: joining under a name that is one's own, and who is speaking."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, select

from hub import invites, tokens
from hub.db import Work
from hub.errors import HubError, NotFound, Unauthorized
from hub.hot import HotQuery
from hub.ops_tables import OperatorRow
from hub.tables import (
    AgentRow,
    ExperimentRow,
    GoalRow,
    OrderRow,
    OwnerRow,
    RunRow,
    TokenRow,
)
from protocol.agents import Agent, JoinRequest
from protocol.events import AgentJoined
from protocol.experiments import Standing

ONLINE = timedelta(minutes=5)
"""Who was heard of in this time is there."""
RESERVED = frozenset({"admin", "agenthub", "console", "hub", "operator", "policy", "root"})
REFUTED = (Standing.DISPUTED.value, Standing.REJECTED.value)
_ALIKE = str.maketrans("015i", "olsl")


class NameTaken(HubError):
    """Another agent has this name; choose another with `--name`."""

    code, status = "name_taken", 409


class OwnerTaken(HubError):
    """That owner's name is taken: choose another, or, if it is yours, join with an invite from the
    page that `agent_client signin` opens on a machine of yours."""

    code, status = "owner_taken", 403


class LooksAlike(HubError):
    """That name is kept for the hub, or can be mistaken for another owner's; choose another."""

    code, status = "looks_alike", 409


class InviteNeeded(HubError):
    """This hub takes invited volunteers only; ask its operators for an invite."""

    code, status = "invite_needed", 403


class RegistrationClosed(HubError):
    """This hub takes no new volunteers at present; ask its operators when it will."""

    code, status = "registration_closed", 403


class NotActive(HubError):
    """This agent or its owner is not active; ask an operator of the hub why."""

    code, status = "not_active", 403


@dataclass(frozen=True)
class Membership:
    """A new agent with its token, and a new owner's invite for their other machines."""

    agent: AgentRow
    token: str
    invite: str | None = None


def join(
    work: Work, request: JoinRequest, policy: str = "open", sibling: AgentRow | None = None
) -> Membership:
    """Register an agent and mint its token, which is shown this once.

    `sibling` is the agent whose token came with the request: an owner's own agents need no invite.

    Raises:
        NameTaken, OwnerTaken, LooksAlike: another name is needed.
        InviteNeeded, BadInvite, RegistrationClosed, NotActive: another right is needed.
    """
    if work.session.get(AgentRow, request.name) is not None:
        raise NameTaken
    if request.name in RESERVED:
        raise LooksAlike
    owner = work.session.get(OwnerRow, request.owner)
    _must_not_pose(work.session, request, known=owner is not None)
    invite = None
    if owner is None:
        owner = _new_owner(work, request, policy)
        invite = invites.for_own_machines(work, owner.name)
    else:
        _must_be_theirs(work, owner, request, sibling)
    agent = _new_agent(work, owner, request)
    token = tokens.issue(work, "agent", agent.name)
    work.announce(AgentJoined(agent=agent.name, owner=owner.name))
    return Membership(agent, token, invite)


def _must_not_pose(session: Session, request: JoinRequest, known: bool) -> None:
    """Nobody joins under what reads as an operator's name, but they themselves or by invite."""
    looks = {looks_like(request.name), looks_like(request.owner)}
    for operator in session.exec(select(OperatorRow).where(col(OperatorRow.state) == "active")):
        themselves = request.owner in (operator.owner, operator.name)
        let_in = known or request.invite is not None or request.owner == operator.owner
        if looks_like(operator.name) in looks and not (themselves and let_in):
            raise LooksAlike


def _new_owner(work: Work, request: JoinRequest, policy: str) -> OwnerRow:
    if policy == "closed":
        raise RegistrationClosed
    if policy == "invite" and request.invite is None:
        raise InviteNeeded
    look = looks_like(request.owner)
    alike = select(OwnerRow.name).where(col(OwnerRow.look) == look)
    if request.owner in RESERVED or work.session.exec(alike).first() is not None:
        raise LooksAlike
    given = request.invite  # an empty one is a wrong one, and not none
    used = None if given is None else invites.use(work, given, request.owner)
    owner = OwnerRow(
        name=request.owner,
        state="pending" if policy == "approval" and used is None else "active",
        look=look,
        invited_by=used.by if used else None,
        created_at=work.now,
    )
    work.session.add(owner)
    work.session.flush()
    return owner


def _must_be_theirs(
    work: Work, owner: OwnerRow, request: JoinRequest, sibling: AgentRow | None
) -> None:
    if sibling is None or sibling.owner != owner.name:
        if request.invite is None:
            raise OwnerTaken
        invites.use(work, request.invite, owner.name, named=True)
    if owner.state in ("banned", "quarantined"):
        raise NotActive


def _new_agent(work: Work, owner: OwnerRow, request: JoinRequest) -> AgentRow:
    agent = AgentRow(
        name=request.name,
        owner=owner.name,
        state=owner.state,
        device=request.device.model_dump(mode="json"),
        device_class=request.device.device_class,
        client_version=request.client_version,
        created_at=work.now,
    )
    work.session.add(agent)
    return agent


def invite(work: Work, owner: str, state: str) -> str:
    """Mint an invite for an owner's further machines.

    `state` is that of who asks, the owner or an agent of theirs.

    Raises:
        NotActive: it waits for approval or was set aside.
    """
    if state != "active":
        raise NotActive
    return invites.for_own_machines(work, owner)


def looks_like(name: str) -> str:
    """Names that people mistake for each other look the same here: l and 1, o and 0, rn and m."""
    return name.translate(_ALIKE).replace("rn", "m").replace("vv", "w")


def behind(session: Session, token: TokenRow) -> tuple[AgentRow, OwnerRow]:
    """The agent that a token speaks for, and its owner."""
    agent = session.get(AgentRow, token.subject)
    if agent is None:
        raise Unauthorized
    return agent, session.get_one(OwnerRow, agent.owner)


class Speaker(NamedTuple):
    """Who hands something in."""

    name: str
    owner: str
    state: str


class Holder(NamedTuple):
    """A token as it is kept, and the agent that it speaks for, if there is one."""

    id: str
    kind: str
    digest: str
    expires_at: datetime | None
    revoked_at: datetime | None
    name: str | None
    owner: str
    state: str
    per_minute: int | None

    @property
    def speaker(self) -> Speaker:
        """The agent; raises Unauthorized if there is none."""
        if self.name is None:
            raise Unauthorized
        return Speaker(self.name, self.owner, self.state)


_tables = SQLModel.metadata.tables
_tokens, _agents, _owners = _tables["tokens"].c, _tables["agents"].c, _tables["owners"].c
HOLDER = HotQuery(
    sa.select(
        *(_tokens[name] for name in Holder._fields[:5]),
        *(_agents[name] for name in Speaker._fields),
        _owners.per_minute,
    )
    .select_from(_tables["tokens"])
    .outerjoin(_tables["agents"], _agents.name == _tokens.subject)
    .outerjoin(_tables["owners"], _owners.name == _agents.owner)
    .where(_tokens.id == sa.bindparam("token")),
    Holder,
)


def find(session: Session, name: str) -> AgentRow:
    """An agent by name."""
    agent = session.get(AgentRow, name)
    if agent is None:
        raise NotFound("There is no agent by that name; the agents page lists them.")
    return agent


def views(
    session: Session, rows: Sequence[AgentRow], now: datetime, since: datetime | None = None
) -> list[Agent]:
    """Agents with what they have done, counted from their runs and experiments since a time."""
    names = [row.name for row in rows]
    ran, tried = (
        _by_name(session.execute(query.where(of.in_(names))))
        for query, of in ((done(since), col(RunRow.agent)), (made(since), col(ExperimentRow.agent)))
    )
    held = _held(session, names, now)
    return [
        Agent(
            **row.model_dump(exclude={"device_class"}),
            **ran.get(row.name, {}),
            **tried.get(row.name, {}),
            working_on=held.get(row.name),
        )
        for row in rows
    ]


def _by_name(found: Iterable[Any]) -> dict[str, dict[str, float]]:
    rows = [row._asdict() for row in found]
    return {row.pop("agent"): row for row in rows}


def done(since: datetime | None) -> sa.Select[Any]:
    """What each agent ran since a time: runs, replications, failures, credit and seconds."""
    run = RunRow
    query = sa.select(
        col(run.agent),
        sa.func.count().label("runs"),
        _times(col(run.kind) == "replicate").label("replicates"),
        _times(col(run.failure).is_not(None)).label("failures"),
        sa.func.sum(col(run.credit)).label("credit"),
        sa.func.sum(col(run.seconds)).label("gpu_seconds"),
    )
    query = query.where(*ran_since(since)) if since else query
    return query.group_by(col(run.agent))


def ran_since(then: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """Runs of any goal since; goal by goal, as that is how their index goes."""
    return col(RunRow.goal).in_(sa.select(col(GoalRow.slug))), col(RunRow.created_at) > then


def made(since: datetime | None) -> sa.Select[Any]:
    """What each agent tried since a time, and what others' devices agreed on and did not."""
    tried = ExperimentRow
    verified = col(tried.standing) == Standing.VERIFIED.value
    sign = sa.case((col(GoalRow.direction) == "min", -1), else_=1)
    gain = sa.case((sa.and_(verified, col(tried.kept)), sign * col(tried.delta)), else_=0.0)
    query = sa.select(
        col(tried.agent),
        sa.func.count().label("experiments"),
        _times(col(tried.kept)).label("kept"),
        _times(verified).label("confirmed"),
        _times(col(tried.standing).in_(REFUTED)).label("refuted"),
        sa.func.coalesce(sa.func.sum(gain), 0.0).label("verified_gain"),
    ).join(GoalRow, col(GoalRow.slug) == col(tried.goal))
    query = query.where(col(tried.created_at) > since) if since else query
    return query.where(col(tried.agent).is_not(None)).group_by(col(tried.agent))


def _times(condition: Any) -> Any:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def under_way(now: datetime) -> tuple[Any, ...]:
    """Leases somebody is still at: one that ran out stays a lease until work is asked for again."""
    return col(OrderRow.state) == "leased", col(OrderRow.deadline) > now - ONLINE


def _held(session: Session, names: list[str], now: datetime) -> dict[str, str]:
    query = sa.select(col(OrderRow.agent), col(OrderRow.kind), col(OrderRow.goal)).where(
        col(OrderRow.agent).in_(names), *under_way(now)
    )
    return {str(agent): f"{kind} in {goal}" for agent, kind, goal in session.execute(query)}
