"""What columns and indexes of the hub's tables are made of."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """Aware in, aware out; SQLite would hand back naive times."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Store in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Read as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def __repr__(self) -> str:
        return "UtcDateTime()"


def json_column() -> Any:
    """A column of JSON that is always there."""
    return sa.Column(sa.JSON, nullable=False)


def shas_column() -> Any:
    """A column of JSON that starts as an empty list."""
    return sa.Column(sa.JSON, nullable=False, server_default="[]")


def index_marked(mark: str, name: str, *columns: str) -> sa.Index:
    """An index of the few rows that carry a mark."""
    return _index_of_few(name, columns, f"{mark} = 1", mark)


def index_where(condition: str, name: str, *columns: str) -> sa.Index:
    """An index of the few rows of which a condition holds."""
    return _index_of_few(name, columns, condition, condition)


def _index_of_few(name: str, columns: Sequence[str], sqlite: str, postgresql: str) -> sa.Index:
    few: dict[str, Any] = {"sqlite_where": sa.text(sqlite), "postgresql_where": sa.text(postgresql)}
    return sa.Index(name, *columns, **few)
