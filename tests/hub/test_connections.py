"""SQLite's connections are kept from one transaction to the next, and only while they are fit."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub import connections
from hub.connections import Kept
from hub.errors import Busy


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
