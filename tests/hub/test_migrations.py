"""One migration history serves both databases."""

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

from hub.clock import utc_now
from hub.db import Database
from hub.schema import NewerSchema, alembic_config, migrate


def a_database(url: str) -> Database:
    return Database(url, utc_now, pool=2)


def test_the_schema_goes_up_without_drift_and_down_again(empty_database_url: str) -> None:
    database = a_database(empty_database_url)
    migrate(database)

    with database.writer.connect() as connection:
        command.check(alembic_config(connection))
        command.downgrade(alembic_config(connection), "base")
        connection.commit()

    left = set(sa.inspect(database.writer).get_table_names()) - {"alembic_version"}
    assert left & set(SQLModel.metadata.tables) == set()
    database.dispose()


def test_migrating_twice_is_migrating_once(empty_database_url: str) -> None:
    database = a_database(empty_database_url)
    before, head = migrate(database)

    assert (before, migrate(database)) == (None, (head, head))
    database.dispose()


def test_a_newer_schema_is_refused_and_left_alone(empty_database_url: str) -> None:
    database = a_database(empty_database_url)
    migrate(database)
    with database.writer.begin() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))

    with pytest.raises(NewerSchema):
        migrate(database)

    with database.writer.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    assert found == "9999"
    database.dispose()
