"""F9 and F10: clocks that are wrong, and disks that are full."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.builders import Order
from tests.faults.disks import a_small_disk, fill
from tests.faults.hub_process import HubProcess, copied
from tests.faults.invariants import Site, violations
from tests.faults.ledger import Ledger, ledgers
from tests.faults.seeds import every_seed

pytestmark = pytest.mark.faults


def assert_all_is_well(hub: HubProcess, volunteers: list[Ledger]) -> None:
    """Stop the hub and check I1 to I8."""
    assert hub.stop() in {0, -signal.SIGTERM}
    assert violations(Site(hub.data, volunteers)) == []


@every_seed
@pytest.mark.parametrize("hours", [-2, 2])
def test_f9_a_client_whose_clock_is_wrong_loses_neither_lease_nor_result(
    hub: HubProcess, seed: int, hours: int
) -> None:
    hub.start()
    (volunteer,) = ledgers(hub.url, seed, count=1)
    order = volunteer.propose(volunteer.claim())
    identity = volunteer.finish(order)
    skewed = datetime.now(UTC) + timedelta(hours=hours)
    volunteer.sent[identity]["started_at"] = skewed.isoformat()
    volunteer.sent[identity]["metric"] = Random(seed).uniform(0.5, 2.0)

    answer = volunteer.deliver(identity)

    stored = httpx.get(f"{hub.url}/v1/runs/{identity}").json()
    age = datetime.now(UTC) - datetime.fromisoformat(stored["created_at"])
    assert answer.status_code == 200
    assert timedelta() <= age < timedelta(minutes=1)
    assert_all_is_well(hub, [volunteer])


@pytest.fixture
def cramped(template: Path, small_disk: Path) -> Iterator[HubProcess]:
    """A hub whose data lies on the small disk."""
    hub = HubProcess(copied(template, small_disk))
    yield hub
    hub.kill()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """100 MB for a hub."""
    with a_small_disk(tmp_path / "disk", 100) as folder:
        yield folder


def to_explore(volunteer: Ledger) -> Order:
    """Work until the hub asks for a proposal instead of one more run of what exists."""
    order = volunteer.claim()
    while order.experiment is not None:
        volunteer.deliver(volunteer.finish(order)).raise_for_status()
        order = volunteer.claim()
    return order


@every_seed
def test_f10_a_full_disk_refuses_with_507_and_recovers_by_itself(
    cramped: HubProcess, small_disk: Path, seed: int
) -> None:
    cramped.start()
    volunteers = ledgers(cramped.url, seed, count=4)
    proposer, *others = volunteers
    order = to_explore(proposer)
    finished = [(each, each.finish(each.propose(each.claim()))) for each in others]
    ballast = fill(small_disk)

    answers = [each.deliver(identity) for each, identity in finished]
    answers.append(proposer.ask(*proposer.proposal(order)))
    readable = httpx.get(f"{cramped.url}/v1/goals/toy/experiments")
    ballast.unlink()

    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    assert {answer.status_code for answer in refused} <= {503, 507}
    assert all(float(answer.headers["retry-after"]) > 0 for answer in refused)
    assert readable.status_code == 200
    for each, identity in finished:
        assert each.deliver(identity).status_code == 200
    assert proposer.ask(*proposer.proposal(order)).status_code == 200
    assert_all_is_well(cramped, volunteers)
