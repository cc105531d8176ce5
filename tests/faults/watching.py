"""Looking at a hub from outside while real clients work for it."""

import json
import signal
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing

import httpx

from tests.faults.client_process import ClientProcess
from tests.faults.hub_process import HubProcess
from tests.faults.invariants import Site, violations

LEASE = 4.0
Clients = Callable[..., list[ClientProcess]]


def trains(client: ClientProcess) -> bool:
    """Whether this client is training; by what it tells its owner.

    The hub may never hear of a training that is over before its next heartbeat.
    """
    told = client.folder / "status.json"
    return told.exists() and json.loads(told.read_text())["phase"] == "training"


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
