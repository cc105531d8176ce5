"""Heartbeats on a clock that tests move: a lease is renewed in time, however short it is."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from agent_client.errors import BadToken, HubRefused, HubUnreachable
from agent_client.hub_api import Hub
from agent_client.lease import Keeper
from protocol.experiments import Operator
from protocol.work import Kind, Progress, Renewal, WorkOrder
from tests.agent_client.test_owner import Watch
from tests.builders import an_id


class Listener(Hub):
    """A hub that notes when which lease was renewed, and answers as it is told."""

    def __init__(self, watch: Watch) -> None:
        self.time = watch
        self.answer: Exception | Renewal = a_renewal()
        self.heard: list[tuple[float, UUID]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def renew(self, lease: UUID, progress: Progress) -> Renewal:
        """Note it."""
        self.heard.append((self.time.now, lease))
        self.meanwhile()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def a_renewal(**said: Any) -> Renewal:
    """The hub's consent."""
    return Renewal(deadline=datetime.now(UTC), lease_seconds=90.0, **said)


def an_order(lease_seconds: float = 90.0) -> WorkOrder:
    """Work under a lease of so many seconds."""
    return WorkOrder(
        lease=an_id(), epoch=1, kind=Kind.ANCHOR, goal="toy", goal_version=1,
        operator=Operator.TWEAK, why="", nonce="n", lease_seconds=lease_seconds,
        deadline=datetime.now(UTC), seed=1,
    )  # fmt: skip


def a_keeper(draw: float = 1.0) -> tuple[Keeper, Listener, Watch]:
    """A keeper without a thread, whose chance always draws the same."""
    clock = Watch()
    hub = Listener(clock)
    return Keeper(hub, clock=clock, draw=lambda: draw), hub, clock


def pass_time(keeper: Keeper, clock: Watch, seconds: float) -> None:
    """Do what the keeper's thread does, until so much time has passed."""
    ends = clock.now + seconds
    while clock.now + keeper.seconds_left() <= ends:
        clock.now += keeper.seconds_left()
        keeper.renew_due()
    clock.now = ends


@pytest.mark.parametrize("draw", [0.0, 1.0])
@pytest.mark.parametrize("lease_seconds", [4.0, 30.0, 90.0, 3600.0])
def test_a_lease_taken_after_long_idleness_is_renewed_within_a_third_of_it(
    lease_seconds: float, draw: float
) -> None:
    keeper, hub, clock = a_keeper(draw)
    pass_time(keeper, clock, 1000.0)
    taken = clock.now

    keeper.hold(an_order(lease_seconds), "laying out")
    pass_time(keeper, clock, lease_seconds)

    beats = [taken, *(at for at, _ in hub.heard)]
    longest = min(36.0, lease_seconds / 3) + 1e-6
    assert len(beats) > 2
    assert all(after - before <= longest for before, after in pairwise(beats))


def test_a_thread_that_waits_for_a_long_lease_hears_of_a_short_one() -> None:
    keeper, _, _ = a_keeper()
    keeper.hold(an_order(3600.0), "training")
    keeper._wake.clear()
    long = keeper.seconds_left()

    keeper.hold(an_order(4.0), "laying out")

    assert keeper._wake.is_set()
    assert keeper.seconds_left() < 2.0 < long


def test_each_lease_has_a_rhythm_of_its_own() -> None:
    keeper, hub, clock = a_keeper()
    slow = keeper.hold(an_order(90.0), "training").order.lease
    quick = keeper.hold(an_order(6.0), "waiting").order.lease

    pass_time(keeper, clock, 60.0)

    times = {lease: sum(1 for _, each in hub.heard if each == lease) for lease in (slow, quick)}
    assert times == {slow: 2, quick: 30}


def test_beat_soon_renews_all_at_once_and_a_lease_let_go_no_more() -> None:
    keeper, hub, clock = a_keeper()
    kept, gone = (keeper.hold(an_order(), "training").order for _ in range(2))
    keeper.let_go(gone)

    keeper.beat_soon()
    pass_time(keeper, clock, 1.0)

    assert [lease for _, lease in hub.heard] == [kept.lease]


def test_a_keeper_that_was_stopped_leaves_its_leases_to_whoever_gives_them_back() -> None:
    keeper, hub, _ = a_keeper()
    keeper.hold(an_order(), "training")

    keeper.stop()
    keeper.beat_soon()
    keeper.renew_due()

    assert hub.heard == []


def test_what_was_given_back_and_came_again_stays_in_care_when_the_first_is_let_go() -> None:
    keeper, hub, clock = a_keeper()
    first = an_order()
    keeper.hold(first, "laying out")
    again = first.model_copy(update={"epoch": 2})
    keeper.hold(again, "training")

    assert not keeper.let_go(first)

    keeper.beat_soon()
    pass_time(keeper, clock, 1.0)
    assert [lease for _, lease in hub.heard] == [again.lease]
    assert keeper.let_go(again)


def test_a_heartbeat_that_was_lost_is_followed_by_the_next() -> None:
    keeper, hub, clock = a_keeper()
    keeper.hold(an_order(9.0), "training")
    hub.answer = HubUnreachable()

    pass_time(keeper, clock, 9.0)

    assert len(hub.heard) == 3
    assert not keeper.reachable


def test_a_lost_lease_is_not_renewed_again_and_does_not_stop_its_run() -> None:
    keeper, hub, clock = a_keeper()
    grip = keeper.hold(an_order(), "training")
    hub.answer = HubRefused("stale_lease", "It is another's.", 409, {})

    pass_time(keeper, clock, 600.0)

    assert len(hub.heard) == 1
    assert (grip.lost, grip.stop, keeper.held()) == (True, "", [])


def test_a_run_that_ended_while_the_hub_was_asked_is_not_said_to_go_on() -> None:
    keeper, hub, clock = a_keeper()
    order = keeper.hold(an_order(), "training").order
    hub.answer = HubRefused("stale_lease", "It is done.", 409, {})
    hub.meanwhile = lambda: keeper.let_go(order)

    with capture_logs() as said:
        pass_time(keeper, clock, 31.0)

    assert len(hub.heard) == 1
    assert said == []


def test_the_hubs_wish_to_stop_reaches_the_run_and_a_revoked_token_its_owner() -> None:
    keeper, hub, clock = a_keeper()
    grip = keeper.hold(an_order(), "training")

    hub.answer = a_renewal(stop=True, reason="the goal is closed")
    pass_time(keeper, clock, 31.0)
    hub.answer = BadToken("unauthorized", "", 401, {})
    pass_time(keeper, clock, 31.0)

    assert grip.stop == "the goal is closed"
    assert keeper.revoked.is_set()
