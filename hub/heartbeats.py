"""Heartbeats are kept in memory and written behind, many in one transaction."""

import logging
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from hub.background import Background
from hub.db import Database
from hub.errors import HubError
from hub.hot import Hot
from hub.tables import OrderRow

log = logging.getLogger(__name__)


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
    _beats: dict[UUID, Beat] = field(default_factory=dict)
    _seen: dict[str, datetime] = field(default_factory=dict)
    _used: dict[str, datetime] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

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
        """Write behind."""
        self.flush()
        return self.interval

    def stop(self) -> None:
        """Write what is left and end."""
        super().stop()
        self.take_turn()

    def _write(
        self, beats: dict[UUID, Beat], seen: dict[str, datetime], used: dict[str, datetime]
    ) -> None:
        with self.database.work() as work:
            beaten = ({"lease": lease, **beat._asdict()} for lease, beat in beats.items())
            _RENEW.run_each(work.connection, beaten)
            _SEE.run_each(work.connection, ({"who": name, "at": at} for name, at in seen.items()))
            _USE.run_each(work.connection, ({"which": key, "at": at} for key, at in used.items()))


# An old beat must neither revive a finished lease nor move one that went to somebody else.
_orders, _agents, _tokens = (
    OrderRow.metadata.tables[name] for name in ("orders", "agents", "tokens")
)
_RENEW = Hot(
    sa.update(_orders)
    .where(
        _orders.c.id == sa.bindparam("lease"),
        _orders.c.epoch == sa.bindparam("at_epoch"),
        _orders.c.state == "leased",
    )
    .values({name: sa.bindparam(name) for name in Beat._fields if name != "at_epoch"})
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
