"""Engines for the two databases: what each connection is told as it is opened."""

import json
from typing import Any

import orjson
import sqlalchemy as sa

from hub import hot

READ_ONLY = "25006"
"""What PostgreSQL calls a write to a server that takes none, such as a standby."""
FULL = "53100"
DAMAGED = {"XX001", "XX002"}
"""And a full disk, and rows or an index that cannot be read; its words differ by language."""
PATIENCE = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""A server that vanished with its machine is given up in 20 s (the last is in milliseconds).

The kernel alone would have a request wait a quarter of an hour, and whoever listens two hours.
"""


def postgres(url: str, pool: int) -> sa.Engine:
    """Connections to a server; what its address says of patience holds before ours."""
    address = sa.make_url(_psycopg(url))
    engine = sa.create_engine(
        address.update_query_dict({**PATIENCE, **address.query}),
        pool_size=pool,
        max_overflow=0,
        pool_timeout=20,
        pool_pre_ping=True,
        json_serializer=_json,
    )
    _give_up_standbys(engine.dialect)
    return engine


def sqlite(url: str, pool: int, immediate: bool) -> sa.Engine:
    """Connections to a file: those of its writer begin with its lock, readers' without."""
    engine = sa.create_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=20,
        json_serializer=_json,
        connect_args={"check_same_thread": False, "timeout": 10, "isolation_level": None},
    )

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # an acknowledged result survives a power cut
            "foreign_keys=ON",
            "cache_size=-65536",
            "mmap_size=268435456",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        hot.say(connection, "BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _give_up_standbys(dialect: Any) -> None:
    """Let a connection be lost once its server takes no writes: after a failover it leads there."""
    cut = dialect.is_disconnect
    dialect.is_disconnect = lambda error, *where: (
        getattr(error, "sqlstate", None) == READ_ONLY or cut(error, *where)
    )


def _json(value: Any) -> str:
    """JSON for a column; Python's own takes what orjson refuses, such as huge numbers."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value)


def _psycopg(url: str) -> str:
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url
