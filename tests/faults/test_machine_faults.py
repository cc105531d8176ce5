"""F10 and F13 from the volunteer's side: full disks, proposals that misbehave."""

import sys
import zlib
from pathlib import Path
from random import Random
from threading import Event

import pytest

from agent_client import settings
from tests.faults.client_process import ClientProcess, eventually
from tests.faults.disks import a_disk_image, fill
from tests.faults.hub_process import HubProcess
from tests.faults.orphans import processes_of
from tests.faults.seeds import every_seed
from tests.faults.watching import Clients, assert_all_is_well, failures, runs_of

pytestmark = pytest.mark.faults
HERE = Path(__file__).parent
SECRET = "s3cret-of-the-owner"


@pytest.fixture
def hub(hub: HubProcess) -> HubProcess:
    """A hub that holds nothing back, so that a volunteer's own walls are all there is."""
    hub.settings["AGENTHUB_TRUSTED_AFTER"] = "0"
    return hub


def limit(client: ClientProcess, **limits: float) -> None:
    """Let the owner allow no more than this."""
    chosen = settings.load(client.folder)
    owner = chosen.limits.model_copy(update=limits)
    settings.save(client.folder, chosen.model_copy(update={"limits": owner}))


@every_seed
def test_f10_a_volunteer_whose_disk_fills_begins_nothing_and_goes_on_when_there_is_room(
    hub: HubProcess, clients: Clients, tmp_path: Path, seed: int
) -> None:
    with a_disk_image(tmp_path / "disk", 600) as disk:
        (client,) = clients(1, home=disk)
        client.output = tmp_path / "client.out"
        limit(client, disk_free_mb=300)
        client.start()
        eventually(lambda: runs_of(hub, client) >= 1)
        Event().wait(Random(seed).random())

        ballast = fill(disk)
        eventually(lambda: waits_for_room(client) and no_run_is_left(client))
        before = runs_of(hub, client)
        ballast.unlink()
        eventually(lambda: runs_of(hub, client) >= before + 1)

        assert client.running
        assert_all_is_well(hub, [client])
        assert failures(hub) == set()


def waits_for_room(client: ClientProcess) -> bool:
    """Whether the client has told its owner why it begins nothing."""
    return "MB of disk are free" in client.log.read_text()


def no_run_is_left(client: ClientProcess) -> bool:
    """Whether all that was at work when the disk filled has been ended."""
    assert client.process is not None
    itself = f"{client.process.pid} "
    return all(each.startswith(itself) for each in processes_of(client.folder))


EXPECTED = {
    "disk": {"disk"},
    "flood": {"log_flood"},
    "fork_bomb": {"processes"},
    "lies": {"nan"},
    "memory": {"oom"},
    "never_ends": {"timeout"},
    "spy": set[str](),
}


@every_seed
def test_f13_a_proposal_that_misbehaves_is_a_crash_of_its_own_and_nothing_else(
    hub: HubProcess, clients: Clients, tmp_path: Path, seed: int
) -> None:
    (client,) = clients(1)
    kinds = [sorted(EXPECTED)[(seed + step) % len(EXPECTED)] for step in (0, 2)]
    writer = (HERE / "hostile_agent.py", tmp_path / "count", ",".join(kinds), client.folder)
    client.options = (
        *("--mutator", "command", "--mutator-command"),
        f"{sys.executable} {' '.join(map(str, writer))}",
    )
    client.environment = {"SECRET_OF_THE_OWNER": SECRET}

    client.start()
    eventually(lambda: runs_of(hub, client) >= 1 + len(kinds) + 1)

    assert client.running
    assert "jobs failed in a row" not in client.log.read_text()
    assert_all_is_well(hub, [client])
    assert failures(hub) == set().union(*(EXPECTED[kind] for kind in kinds))
    token = settings.load(client.folder).token
    assert holding(hub, SECRET, token, "a spy got") == []
    assert bool(holding(hub, "a spy was refused")) is ("spy" in kinds)


def holding(hub: HubProcess, *words: str) -> list[str]:
    """Files of the hub in which one of these is written, compressed or not."""
    files = [path for path in hub.data.rglob("*") if path.is_file()]
    return [path.name for path in files if any(word in text(path) for word in words)]


def text(path: Path) -> str:
    """What a file says; logs and git's objects are compressed."""
    content = path.read_bytes()
    try:
        return zlib.decompress(content).decode(errors="replace")
    except zlib.error:
        return content.decode(errors="replace")
