"""The hub's own fixtures: a real hub on both databases, volunteers, a clock."""

from tests.hub.conftest import (
    clock,
    database_url,
    http,
    hub,
    migrated_postgres,
    migrated_sqlite,
    pg_url,
    sqlite_url,
    tesla,
    volta,
)

__all__ = [
    "clock",
    "database_url",
    "http",
    "hub",
    "migrated_postgres",
    "migrated_sqlite",
    "pg_url",
    "sqlite_url",
    "tesla",
    "volta",
]
