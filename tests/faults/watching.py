"""Looking at a hub from outside while real clients work for it."""

import signal
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing

import httpx

from protocol.work import Lease
from tests.faults.client_process import ClientProcess
from tests.faults.hub_process import HubProcess
from tests.faults.invariants import Site, violations

LEASE = 4.0
Clients = Callable[..., list[ClientProcess]]


def leases(hub: HubProcess) -> list[Lease]:
    """Who works on what."""
    answer = httpx.get(f"{hub.url}/v1/leases", timeout=30)
    return [Lease.model_validate(each) for each in answer.json()]


def trains(hub: HubProcess, client: ClientProcess) -> bool:
    """Whether a training of this client has told the hub of a step."""
    held = [each for each in leases(hub) if each.agent == client.name]
    return any(each.phase == "training" and each.step > 0 for each in held)


def runs_of(hub: HubProcess, client: ClientProcess) -> int:
    """How many runs of this client the hub has."""
    agent = httpx.get(f"{hub.url}/v1/agents/{client.name}", timeout=30).json()
    return int(agent["runs"])


def assert_all_is_well(hub: HubProcess, clients: Sequence[ClientProcess]) -> None:
    """Stop everybody politely and check I1 to I8."""
    for client in clients:
        if client.running:
            assert client.stop() == 0, client.log.read_text()[-2000:]
    assert hub.stop() in {0, -signal.SIGTERM}
    assert violations(Site(hub.data, clients=clients)) == []


def failures(hub: HubProcess) -> set[str]:
    """How runs failed on a hub that has stopped."""
    with closing(sqlite3.connect(hub.data / "hub.sqlite3")) as connection:
        rows = connection.execute("SELECT failure FROM runs WHERE failure IS NOT NULL").fetchall()
    return {row[0] for row in rows}
