"""F9 from the volunteer's side: a whole client whose clock is wrong and jumps."""

import sys
from pathlib import Path
from random import Random

import pytest

from tests.faults.client_process import eventually
from tests.faults.hub_process import HubProcess
from tests.faults.seeds import every_seed
from tests.faults.watching import Clients, assert_all_is_well, runs_of

pytestmark = pytest.mark.faults
HERE = Path(__file__).parent


@pytest.fixture
def hub(hub: HubProcess) -> HubProcess:
    """A hub whose leases outlive the hiccups of a busy machine, not a clock wrong by hours."""
    hub.settings["AGENTHUB_LEASE_SECONDS"] = "20"
    return hub


@every_seed
def test_f9_a_clock_that_is_wrong_and_jumps_back_costs_no_lease(
    hub: HubProcess, clients: Clients, tmp_path: Path, seed: int
) -> None:
    hours = tmp_path / "hours"
    hours.write_text("2")
    (client,) = clients(1)
    client.program = (
        *(sys.executable, "-m", "tests.faults.skewed_client"),
        *(str(client.folder), str(hours)),
    )
    client.environment = {"PYTHONPATH": str(HERE.parents[1])}
    client.start()
    eventually(lambda: runs_of(hub, client) >= 1)

    hours.write_text(f"{Random(seed).uniform(-3, -1):.3f}")
    before = runs_of(hub, client)
    eventually(lambda: runs_of(hub, client) >= before + 2)

    assert "120 minutes ahead of the hub's" in client.log.read_text()
    assert "a lease is lost" not in (client.folder / "client.log").read_text()
    assert_all_is_well(hub, [client])
