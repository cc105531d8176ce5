"""What owners see of their own: their agents, those agents' tokens, and why one is idle."""

from protocol.agents import Agent
from protocol.base import Time, Wire


class SignInCode(Wire):
    """Signs an owner in once, at `/signin#code=...` of the hub's pages."""

    code: str
    expires_at: Time


class OwnToken(Wire):
    """A token of an agent, without the token: the hub keeps only its hash."""

    id: str
    kind: str
    created_at: Time
    last_used_at: Time | None = None
    expires_at: Time | None = None


class OwnAgent(Wire):
    """One of an owner's agents; `idle` says why it has no work, and is empty while it has."""

    agent: Agent
    idle: str = ""
    tokens: list[OwnToken]


class Mine(Wire):
    """An owner, and all that is theirs."""

    owner: str
    state: str
    trust: int
    credit: float
    created_at: Time
    agents: list[OwnAgent]


class Minted(Wire):
    """A fresh token, shown this once."""

    agent: str
    token: str
