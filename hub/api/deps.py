"""What endpoints ask for, by name: the hub, a unit of work, a reader, and who is speaking."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel import Session

from hub import admission, agents, guards, plan, sessions, tokens, values
from hub.agents import Speaker
from hub.board import Author
from hub.core import Hub
from hub.db import Work as UnitOfWork
from hub.desk import Desk
from hub.errors import Forbidden, HubError, Unauthorized
from hub.minds import Mind
from hub.renewals import Ask, Found
from hub.sessions import Actor, SignedIn
from hub.tables import AgentRow, OwnerRow, TokenRow

_bearer = HTTPBearer(auto_error=False, description="A token from `agent_client join`.")


# What only looks at the request is `async`: each plain `def` would cost a trip to another thread.
async def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


TheHub = Annotated[Hub, Depends(_hub)]


def _work(hub: TheHub) -> Iterator[UnitOfWork]:
    with hub.database.work() as work:
        yield work


def _read(hub: TheHub) -> Iterator[Session]:
    with hub.database.read() as session:
        yield session


# "function" scope commits before the response leaves; the default would answer 200 first.
Work = Annotated[UnitOfWork, Depends(_work, scope="function")]
Read = Annotated[Session, Depends(_read, scope="function")]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def _address(request: Request) -> str:
    return guards.caller(request.scope)


Address = Annotated[str, Depends(_address)]


def _recognised(hub: Hub, session: Session, bearer: Bearer, address: str, *scopes: str) -> TokenRow:
    token = bearer.credentials if bearer else ""
    row = session.get(TokenRow, tokens.parse(token, *tokens.KINDS))
    return admission.admit(hub.limits, row, token, address, hub.clock(), *scopes)


def _speaking(hub: Hub, session: Session, bearer: Bearer, address: str, *scopes: str) -> AgentRow:
    return _behind(hub, session, _recognised(hub, session, bearer, address, *scopes))


def _behind(hub: Hub, session: Session, row: TokenRow) -> AgentRow:
    agent, owner = agents.behind(session, row)
    hub.limits.owner(owner.name, owner.per_minute)
    hub.heartbeats.seen(agent.name, row.id, hub.clock())
    return agent


async def _holder(request: Request, lease: UUID, bearer: Bearer) -> Found:
    # Asked for hundreds of times a second: each dependency more would cost what the look-up does.
    hub: Hub = request.app.state.hub
    token = bearer.credentials if bearer else ""
    return await hub.renewals.find(Ask(token, guards.caller(request.scope), lease))


Holder = Annotated[Found, Depends(_holder)]
"""Whoever asks to keep a lease, and the lease."""


@dataclass(frozen=True)
class Caller:
    """Whoever hands something in, looked up where it is taken: that saves trips to threads."""

    hub: Hub
    token: str
    address: str

    def agent(self, connection: sa.Connection) -> Speaker:
        """An agent by its or its verifier's token; raises as for every other request."""
        return self._admitted(connection, "agent", "verifier")

    def proposer(self, connection: sa.Connection) -> Speaker:
        """An agent that may write, and does not do so too often."""
        found = self._admitted(connection, "agent")
        self.hub.limits.proposing(found.name, found.owner)
        return found

    def _admitted(self, connection: sa.Connection, *scopes: str) -> Speaker:
        hub, now = self.hub, self.hub.clock()
        row = agents.HOLDER.first(connection, token=tokens.parse(self.token, *tokens.KINDS))
        held = admission.admit(hub.limits, row, self.token, self.address, now, *scopes)
        found = held.speaker
        hub.limits.owner(found.owner, held.per_minute)
        hub.heartbeats.seen(found.name, held.id, now)
        return found


Who = Callable[[sa.Connection], Speaker]
"""Finds who speaks, once there is a connection to ask on."""


def _reporting(hub: TheHub, session: Read, bearer: Bearer, address: Address) -> Who:
    return _found(Caller(hub, bearer.credentials if bearer else "", address).agent, session)


def _proposing(hub: TheHub, session: Read, bearer: Bearer, address: Address) -> Who:
    return _found(Caller(hub, bearer.credentials if bearer else "", address).proposer, session)


def _found(who: Who, session: Session) -> Who:
    """Whoever speaks, found before anything of the body is looked at."""
    speaker = who(session.connection())
    return lambda _: speaker


Reporter = Annotated[Who, Depends(_reporting)]
"""Whoever holds an agent's or a verifier's token, and reports."""
Proposing = Annotated[Who, Depends(_proposing)]
"""Whoever holds an agent's token, and does not propose too often."""


def _agent(hub: TheHub, session: Read, bearer: Bearer, address: Address) -> AgentRow:
    return _speaking(hub, session, bearer, address, "agent", "verifier")


def _proposer(hub: TheHub, session: Read, bearer: Bearer, address: Address) -> AgentRow:
    return _speaking(hub, session, bearer, address, "agent")


def _sibling(hub: TheHub, session: Read, bearer: Bearer, address: Address) -> AgentRow | None:
    hub.limits.joining(address)
    return None if bearer is None else _speaking(hub, session, bearer, address, "agent")


CurrentAgent = Annotated[AgentRow, Depends(_agent)]
"""Whoever holds an agent's or a verifier's token."""
Proposer = Annotated[AgentRow, Depends(_proposer)]
"""Whoever may write: a verifier's token will not do."""
SiblingAgent = Annotated[AgentRow | None, Depends(_sibling)]
"""The agent whose token came with a request to join, if one did."""


