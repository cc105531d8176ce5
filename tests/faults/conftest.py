"""A hub that is killed and started again, on data of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.client_process import ClientProcess
from tests.faults.hub_process import HubProcess, a_data_folder_with_the_toy, copied
from tests.faults.watching import LEASE, Clients


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub's data folder with the toy, made once per worker."""
    return a_data_folder_with_the_toy(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def _standing(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    hub = HubProcess(copied(template, tmp_path_factory.mktemp("standing")))
    yield hub
    hub.kill()


@pytest.fixture
def standing_hub(_standing: HubProcess) -> HubProcess:
    """A running hub whose data outlives the test: starting one costs more than most scenarios."""
    if not _standing.running:
        _standing.start()
    return _standing


@pytest.fixture
def hub(template: Path, tmp_path: Path) -> Iterator[HubProcess]:
    """A hub process that has not been started; whatever is left of it is killed."""
    hub = HubProcess(copied(template, tmp_path))
    yield hub
    hub.kill()


@pytest.fixture
def clients(hub: HubProcess, tmp_path: Path) -> Iterator[Clients]:
    """Real clients that have joined the hub, which is started with short leases."""
    hub.settings.setdefault("AGENTHUB_LEASE_SECONDS", str(LEASE))
    hub.start()
    made: list[ClientProcess] = []

    def make(count: int, home: Path = tmp_path) -> list[ClientProcess]:
        for number in range(count):
            folder = home / f"client{number}"
            client = ClientProcess(folder, hub.url, f"agent{number}", f"owner{number}")
            made.append(client.join())
        return made

    yield make
    for client in made:
        client.kill()
