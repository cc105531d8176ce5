"""Lists that operators read: owners with what they did, notices, and how the hub is."""

import shutil
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import values
from hub.agents import ONLINE, under_way
from hub.settings import VERSION, Settings
from hub.tables import AgentRow, EventRow, ExperimentRow, NoticeRow, OrderRow, OwnerRow, RunRow
from protocol.operators import Health, NoticeInfo, OwnerInfo


def owners(session: Session, after: str = "", limit: int = 200) -> list[OwnerInfo]:
    """Owners by name with their agents, runs and experiments counted."""
    query = select(OwnerRow).where(col(OwnerRow.name) > after).order_by(col(OwnerRow.name))
    rows = session.exec(query.limit(limit)).all()
    names = [row.name for row in rows]
    agents = _tally(session, col(AgentRow.owner), names)
    runs = _tally(session, col(RunRow.owner), names)
    made = _tally(session, col(ExperimentRow.owner), names)
    return [
        OwnerInfo(
            **row.model_dump(),
            agents=agents.get(row.name, 0),
            runs=runs.get(row.name, 0),
            experiments=made.get(row.name, 0),
        )
        for row in rows
    ]


def _tally(session: Session, column: Any, names: list[str]) -> Mapping[str, int]:
    query = sa.select(column, sa.func.count()).where(column.in_(names)).group_by(column)
    return {str(name): count for name, count in session.execute(query)}


def notices(session: Session) -> list[NoticeInfo]:
    """Every notice, the newest first."""
    rows = session.exec(select(NoticeRow).order_by(col(NoticeRow.id).desc()).limit(500)).all()
    return [NoticeInfo.model_validate(row.model_dump()) for row in rows]


def health(session: Session, settings: Settings, now: datetime) -> Health:
    """How the hub is."""
    states, clients = _orders(session), _clients(session, now)
    return Health(
        version=VERSION,
        schema_revision=session.execute(sa.text("select version_num from alembic_version")).scalar()
        or "",
        database_bytes=_database_bytes(session, settings),
        disk_free_bytes=shutil.disk_usage(settings.data).free,
        events=session.execute(sa.select(sa.func.max(col(EventRow.seq)))).scalar() or 0,
        open_orders=states.get("open", 0),
        oldest_order_seconds=_oldest(session, now),
        leases=_leases(session, now),
        parked=states.get("parked", 0),
        agents_online=sum(clients.values()),
        clients=clients,
        registration=values.registration(session, settings),
        posts_frozen=values.posts_frozen(session),
    )


def _orders(session: Session) -> dict[str, int]:
    query = sa.select(col(OrderRow.state), sa.func.count()).group_by(col(OrderRow.state))
    return {str(state): count for state, count in session.execute(query)}


def _leases(session: Session, now: datetime) -> int:
    query = sa.select(sa.func.count()).select_from(OrderRow).where(*under_way(now))
    return int(session.execute(query).scalar_one())


def _oldest(session: Session, now: datetime) -> float:
    query = sa.select(sa.func.min(col(OrderRow.created_at))).where(col(OrderRow.state) == "open")
    oldest = session.execute(query).scalar()
    return (now - oldest).total_seconds() if oldest else 0.0


def _clients(session: Session, now: datetime) -> dict[str, int]:
    """Versions of the clients that spoke lately."""
    version = col(AgentRow.client_version)
    query = sa.select(version, sa.func.count()).where(col(AgentRow.last_seen_at) > now - ONLINE)
    rows = session.execute(query.group_by(version))
    return {str(client): count for client, count in rows}


def _database_bytes(session: Session, settings: Settings) -> int:
    if session.get_bind().dialect.name == "postgresql":
        query = sa.text("select pg_database_size(current_database())")
        return int(session.execute(query).scalar_one())
    files = settings.data.glob("hub.sqlite3*")
    return sum(path.stat().st_size for path in files)
