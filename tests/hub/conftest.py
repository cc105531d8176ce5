"""A real hub on SQLite and again on PostgreSQL, with a clock that tests move."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hub import goals, search_index
from hub.app import create_app
from hub.clock import utc_now
from hub.core import Hub, open_hub
from hub.db import Database
from hub.schema import migrate
from hub.settings import Settings
from tests.builders import FILES, Clock, a_spec
from tests.hub.volunteer import Volunteer
from tests.services.postgres import PostgresServer


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite file as an opened hub leaves it, to copy: migrating is slower."""
    path = tmp_path_factory.mktemp("template") / "hub.sqlite3"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresServer) -> str:
    """The name of an empty PostgreSQL database as an opened hub leaves it, to copy."""
    url = postgres.fresh_database()
    _migrate(url)
    return url.rpartition("/")[2]


def _migrate(url: str) -> None:
    database = Database(url, utc_now, pool=1)
    migrate(database)
    search_index.install(database)
    database.dispose()


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A fresh SQLite database with the schema."""
    (tmp_path / "hub").mkdir()
    shutil.copyfile(migrated_sqlite, tmp_path / "hub" / "hub.sqlite3")
    return f"sqlite:///{tmp_path / 'hub' / 'hub.sqlite3'}"


@pytest.fixture
def pg_url(postgres: PostgresServer, migrated_postgres: str) -> Iterator[str]:
    """A fresh PostgreSQL database with the schema."""
    url = postgres.fresh_database(template=migrated_postgres)
    yield url
    postgres.drop(url)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database with the schema: whatever takes it runs on SQLite and again on PostgreSQL."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "pg_url")
    return url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(tmp_path: Path, clock: Clock, database_url: str) -> Iterator[Hub]:
    """A hub with one open goal, `toy`."""
    settings = Settings(data=tmp_path / "hub", database_url=database_url, gather_seconds=0)
    hub = open_hub(settings, clock)
    with hub.database.work() as work:
        goals.open_goal(work, hub.git, a_spec(), FILES)
    yield hub
    hub.database.dispose()


@pytest.fixture
def http(hub: Hub) -> Iterator[TestClient]:
    """The hub over HTTP; a bug in it fails the test."""
    with TestClient(create_app(hub)) as client:
        yield client


@pytest.fixture
def volta(http: TestClient) -> Volunteer:
    """An agent of ada's that has joined."""
    return Volunteer.joined(http, "volta", "ada")


@pytest.fixture
def tesla(http: TestClient) -> Volunteer:
    """An agent of nikola's that has joined."""
    return Volunteer.joined(http, "tesla", "nikola")
