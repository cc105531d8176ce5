"""Everything in one database copied into another, of either kind, from one moment in time."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlmodel import SQLModel

from hub.db import Database
from hub.errors import HubError
from hub.schema import migrate
from hub.tables import AgentRow, EventRow, GoalRow, OwnerRow

ROWS = 1000


class NotEmpty(HubError):
    """That database holds a hub already; copy into an empty one."""

    code, status = "not_empty", 409


class CopyIncomplete(HubError):
    """Rows are missing from the copy; nothing was kept, try again."""

    code, status = "copy_incomplete", 500


class RowRefused(HubError):
    """The other database cannot hold this; nothing was kept."""

    code, status = "row_refused", 422


def copy(source: Database, target: Database) -> dict[str, int]:
    """Copy every row; returns how many per table.

    The source is read in one snapshot and may be written meanwhile: what comes later stays behind.

    Raises:
        NotEmpty: the target holds rows already.
    """
    migrate(target)
    counts: dict[str, int] = {}
    with snapshot(source) as reading, target.writer.begin() as writing:
        if holds_rows(writing):
            raise NotEmpty
        _clear(writing)
        for table in SQLModel.metadata.sorted_tables:
            counts[table.name] = _copy_table(reading, writing, table)
        _move_sequences(writing)
        _compare(reading, writing, counts)
    return counts


@contextmanager
def snapshot(source: Database) -> Iterator[sa.Connection]:
    """A connection that sees one moment and keeps nobody from writing."""
    with source.reader.connect() as connection:
        if not source.is_sqlite:
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def holds_rows(connection: sa.Connection) -> bool:
    """Whether a hub began to work here."""
    return any(
        connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()
        for table in (GoalRow, OwnerRow, AgentRow, EventRow)
    )


def _clear(writing: sa.Connection) -> None:
    """An opened hub holds a few rows of its own, such as its signing key; those are replaced."""
    for each in reversed(SQLModel.metadata.sorted_tables):
        writing.execute(sa.delete(each))


def _copy_table(reading: sa.Connection, writing: sa.Connection, table: sa.Table) -> int:
    count = 0
    # Oldest first, as they came: SQLite's full text knows the newest by where it is.
    age = [column for column in table.c if column.name == "created_at"]
    query = sa.select(table).order_by(*age, *table.primary_key)
    found = reading.execute(query, execution_options={"yield_per": ROWS})
    for part in found.mappings().partitions(ROWS):
        try:
            writing.execute(sa.insert(table), [dict(row) for row in part])
        except sa.exc.DataError as error:
            cause = str(error.orig).partition("\n")[0]
            raise RowRefused(f"{table.name}: {cause}. {RowRefused.sentence()}") from error
        count += len(part)
    return count


def _move_sequences(writing: sa.Connection) -> None:
    """PostgreSQL numbers new rows from a sequence, which copied rows do not move."""
    if writing.dialect.name != "postgresql":
        return
    for table in SQLModel.metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None or column.autoincrement is False:
            continue
        newest = sa.select(sa.func.max(column)).scalar_subquery()
        name = sa.func.pg_get_serial_sequence(table.name, column.name)
        writing.execute(sa.select(sa.func.setval(name, sa.func.coalesce(newest, 1), newest > 0)))


def _compare(reading: sa.Connection, writing: sa.Connection, counts: dict[str, int]) -> None:
    for table in SQLModel.metadata.sorted_tables:
        count = sa.select(sa.func.count()).select_from(table)
        there, here = writing.execute(count).scalar(), reading.execute(count).scalar()
        if not there == here == counts[table.name]:
            raise CopyIncomplete(f"{table.name}: {here} rows, but {there} in the copy.")