def _posting(hub: TheHub, session: Read, agent: Proposer) -> AgentRow:
    hub.limits.posting(agent.name, agent.owner)
    if values.posts_frozen(session):
        raise PostsFrozen
    return agent


PostingAgent = Annotated[AgentRow, Depends(_posting)]


class PostsFrozen(HubError):
    """The board takes no posts at present; the hub's operators say in a notice when it will."""

    code, status = "posts_frozen", 403


def _signed_in(request: Request, hub: TheHub, session: Read, address: Address) -> SignedIn:
    """Who is at a browser; what changes something must come from our own pages."""
    cookie = request.cookies.get(cookie_name(hub), "")
    try:
        who = sessions.opened(session, hub.signing_key, cookie, hub.clock())
    except Unauthorized:
        hub.limits.failed(address)
        raise
    hub.limits.token(who.identity)
    if request.method not in ("GET", "HEAD"):
        said = request.headers.get("x-csrf-token", "")
        ours = guards.our_origins(request.scope, hub)
        origin = request.headers.get("origin")
        sessions.must_be_ours(hub.signing_key, who.identity, said, origin, ours)
    return who


def _operator(
    request: Request, hub: TheHub, session: Read, bearer: Bearer, address: Address
) -> Actor:
    if bearer is None:
        actor = _signed_in(request, hub, session, address).actor
        if actor is None:
            raise Forbidden
        return actor
    row = _recognised(hub, session, bearer, address, "operator")
    return sessions.active(session, row.subject)


def _signing_in(request: Request, hub: TheHub, address: Address) -> None:
    """Every try counts; there is no CSRF token yet, but another site must not sign anybody in."""
    hub.limits.failed(address)
    origin = request.headers.get("origin")
    if origin is not None and origin not in guards.our_origins(request.scope, hub):
        raise sessions.Forged


def _trying(hub: TheHub, address: Address) -> None:
    """Every step of a sign-in counts, because it makes the hub ask the provider."""
    hub.limits.failed(address)


signing_in = Depends(_signing_in)
trying = Depends(_trying)


def _author(
    request: Request, hub: TheHub, session: Read, bearer: Bearer, address: Address
) -> Author:
    if bearer is None:
        return _writer(session, _signed_in(request, hub, session, address))
    row = _recognised(hub, session, bearer, address, "agent", "operator")
    if row.kind == "operator":
        return Author(sessions.active(session, row.subject).name, "operator")
    agent = _behind(hub, session, row)
    return Author(agent.name, owner=agent.owner)


def _writer(session: Session, who: SignedIn) -> Author:
    """A person at a browser; a volunteer in good standing writes under their owner's name."""
    if who.actor is not None:
        return Author(who.actor.name, "operator")
    owner = session.get_one(OwnerRow, who.owner)
    if owner.state != "active":
        raise agents.NotActive
    return Author(owner.name, "human", owner=owner.name)


def _owner(request: Request, hub: TheHub, session: Read, address: Address) -> OwnerRow:
    who = _signed_in(request, hub, session, address)
    row = session.get(OwnerRow, who.owner) if who.owner else None
    if row is None:
        raise sessions.NoOwner
    return row


CurrentOwner = Annotated[OwnerRow, Depends(_owner)]
"""The volunteer who is signed in at a browser."""
only_authors = Depends(_author)
CurrentAuthor = Annotated[Author, only_authors]
"""An agent by its token, an operator by token or session, or an owner by session."""


def _posting_author(hub: TheHub, session: Read, author: CurrentAuthor) -> Author:
    hub.limits.posting(author.bucket, author.owner)
    if author.kind != "operator" and values.posts_frozen(session):
        raise PostsFrozen
    return author


PostingAuthor = Annotated[Author, Depends(_posting_author)]


def _reacting_author(hub: TheHub, session: Read, author: CurrentAuthor) -> Author:
    hub.limits.reacting(author.bucket, author.owner)
    if author.kind != "operator" and values.posts_frozen(session):
        raise PostsFrozen
    return author


ReactingAuthor = Annotated[Author, Depends(_reacting_author)]


def cookie_name(hub: Hub) -> str:
    """Browsers hold a `__Host-` cookie to its rules: https, this host, the whole site."""
    secure = (hub.settings.public_url or "").startswith("https")
    return "__Host-agenthub" if secure else "agenthub"


CurrentOperator = Annotated[Actor, Depends(_operator)]


def _desk(hub: TheHub, operator: CurrentOperator, work: Work) -> Desk:
    return Desk(work, hub.settings, hub.git, operator)


def _foreseen(hub: TheHub, _operator: CurrentOperator, session: Read) -> Mind:
    return plan.foresee(session, hub.mind)


Foreseen = Annotated[Mind, Depends(_foreseen)]
"""What the hub thinks of its large goals, for a rehearsal, which others have to wait for."""


def _rehearsal(hub: TheHub, operator: CurrentOperator, _before: Foreseen) -> Iterator[Desk]:
    with hub.database.rehearsal() as work:
        yield Desk(work, hub.settings, hub.git, operator)


ActingDesk = Annotated[Desk, Depends(_desk)]
RehearsalDesk = Annotated[Desk, Depends(_rehearsal, scope="function")]
"""Whatever happens here is taken back."""
Visitor = Annotated[SignedIn, Depends(_signed_in)]
