"""Renewals are looked up many at once: ten thousand agents cost the hub two look-ups a second.

Nothing is remembered between two look-ups, so a token revoked or a lease lost by now is refused by
now; see ADR 0023.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session

from hub import admission, tokens, work
from hub.db import Database
from hub.errors import HubError, Unauthorized
from hub.gathering import Gathering
from hub.heartbeats import Beat, Heartbeats
from hub.limits import Limits
from hub.live import Live
from hub.settings import Settings
from hub.tables import AgentRow, ExperimentRow, OrderRow, OwnerRow, TokenRow
from hub.work import Held, Terms
from protocol.base import Time
from protocol.work import Progress, Renewal


@dataclass(frozen=True)
class Ask:
    """Somebody with a token, at an address, speaks of a lease."""

    token: str
    address: str
    lease: UUID


class Agent(NamedTuple):
    """Who a token speaks for, and what its owner wishes of it."""

    name: str
    wish: str
    owner: str
    per_minute: int | None


class _Token(NamedTuple):
    """What is kept of a token."""

    id: str
    kind: str
    digest: str
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class Found:
    """Who that was, and what is true of the lease and of goals at this moment."""

    by: Agent
    order: Held | None
    terms: Mapping[str, Terms]
    now: Time

    def held(self, epoch: int) -> Held:
        """The order, if it is held at this epoch; raises as `work.held`."""
        return work.held(self.order, self.by.name, epoch)


class Renewals:
    """Keeps leases alive."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        limits: Limits,
        heartbeats: Heartbeats,
        live: Live,
    ) -> None:
        self.database = database
        self.settings = settings
        self.limits = limits
        self.heartbeats = heartbeats
        self.live = live
        # At 333 renewals a second, a hundred and sixty-seven share a look-up.
        self._gathering = Gathering(self.look_up, settings.gather_seconds)

    async def find(self, ask: Ask) -> Found:
        """Who asks and what they hold, looked up with everybody who asks at this moment.

        Raises:
            Unauthorized, Forbidden, TooMany: as for every other request.
        """
        return await self._gathering.ask(ask)

    def renew(self, found: Found, said: Progress) -> Renewal:
        """Keep a lease alive and tell everybody how far its run is.

        Raises:
            StaleLease, NotYours: it is not this agent's at this epoch, or no more.
        """
        order = found.held(said.epoch)
        renewal = work.renew(order, found.terms[order.goal], found.by.wish, found.now)
        what = (said.epoch, said.phase, said.fraction, said.step, said.loss)
        self.heartbeats.beat(order.id, Beat(renewal.deadline, found.now, *what))
        if self.live.sockets:
            about = {"lease": str(order.id), "goal": order.goal, "experiment": order.experiment}
            told = said.model_dump(mode="json")
            self.live.whisper({"progress": {**about, "agent": found.by.name, **told}})
        return renewal

    def look_up(self, asks: Sequence[Ask]) -> list[Found | Exception]:
        """What is true for each of them: three queries for all."""
        now = self.database.clock()
        with self.database.read() as session:
            tokens_of = _tokens(session, asks)
            orders = _held(session, asks)
            goals = {order.goal for order in orders.values()}
            terms = work.terms(session, self.settings, goals)

        def found(ask: Ask) -> Found | Exception:
            try:
                by = self._admitted(tokens_of.get(_identity(ask)), ask, now)
            except HubError as refused:
                return refused
            return Found(by, orders.get(ask.lease), terms, now)

        return [found(ask) for ask in asks]

    def _admitted(self, known: tuple[_Token, Agent | None] | None, ask: Ask, now: Time) -> Agent:
        row, agent = known or (None, None)
        token = admission.admit(self.limits, row, ask.token, ask.address, now, "agent", "verifier")
        if agent is None:
            raise Unauthorized
        self.limits.owner(agent.owner, agent.per_minute)
        self.heartbeats.seen(agent.name, token.id, now)
        return agent


def _identity(ask: Ask) -> str:
    return tokens.parse(ask.token, *tokens.KINDS)


# Built once: building a statement costs as much as running it.
_kept, _agents, _owners, _orders, _made = (
    sa.inspect(each).local_table.c
    for each in (TokenRow, AgentRow, OwnerRow, OrderRow, ExperimentRow)
)
_TOKENS = (
    sa.select(*(_kept[name] for name in _Token._fields))
    .add_columns(_agents.name, _agents.wish, _agents.owner, _owners.per_minute)
    .select_from(TokenRow)
    .outerjoin(AgentRow, _agents.name == _kept.subject)
    .outerjoin(OwnerRow, _owners.name == _agents.owner)
    .where(_kept.id.in_(sa.bindparam("tokens", expanding=True)))
)
_HELD = (
    sa.select(*(_orders[name] for name in Held._fields if name != "hidden"), _made.hidden)
    .select_from(OrderRow)
    .outerjoin(ExperimentRow, _made.sha == _orders.experiment)
    .where(_orders.id.in_(sa.bindparam("leases", expanding=True)))
)


def _tokens(session: Session, asks: Sequence[Ask]) -> dict[str, tuple[_Token, Agent | None]]:
    found = session.execute(_TOKENS, {"tokens": list({_identity(ask) for ask in asks})})
    width = len(_Token._fields)
    pairs = ((_Token._make(row[:width]), Agent._make(row[width:])) for row in found)
    return {token.id: (token, agent if agent.name else None) for token, agent in pairs}


def _held(session: Session, asks: Sequence[Ask]) -> dict[UUID, Held]:
    found = session.execute(_HELD, {"leases": list({ask.lease for ask in asks})})
    return {row.id: Held._make(row) for row in found}
