"""F4 to F6, F8: real clients are killed, frozen and left alone by their hub."""

import signal
from random import Random
from threading import Event

import pytest

from tests.faults.client_process import eventually
from tests.faults.hub_process import HubProcess
from tests.faults.orphans import processes_of
from tests.faults.seeds import every_seed
from tests.faults.watching import LEASE, Clients, assert_all_is_well, runs_of, trains

pytestmark = pytest.mark.faults


@every_seed
def test_f4_a_client_killed_while_it_trains_leaves_nothing_and_its_work_is_done_by_others(
    hub: HubProcess, clients: Clients, seed: int
) -> None:
    victim, other = clients(2)
    victim.start()
    eventually(lambda: trains(victim))
    Event().wait(Random(seed).random())

    victim.kill()
    eventually(lambda: processes_of(victim.folder) == [])
    other.start()
    eventually(lambda: runs_of(hub, other) >= 2)
    before = runs_of(hub, victim)
    victim.start()
    eventually(lambda: runs_of(hub, victim) > before)

    assert_all_is_well(hub, [victim, other])


@every_seed
def test_f5_a_run_that_was_finished_before_the_client_was_killed_arrives(
    hub: HubProcess, clients: Clients, seed: int
) -> None:
    (client,) = clients(1)
    client.start()
    eventually(lambda: trains(client))
    hub.kill()
    eventually(client.unsent)
    client.kill()
    (client.journal / ".torn.json.tmp").write_text('{"sha256": "12')

    hub.start()
    client.start()
    eventually(lambda: not client.unsent() and runs_of(hub, client) >= 1)

    assert_all_is_well(hub, [client])


@every_seed
def test_f6_clients_work_through_an_outage_and_everything_arrives(
    hub: HubProcess, clients: Clients, seed: int
) -> None:
    everybody = clients(3)
    for client in everybody:
        client.start()
    eventually(lambda: any(trains(each) for each in everybody))
    hub.stop()
    Event().wait(LEASE + Random(seed).uniform(0, 4))

    hub.start()
    eventually(lambda: all(runs_of(hub, each) >= 2 for each in everybody))

    assert all(client.running for client in everybody)
    assert_all_is_well(hub, everybody)


@every_seed
def test_f8_a_frozen_client_finishes_late_and_overwrites_nothing(
    hub: HubProcess, clients: Clients, seed: int
) -> None:
    sleeper, other = clients(2)
    sleeper.start()
    eventually(lambda: trains(sleeper))
    sleeper.signal(signal.SIGSTOP)
    other.start()
    eventually(lambda: runs_of(hub, other) >= 3)

    sleeper.signal(signal.SIGCONT)
    eventually(lambda: runs_of(hub, sleeper) >= 1)

    assert sleeper.running
    assert_all_is_well(hub, [sleeper, other])
