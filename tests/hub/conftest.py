"""A real hub on a real SQLite file, with a clock that tests move."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hub import goals
from hub.app import create_app
from hub.core import Hub, open_hub
from hub.settings import Settings
from tests.builders import FILES, Clock, a_spec
from tests.hub.volunteer import Volunteer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(tmp_path: Path, clock: Clock) -> Iterator[Hub]:
    """A hub with one open goal, `toy`."""
    hub = open_hub(Settings(data=tmp_path / "hub"), clock)
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
