"""F1 to F3, F7, F11 and F15: the hub dies, stalls and restarts at the worst moments."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random
from uuid import UUID

import httpx
import pytest
from sqlalchemy import create_engine, text

from tests.faults.hub_process import TOY, HubProcess
from tests.faults.invariants import Site, violations
from tests.faults.ledger import Ledger, ledgers
from tests.faults.seeds import every_seed
from tests.services.proxy import Fault, fault_proxy

pytestmark = pytest.mark.faults
KILL_THE_OTHERS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def assert_all_is_well(hub: HubProcess, volunteers: list[Ledger]) -> None:
    """Check I1 to I8 (I7 apart, for the hub goes on)."""
    assert hub.running
    assert violations(Site(hub.data, volunteers), still_running=True) == []


def work_until(died: threading.Event, volunteer: Ledger) -> UUID:
    """Work on until the hub has died; the id is of the run at hand in that moment."""
    identity = volunteer.work_once()
    while not died.is_set():
        identity = volunteer.work_once()
    return identity


@every_seed
@pytest.mark.parametrize("point", ["before_commit", "after_commit_before_reply"])
@pytest.mark.parametrize("event", ["run.reported", "experiment.registered", "lease.claimed"])
def test_f1_a_hub_killed_around_a_commit_loses_and_doubles_nothing(
    standing_hub: HubProcess, seed: int, point: str, event: str
) -> None:
    hub, died = standing_hub, threading.Event()
    (volunteer,) = ledgers(hub.url, seed, count=1)
    hub.kill()
    hub.start(failpoint=f"{point}:{event}")

    with ThreadPoolExecutor() as pool:
        working = pool.submit(work_until, died, volunteer)
        hub.wait_until_dead()
        died.set()
        hub.start()
        identity = working.result()

    receipts = volunteer.receipts[identity]
    committed = point == "after_commit_before_reply" and event == "run.reported"
    assert [receipt.duplicate for receipt in receipts] == [committed]
    assert_all_is_well(hub, [volunteer])


@every_seed
def test_f2_a_result_whose_receipt_was_lost_is_the_same_result_again(
    standing_hub: HubProcess, seed: int
) -> None:
    random = Random(seed)
    hub = standing_hub
    with fault_proxy(hub.port) as proxy:
        (volunteer,) = ledgers(proxy.url, seed, count=1)
        identity = volunteer.finish(volunteer.propose(volunteer.claim()))
        lost = Fault(drop_reply_after=random.randrange(200), reset=random.random() < 0.5)
        proxy.plan(Fault(lose_reply=True), lost)

        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                volunteer.deliver(identity)
        answer = volunteer.deliver(identity)

    assert answer.json()["duplicate"] is True
    assert_all_is_well(hub, [volunteer])


@every_seed
def test_f3_ten_at_once_and_out_of_order_are_one(standing_hub: HubProcess, seed: int) -> None:
    hub = standing_hub
    (volunteer,) = ledgers(hub.url, seed, count=1)
    order = volunteer.propose(volunteer.claim())
    identity = volunteer.finish(order)
    beat = {"epoch": order.epoch, "phase": "training", "fraction": 0.5}

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: volunteer.deliver(identity), range(10)))
    late_beat = volunteer.ask("POST", f"/v1/leases/{order.lease}/renew", beat)
    other = volunteer.ask("PUT", f"/v1/runs/{identity}", {**volunteer.sent[identity], "log": "x"})

    assert [answer.status_code for answer in answers] == [200] * 10
    assert sorted(answer.json()["duplicate"] for answer in answers) == [False] + [True] * 9
    assert late_beat.status_code == 409
    assert (other.status_code, other.json()["code"]) == (409, "body_changed")
    assert_all_is_well(hub, [volunteer])


@every_seed
def test_f7_a_claim_whose_reply_was_lost_is_given_again(
    standing_hub: HubProcess, seed: int
) -> None:
    hub = standing_hub
    with fault_proxy(hub.port) as proxy:
        volunteer, other = ledgers(proxy.url, seed)
        proxy.plan(Fault(lose_reply=True))
        with pytest.raises(httpx.TransportError):
            volunteer.claim()

        again, another = volunteer.claim(), other.claim()

    leases = {lease["agent"]: lease for lease in httpx.get(f"{hub.url}/v1/leases").json()}
    assert leases[volunteer.name]["id"] == str(again.lease)
    assert leases[other.name]["id"] == str(another.lease)
    assert again.epoch == 1
    assert_all_is_well(hub, [volunteer, other])


@every_seed
def test_f11_a_locked_database_makes_clients_wait_and_lose_nothing(
    standing_hub: HubProcess, seed: int
) -> None:
    hub = standing_hub
    volunteers = ledgers(hub.url, seed, count=4)
    finished = [(each, each.finish(each.propose(each.claim()))) for each in volunteers]
    released = threading.Event()

    def hold_the_lock() -> None:
        with closing(sqlite3.connect(hub.data / "hub.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            released.wait(13)
            other.execute("ROLLBACK")

    with ThreadPoolExecutor() as pool:
        holding = pool.submit(hold_the_lock)
        waiting = [pool.submit(each.deliver, identity) for each, identity in finished]
        answers = [each.result() for each in waiting]
        holding.result()
    for answer in answers:
        assert answer.status_code in {200, 503}
        assert answer.status_code == 200 or float(answer.headers["retry-after"]) > 0
    for each, identity in finished:
        assert each.deliver(identity).status_code == 200
    assert_all_is_well(hub, volunteers)


@every_seed
@pytest.mark.postgres
def test_f11_killed_database_connections_cost_a_retry_and_nothing_else(
    postgres_url: str, tmp_path: Path, seed: int
) -> None:
    hub = HubProcess(tmp_path / "hub", settings={"AGENTHUB_DATABASE_URL": postgres_url})
    hub.run("goal", "open", str(TOY))
    hub.start()
    volunteers = ledgers(hub.url, seed, count=3)
    engine = create_engine(postgres_url)

    with ThreadPoolExecutor() as pool:
        working = [pool.submit(work_five_times, each) for each in volunteers]
        while not all(each.done() for each in working):
            with engine.begin() as connection:
                connection.execute(KILL_THE_OTHERS)
            threading.Event().wait(0.3)

    with engine.connect() as connection:
        stored = connection.execute(text("SELECT id FROM runs")).scalars().all()
    engine.dispose()
    hub.stop()
    assert {str(each) for each in stored} == {str(i) for v in volunteers for i in v.sent}
    assert [status for v in volunteers for status in v.statuses if status == 500] == []


def work_five_times(volunteer: Ledger) -> None:
    for _ in range(5):
        volunteer.work_once()


@every_seed
def test_f15_a_hub_that_restarts_again_and_again_under_load_loses_nothing(
    standing_hub: HubProcess, seed: int
) -> None:
    random = Random(seed)
    hub = standing_hub
    volunteers = ledgers(hub.url, seed, count=4)

    with ThreadPoolExecutor() as pool:
        working = [pool.submit(work_five_times, each) for each in volunteers]
        for _ in range(3):
            threading.Event().wait(random.uniform(0.1, 1.0))
            if random.random() < 0.5:
                hub.kill()
            else:
                hub.stop()
            hub.start()
        for each in working:
            each.result()

    assert_all_is_well(hub, volunteers)
