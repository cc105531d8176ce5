"""Connections are kept from one transaction to the next, and only while they are fit."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from hub import connections
from hub.app import create_app
from hub.clock import utc_now
from hub.connections import Kept
from hub.core import open_hub
from hub.db import Database
from hub.errors import Busy, Damaged, HubError, StorageFull
from hub.settings import Settings
from tests.builders import a_join
from tests.services.postgres import PostgresServer


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    """A file with an empty table."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/some.sqlite3", pool_size=1, max_overflow=0)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (text TEXT)")
    yield engine
    engine.dispose()


def notes(kept: Kept) -> list[str]:
    with kept.begun() as connection:
        return list(connection.scalars(sa.text("SELECT text FROM notes")))


def write(connection: sa.Connection, text: str) -> None:
    connection.execute(sa.text("INSERT INTO notes VALUES (:text)"), {"text": text})


def test_what_was_not_committed_is_not_there_for_the_next(engine: sa.Engine) -> None:
    kept = Kept(engine, at_most=1)

    with kept.begun() as connection:
        write(connection, "kept")
        connection.commit()
    with kept.begun() as again:
        write(again, "lost")
    with pytest.raises(KeyError), kept.begun() as failing:
        write(failing, dict[str, str]()["lost too"])

    assert connection is again is failing
    assert notes(kept) == ["kept"]


def test_a_connection_that_was_given_up_is_replaced(engine: sa.Engine) -> None:
    kept = Kept(engine, at_most=1)

    with kept.begun() as connection:
        write(connection, "lost")
        connection.invalidate()

    assert notes(kept) == []
    assert connection.closed


def test_a_thread_waits_for_another_and_not_for_ever(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WAIT_SECONDS", 0.01)
    kept = Kept(engine, at_most=1)

    with kept.begun(), pytest.raises(Busy), kept.begun():
        pass

    assert notes(kept) == []


def test_a_database_that_cannot_be_opened_costs_no_place(tmp_path: Path) -> None:
    kept = Kept(sa.create_engine(f"sqlite:///{tmp_path}/none/some.sqlite3"), at_most=1)

    for _ in range(2):
        with pytest.raises(sa.exc.OperationalError), kept.begun():
            pass


def test_no_trouble_on_the_way_back_costs_a_place(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WAIT_SECONDS", 0.01)
    kept = Kept(engine, at_most=1)

    with pytest.raises(MemoryError), kept.begun() as connection:
        monkeypatch.setattr(connection, "rollback", _no_memory)

    connection.invalidate()
    connection.close()
    assert notes(kept) == []


def _no_memory() -> None:
    raise MemoryError


def test_at_the_end_every_idle_one_is_closed(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/some.sqlite3", pool_size=3)
    kept = Kept(engine, at_most=3)
    with ExitStack() as stack:
        every = [stack.enter_context(kept.begun()) for _ in range(3)]

    kept.close()

    assert [each.closed for each in every] == [True, True, True]


def test_after_the_end_each_is_closed_when_it_comes_back(engine: sa.Engine) -> None:
    kept = Kept(engine, at_most=2)

    with kept.begun() as connection:
        kept.close()
        write(connection, "written")
        connection.commit()

    assert connection.closed
    assert notes(kept) == ["written"]


@pytest.mark.postgres
def test_a_server_that_became_a_standby_is_left_for_the_one_that_takes_writes(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    hub = open_hub(Settings(data=tmp_path / "hub", database_url=postgres_url))
    joins = [a_join(name).model_dump(mode="json") for name in ("volta", "tesla")]
    with TestClient(create_app(hub)) as http:
        postgres.let_write(postgres_url, False)
        postgres.cut()

        refused = http.post("/v1/agents", json=joins[0])
        ready = http.get("/readyz")
        postgres.let_write(postgres_url, True)
        joined = [http.post("/v1/agents", json=each).status_code for each in joins]

    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert (ready.status_code, "read-only" in ready.json()["detail"]) == (503, True)
    assert joined[1] == 201  # the first may hear of the standby


@pytest.mark.postgres
def test_a_server_that_vanishes_with_its_machine_is_given_up_before_a_client_gives_us_up(
    postgres_url: str,
) -> None:
    ours = Database(postgres_url, utc_now, pool=1)
    told = Database(f"{postgres_url}?tcp_user_timeout=90000", utc_now, pool=1)

    assert [_seconds_unheard(each) for each in (ours, told)] == [(15, 20), (90, 20)]
    ours.dispose()
    told.dispose()


def _seconds_unheard(database: Database) -> tuple[float, float]:
    """How long the kernel waits for what was sent to arrive, and for any sign of life at all."""
    with database.writer.connect() as connection:
        raw: Any = connection.connection.driver_connection
        with socket.socket(fileno=os.dup(raw.fileno())) as wire:
            unheard, idle, pause, tries = (
                wire.getsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_{name}"))
                for name in ("USER_TIMEOUT", "KEEPIDLE", "KEEPINTVL", "KEEPCNT")
            )
    return unheard / 1000, idle + pause * tries


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("said", "refusal"),
    [("disk_full", StorageFull), ("data_corrupted", Damaged), ("index_corrupted", Damaged)],
)
def test_what_postgres_says_of_its_disk_is_understood_in_every_language(
    postgres_url: str, said: str, refusal: type[HubError]
) -> None:
    database = Database(postgres_url, utc_now, pool=1)
    raising = f"do $$ begin raise 'Kein Platz' using errcode = '{said}'; end $$"

    with pytest.raises(refusal), database.reading() as connection:
        connection.exec_driver_sql(raising)

    database.dispose()
