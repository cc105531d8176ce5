"""Statements compiled once per worker: each test opens engines anew, whose caches start empty.

SQLAlchemy keeps what it compiled for each engine and each dialect. Here engines of one kind share
both, as the engines of one hub would if it had many; what they compile and run is the same.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

COMPILED: dict[Any, Any] = {}
READY: dict[type[sa.Dialect], sa.Dialect] = {}
"""The first dialect of each kind that has met its database, whose version it now knows."""


def share() -> None:
    """Let every engine made from now on share."""
    registry.register("sqlite", __name__, "SharedSQLite")
    registry.register("postgresql.psycopg", __name__, "SharedPostgreSQL")


class SharedSQLite(SQLiteDialect_pysqlite):
    """SQLite, once an engine has met its file."""

    supports_statement_cache = True

    def initialize(self, connection: sa.Connection) -> None:
        """Look at the database, then share."""
        super().initialize(connection)
        _share(self, connection.engine)


class SharedPostgreSQL(PGDialect_psycopg):
    """PostgreSQL, once an engine has met its server: a worker has only one."""

    supports_statement_cache = True

    def initialize(self, connection: sa.Connection) -> None:
        """Look at the server, then share."""
        super().initialize(connection)  # type: ignore[no-untyped-call]
        _share(self, connection.engine)


def _share(dialect: sa.Dialect, engine: sa.Engine) -> None:
    engine.dialect = READY.setdefault(type(dialect), dialect)
    engine.update_execution_options(compiled_cache=COMPILED)
