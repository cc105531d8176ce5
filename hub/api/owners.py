"""Owners at home: pages for volunteers, by a session that a machine of theirs opened."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from hub import agents, owners, runs, sessions
from hub.agents import NotActive
from hub.api.deps import CurrentOwner, Proposer, Read, TheHub, Work
from hub.api.problems import refusals
from hub.errors import Forbidden, NotFound, Unauthorized
from hub.sessions import Forged
from protocol.agents import Agent, Invite
from protocol.owners import Mine, Minted, SignInCode
from protocol.runs import Runs

router = APIRouter(prefix="/v1", tags=["owners"])
AT_HOME = refusals(Unauthorized, Forbidden, Forged)
CHANGING = refusals(Unauthorized, Forbidden, Forged, NotActive, NotFound)


class Deed(StrEnum):
    """What an owner may wish of an agent."""

    PAUSE = "pause"
    STOP = "stop"
    RESUME = "resume"


@router.post("/me/link", responses=refusals(Unauthorized, Forbidden))
def link(agent: Proposer, work: Work) -> SignInCode:
    """Mint a code that signs this agent's owner in on the hub's pages, once."""
    code = sessions.link_owner(work, agent.owner)
    return SignInCode(code=code, expires_at=work.now + sessions.LINK_LIFETIME)


@router.get("/mine", responses=AT_HOME)
def show(owner: CurrentOwner, session: Read, hub: TheHub) -> Mine:
    """The signed-in owner's agents, their tokens, and why one is idle."""
    return owners.mine(session, owner, hub.clock())


@router.get("/mine/runs", responses=AT_HOME | refusals(NotFound))
def list_runs(
    owner: CurrentOwner,
    session: Read,
    cursor: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Runs:
    """The owner's runs, the newest first; pass `next_cursor` back to go on."""
    rows = owners.runs(session, owner, limit, after=cursor)
    following = str(rows[-1].id) if len(rows) == limit else None
    return Runs(runs=[runs.view(row) for row in rows], next_cursor=following)


@router.post("/mine/agents/{name}/token", status_code=201, responses=CHANGING)
def mint(name: str, owner: CurrentOwner, work: Work) -> Minted:
    """Mint a further token for an own agent; the answer shows it this once."""
    return Minted(agent=name, token=owners.mint(work, owner, name))


@router.post("/mine/agents/{name}/{deed}", responses=CHANGING)
def wish(name: str, deed: Deed, owner: CurrentOwner, work: Work) -> Agent:
    """Pause an own agent after its run, stop it at once, or let it go on."""
    return owners.wish(work, owner, name, deed.value)


@router.delete("/mine/tokens/{identity}", status_code=204, responses=CHANGING)
def revoke(identity: str, owner: CurrentOwner, work: Work) -> None:
    """End a token of an own agent at once."""
    owners.revoke(work, owner, identity)


@router.post("/mine/invites", status_code=201, responses=CHANGING)
def invite(owner: CurrentOwner, work: Work) -> Invite:
    """Mint an invite for an own further machine."""
    return Invite(owner=owner.name, code=agents.invite(work, owner.name, owner.state))
