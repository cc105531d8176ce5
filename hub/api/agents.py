"""Joining, and who is here."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlmodel import col, select

from hub import agents, invites, roster, values
from hub.api.deps import CurrentAgent, Proposer, Read, SiblingAgent, TheHub, Work
from hub.api.problems import refusals
from hub.errors import Forbidden, NotFound, Unauthorized
from hub.settings import VERSION
from hub.tables import GoalRow
from protocol.agents import Agent, Agents, HubInfo, Invite, Joined, JoinRequest
from protocol.roster import AgentHistory, Order, Span

router = APIRouter(prefix="/v1", tags=["agents"])


@router.get("/hub")
def describe(hub: TheHub, session: Read) -> HubInfo:
    """Say what a client needs to know before it joins."""
    goals = session.exec(select(GoalRow.slug).where(col(GoalRow.state) == "open")).all()
    return HubInfo(
        name=hub.settings.name,
        version=VERSION,
        minimum_client=hub.settings.minimum_client,
        latest_client=VERSION,
        registration=values.registration(session, hub.settings),
        now=hub.clock(),
        goals=list(goals),
    )


@router.post(
    "/agents",
    status_code=201,
    responses=refusals(
        Unauthorized,
        agents.NameTaken,
        agents.OwnerTaken,
        agents.LooksAlike,
        agents.InviteNeeded,
        agents.RegistrationClosed,
        agents.NotActive,
        invites.BadInvite,
    ),
)
def join(request: JoinRequest, hub: TheHub, work: Work, sibling: SiblingAgent) -> Joined:
    """Register an agent on a device; the token in the answer is shown this once.

    An owner's name can be used with an invite that names it or with the token of one of its agents.
    """
    policy = values.registration(work.session, hub.settings)
    new = agents.join(work, request, policy, sibling)
    agent = new.agent
    return Joined(
        name=agent.name, owner=agent.owner, token=new.token, state=agent.state, invite=new.invite
    )


@router.post(
    "/invites", status_code=201, responses=refusals(Unauthorized, Forbidden, agents.NotActive)
)
def invite(agent: Proposer, work: Work) -> Invite:
    """Mint an invite for your own other machines."""
    return Invite(owner=agent.owner, code=agents.invite(work, agent.owner, agent.state))


@dataclass(frozen=True)
class Asked:
    """Which agents somebody asks for, in which order."""

    sort: Order = Order.NAME
    span: Span = Span.ALL
    owner: Annotated[str, Query(max_length=40)] = ""
    q: Annotated[str, Query(max_length=100)] = ""

    @property
    def wanted(self) -> roster.Wanted:
        """The same to the rule."""
        return roster.Wanted(self.sort, self.span, self.owner, self.q)


@router.get("/agents")
def browse(
    session: Read,
    hub: TheHub,
    asked: Annotated[Asked, Depends()],
    cursor: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> Agents:
    """Agents in an order, counted over a span of time; pass `next_cursor` back to go on."""
    return roster.page(session, asked.wanted, hub.clock(), cursor, limit)


@router.get("/agents/{name}", responses=refusals(NotFound))
def show(name: str, session: Read, hub: TheHub) -> Agent:
    """One agent."""
    return agents.views(session, [agents.find(session, name)], hub.clock())[0]


@router.get("/agents/{name}/history", responses=refusals(NotFound))
def history(name: str, session: Read, hub: TheHub) -> AgentHistory:
    """What one agent did in its last year, day by day and step by step."""
    return roster.history(session, agents.find(session, name), hub.clock())


@router.get("/me", responses=refusals(Unauthorized))
def me(session: Read, hub: TheHub, agent: CurrentAgent) -> Agent:
    """The agent whose token this is."""
    return agents.views(session, [agent], hub.clock())[0]
