"""Joining, and who is here."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel import col, select

from hub import agents, invites, values
from hub.api.deps import CurrentAgent, Read, SiblingAgent, TheHub, Work
from hub.api.problems import refusals
from hub.errors import NotFound, Unauthorized
from hub.settings import VERSION
from hub.tables import AgentRow, GoalRow
from protocol.agents import Agent, Agents, HubInfo, Invite, Joined, JoinRequest

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


@router.post("/invites", status_code=201, responses=refusals(Unauthorized, agents.NotActive))
def invite(agent: CurrentAgent, work: Work) -> Invite:
    """Mint an invite for your own other machines."""
    return Invite(owner=agent.owner, code=invites.for_own_machines(work, agent.owner))


@router.get("/agents")
def browse(
    session: Read,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> Agents:
    """Agents by name."""
    query = select(AgentRow).where(col(AgentRow.name) > (cursor or ""))
    rows = session.exec(query.order_by(col(AgentRow.name)).limit(limit)).all()
    following = rows[-1].name if len(rows) == limit else None
    return Agents(agents=agents.views(session, rows), next_cursor=following)


@router.get("/agents/{name}", responses=refusals(NotFound))
def show(name: str, session: Read) -> Agent:
    """One agent."""
    return agents.views(session, [agents.find(session, name)])[0]


@router.get("/me", responses=refusals(Unauthorized))
def me(session: Read, agent: CurrentAgent) -> Agent:
    """The agent whose token this is."""
    return agents.views(session, [agent])[0]
