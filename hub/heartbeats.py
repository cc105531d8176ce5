"""Heartbeats are kept in memory and written behind, many in one transaction."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from hub.background import Background
from hub.db import Database, Work
from hub.errors import HubError
from hub.hot import Hot
from hub.tables import OrderRow

log = logging.getLogger(__name__)
PATIENCE = 45.0
"""Seconds within which every client renews that can: each tries again after at most 36."""
LEAST = 5.0
"""A turn may be late by so much on a busy machine; that is no standstill, however short leases."""


def patience(lease_seconds: float) -> float:
    """How long a hub may hear nobody before their silence means nothing; leases can be short."""
    return max(LEAST, min(PATIENCE, lease_seconds / 2))


class Beat(NamedTuple):
    """One renewal that is not in the database yet."""

    deadline: datetime
    renewed_at: datetime
    at_epoch: int
    phase: str
    fraction: float
    step: int
    loss: float | None


@dataclass
class Heartbeats(Background):
    """Collects renewals and last-seen times; `flush` writes them, every second or so."""

    database: Database
    interval: float = 1.0
    patience: float = PATIENCE
    seconds: Callable[[], float] = time.monotonic
    _beats: dict[UUID, Beat] = field(default_factory=dict)
    _seen: dict[str, datetime] = field(default_factory=dict)
    _used: dict[str, datetime] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _heard_at: float | None = None

    def beat(self, lease: UUID, beat: Beat) -> None:
        """Remember a renewal."""
        with self._lock:
            self._beats[lease] = beat

    def seen(self, agent: str, token: str, now: datetime) -> None:
        """Remember that an agent spoke, and with which token."""
        with self._lock:
            self._seen[agent] = now
            self._used[token] = now

    @property
    def waiting(self) -> int:
        """Renewals that are not written yet."""
        return len(self._beats)

    @property
    def deaf(self) -> bool:
        """Whether renewals went unheard: the process stood still, or its database was away."""
        return self._heard_at is not None and self.seconds() - self._heard_at > self.patience

    def hear_out(self, work: Work) -> None:
        """Let whoever holds a lease speak before their silence counts: they could not be heard."""
        until = work.now + timedelta(seconds=self.patience)
        _WAIT_FOR.run(work.connection, until=until)

    def flush(self) -> None:
        """Write everything collected in one transaction; on trouble it waits for the next turn."""
        with self._lock:
            beats, self._beats = self._beats, {}
            seen, self._seen = self._seen, {}
            used, self._used = self._used, {}
        if not (beats or seen or used):
            return
        try:
            self._write(beats, seen, used)
        except HubError as error:
            log.warning("heartbeats.kept", extra={"reason": error.code, "beats": len(beats)})
            with self._lock:
                self._beats = {**beats, **self._beats}
                self._seen = {**seen, **self._seen}
                self._used = {**used, **self._used}

    def once(self) -> float:
        """Write behind, and notice for how long nobody was heard."""
        try:
            with self.database.reading() as connection:
                _ANSWERS.value(connection)
            heard_at = self.seconds()
            if self.deaf:
                log.warning("leases.heard_out", extra={"seconds": self.patience})
                self.database.apply(self.hear_out)
        except HubError as error:
            log.warning("heartbeats.deaf", extra={"reason": error.code})
            return self.interval
        self._heard_at = heard_at  # to write may take long as well; the next turn sees it
        self.flush()
        return self.interval

    def stop(self) -> None:
        """Write what is left and end."""
        super().stop()
        self.take_turn()
        self._heard_at = None  # from here on nobody takes turns

    def _write(
        self, beats: dict[UUID, Beat], seen: dict[str, datetime], used: dict[str, datetime]
    ) -> None:
        with self.database.work() as work:
            beaten = ({"lease": lease, **beat._asdict()} for lease, beat in beats.items())
            _RENEW.run_each(work.connection, beaten)
            _SEE.run_each(work.connection, ({"who": name, "at": at} for name, at in seen.items()))
            _USE.run_each(work.connection, ({"which": key, "at": at} for key, at in used.items()))


# An old beat must neither revive a finished lease nor move one that went to somebody else, and it
# takes no time from one that was given more since.
_orders, _agents, _tokens = (
    OrderRow.metadata.tables[name] for name in ("orders", "agents", "tokens")
)
_deadline = sa.bindparam("deadline", type_=_orders.c.deadline.type)
_RENEW = Hot(
    sa.update(_orders)
    .where(
        _orders.c.id == sa.bindparam("lease"),
        _orders.c.epoch == sa.bindparam("at_epoch"),
        _orders.c.state == "leased",
    )
    .values(
        {name: sa.bindparam(name) for name in Beat._fields if name not in ("at_epoch", "deadline")}
    )
    .values(deadline=sa.case((_orders.c.deadline > _deadline, _orders.c.deadline), else_=_deadline))
)
_SEE = Hot(
    sa.update(_agents)
    .where(_agents.c.name == sa.bindparam("who"))
    .values(last_seen_at=sa.bindparam("at"))
)
_USE = Hot(
    sa.update(_tokens)
    .where(_tokens.c.id == sa.bindparam("which"))
    .values(last_used_at=sa.bindparam("at"))
)
_ANSWERS = Hot(sa.select(sa.literal(1)))
_until = sa.bindparam("until", type_=_orders.c.deadline.type)
_WAIT_FOR = Hot(
    sa.update(_orders)
    .where(_orders.c.state == "leased", _orders.c.deadline < _until)
    .values(deadline=_until)
)
