"""PostgreSQL for the tests is a real one."""

import pytest
from sqlalchemy import create_engine, text

from tests.services.postgres import PostgresServer


@pytest.mark.postgres
def test_two_databases_know_nothing_of_each_other(postgres: PostgresServer) -> None:
    first, second = (create_engine(postgres.fresh_database()) for _ in range(2))

    with first.begin() as connection:
        connection.execute(text("CREATE TABLE notes (words text)"))

    with second.connect() as connection:
        found = connection.execute(text("SELECT to_regclass('notes')")).scalar()
    assert found is None
    first.dispose()
    second.dispose()


def test_a_test_that_takes_a_database_runs_on_both(empty_database_url: str) -> None:
    engine = create_engine(empty_database_url)

    with engine.connect() as connection:
        answer = connection.execute(text("SELECT 1")).scalar()

    assert answer == 1
    engine.dispose()
