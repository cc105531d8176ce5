"""Fixtures that every suite shares: real servers, started once per worker and only when asked."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.services import statements
from tests.services.anthropic_server import AnthropicServer, anthropic_server
from tests.services.chromium import find_chromium
from tests.services.postgres import PostgresServer, postgres_server
from tests.services.proxy import FaultProxy
from tests.services.s3 import S3Server, s3_server

statements.share()
# On a busy machine any example may take long; a test that hangs has pytest's own limit.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")


def pytest_collection_finish() -> None:
    """Let the collector look past what is loaded by now: that was a tenth of what tests took."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True)
def _nobodys_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own settings and keys away from the tests."""
    for name in list(os.environ):
        if name.startswith(("AGENTHUB_", "ANTHROPIC_", "AWS_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL server, one per xdist worker."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    url = postgres.fresh_database()
    yield url
    postgres.drop(url)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database: the test runs on SQLite and again on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'hub.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def anthropic_api() -> Iterator[AnthropicServer]:
    """A local Messages API that follows the test's script."""
    with anthropic_server() as server:
        yield server


@pytest.fixture
def proxy_to() -> Iterator[Callable[[int], FaultProxy]]:
    """Start a fault proxy to a local port."""
    running: list[FaultProxy] = []

    def start(port: int) -> FaultProxy:
        proxy = FaultProxy(port)
        proxy.start()
        running.append(proxy)
        return proxy

    yield start
    for proxy in running:
        proxy.stop()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A running S3 server, one per xdist worker."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a real Chromium."""
    return find_chromium()
