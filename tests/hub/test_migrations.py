"""One migration history serves both databases."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.migration import MigrationContext
from fastapi.testclient import TestClient
from sqlmodel import SQLModel, select
from typer.testing import CliRunner

from hub import check, db, search
from hub.agents import looks_like
from hub.app import create_app
from hub.cli.root import app
from hub.clock import utc_now
from hub.core import Hub, open_hub
from hub.db import Database
from hub.schema import (
    NewerSchema,
    OlderServes,
    alembic_config,
    let_rebuild,
    migrate,
    revision,
)
from hub.served import serving
from hub.tables import OwnerRow
from tests.builders import Clock
from tests.hub.volunteer import Volunteer


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


def test_of_hubs_that_open_at_once_one_migrates_and_the_others_wait(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "LOCK_TIMEOUT", 100)  # a migration may take longer than any request
    first, second = a_database(empty_database_url), a_database(empty_database_url)

    with ThreadPoolExecutor(1) as pool:
        with first.work() as work:
            waiting = pool.submit(migrate, second)
            time.sleep(0.3)  # until it waits
            command.upgrade(alembic_config(work.connection), "head")
        before, head = waiting.result()

    assert (before, revision(first)) == (head, head)
    first.dispose()
    second.dispose()


def test_a_hub_of_the_first_schema_is_brought_up_to_date_with_all_that_it_holds(
    hub: Hub, database_url: str, clock: Clock
) -> None:
    with TestClient(create_app(hub)) as http:
        made = Volunteer.joined(http, "tesla", "nikola").explore(0.2, 0.8).experiment
        Volunteer.joined(http, "volta", "ada").explore(0.3, 0.7)
        assert hub.blob_writer.turn()  # the first schema had no place for what is on its way
    old = a_database(database_url)
    with old.writer.connect() as connection:
        let_rebuild(connection)
        command.downgrade(alembic_config(connection), "0001")
        connection.commit()
    old.dispose()

    again = open_hub(hub.settings, clock)

    with again.database.read() as session:
        owners = session.exec(select(OwnerRow)).all()
        found = search.search(session, "learning", clock()).experiments
    report = check.check(again)
    assert {each.name: each.look for each in owners} == {"ada": "ada", "nikola": "nlkola"}
    assert looks_like("nikola") == "nlkola"
    assert (made in {each.sha for each in found}, report.experiments, report.findings) == (
        True,
        3,
        [],
    )
    again.database.dispose()


def test_a_migration_may_drop_what_others_refer_to(tmp_path: Path) -> None:
    database = a_database(f"sqlite:///{tmp_path / 'hub.sqlite3'}")

    with database.writer.connect() as connection:
        let_rebuild(connection)
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 0

    database.dispose()


def test_a_command_does_not_migrate_under_an_older_hub_that_serves(tmp_path: Path) -> None:
    data = tmp_path / "hub"
    data.mkdir()
    database = a_database(f"sqlite:///{data / 'hub.sqlite3'}")
    with database.writer.connect() as connection:
        command.upgrade(alembic_config(connection), "0075")
        connection.commit()

    with serving(data, "http://127.0.0.1:8000"):
        refused = CliRunner().invoke(app, ["check", "--data", str(data)])
        found = revision(database)
    later = CliRunner().invoke(app, ["check", "--data", str(data)])

    assert (type(refused.exception), found) == (OlderServes, "0075")
    assert (later.exit_code, revision(database) == "0075") == (0, False)
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
