"""Several workers under one folder, as `--gpus all` makes them."""

from pathlib import Path

from agent_client import fleet, settings
from agent_client.joining import Wish
from agent_client.sandbox import choose
from protocol.experiments import Operator, Status
from tests.agent_client.conftest import Volunteer
from tests.agent_client.hub_process import HubProcess


def test_a_fleet_joins_as_one_owner_and_works_side_by_side(hub: HubProcess, tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    made = fleet.join(folder, Wish(hub.url, name="ada", owner="lovelace"), choose(), print, 2)

    done = Volunteer(folder, hub).do("run", "--mutator", "offline", "--max-experiments", "1")

    assert [each.settings.agent for each in made] == ["ada-0", "ada-1"]
    assert {each.settings.owner for each in made} == {"lovelace"}
    limits = [settings.load(each).limits for each in fleet.workers(folder)]
    assert [each.dollars_per_day for each in limits] == [2.5, 2.5]
    assert done.returncode == 0, done.stdout + done.stderr
    found = Volunteer(folder / "gpu0", hub).experiments()
    own = [each for each in found if each.operator is not Operator.BASELINE]
    assert {each.agent for each in own if each.status is Status.FINISHED} == {"ada-0", "ada-1"}
    assert (folder / "goals" / "toy").is_dir()
    assert not (folder / "gpu0" / "goals").exists()
    assert "gpu0: " in done.stdout
    assert "gpu1: " in done.stdout


def test_a_worker_that_was_killed_is_no_success_of_its_fleet() -> None:
    """The system restarts what failed; what ended with 0 it leaves alone."""
    assert fleet.outcome([0, -9]) == 137
    assert fleet.outcome([4, 0]) == 4
    assert fleet.outcome([]) == 0
