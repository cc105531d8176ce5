"""Joining, and who is here."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel import col, select

from hub import agents
from hub.api.deps import CurrentAgent, Read, TheHub, Work
from hub.api.problems import refusals
from hub.errors import NotFound, Unauthorized
from hub.settings import VERSION
from hub.tables import AgentRow, GoalRow
from protocol.agents import Agent, Agents, HubInfo, Joined, JoinRequest

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
        registration=hub.settings.registration,
        now=hub.clock(),
        goals=list(goals),
    )


@router.post(
    "/agents",
    status_code=201,
    responses=refusals(agents.NameTaken, agents.OwnerTaken, agents.NotActive),
)
def join(request: JoinRequest, work: Work) -> Joined:
    """Register an agent on a device; the token in the answer is shown this once."""
    agent, token = agents.join(work, request)
    return Joined(name=agent.name, owner=agent.owner, token=token, state=agent.state)


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
