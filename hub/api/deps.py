"""What endpoints ask for, by name: the hub, a unit of work, a reader, and who is speaking."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel import Session

from hub import agents
from hub.core import Hub
from hub.db import Work as UnitOfWork
from hub.errors import Unauthorized
from hub.tables import AgentRow

_bearer = HTTPBearer(auto_error=False, description="A token from `agent_client join`.")


def _hub(request: Request) -> Hub:
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


def _agent(hub: TheHub, session: Read, bearer: Bearer) -> AgentRow:
    if bearer is None:
        raise Unauthorized
    token = bearer.credentials
    agent = agents.speaking(session, token, hub.clock())
    hub.heartbeats.seen(agent.name, token.split("_", 3)[2], hub.clock())
    return agent


CurrentAgent = Annotated[AgentRow, Depends(_agent)]
