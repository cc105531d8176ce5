"""A hub that heard nobody for a while takes nobody's silence for an end."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from hub.app import create_app
from hub.core import Hub, open_hub
from hub.errors import Busy
from hub.heartbeats import Beat, Heartbeats, patience
from hub.tables import OrderRow
from protocol.work import Progress
from tests.builders import Clock, Order, a_work_request
from tests.hub.volunteer import Volunteer


def renewed(volunteer: Volunteer, order: Order) -> int:
    said = Progress(epoch=order.epoch, phase="training")
    return volunteer.send("POST", f"/v1/leases/{order.lease}/renew", said).status_code


def test_who_trained_while_the_hub_was_down_keeps_the_lease_and_who_vanished_does_not(
    hub: Hub, clock: Clock
) -> None:
    with TestClient(create_app(hub)) as http:
        volta, tesla = (Volunteer.joined(http, name, name) for name in ("volta", "tesla"))
        kept, vanished = volta.exploring(), tesla.exploring()
    clock.forward(600)

    with TestClient(create_app(open_hub(hub.settings, clock))) as http:
        volta.http = tesla.http = http
        early = Volunteer.joined(http, "ada", "ada").claim()
        in_time = renewed(volta, kept)
        clock.forward(60)
        Volunteer.joined(http, "grace", "grace").claim()
        too_late = renewed(tesla, vanished)

    assert early.lease not in (kept.lease, vanished.lease)
    assert (in_time, too_late) == (200, 409)


def test_after_a_standstill_claims_wait_until_leases_were_heard_out(
    hub: Hub, http: TestClient, volta: Volunteer, clock: Clock
) -> None:
    order = volta.claim()
    tesla = Volunteer.joined(http, "tesla", "nikola")
    hub.heartbeats.stop()
    hub.heartbeats.once()
    clock.forward(600)

    hub.heartbeats.seconds = lambda: time.monotonic() + 600
    refused = tesla.send("POST", "/v1/work", a_work_request())
    ready = http.get("/readyz")
    hub.heartbeats.once()

    assert ready.status_code == 503
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert tesla.claim().lease != order.lease
    assert renewed(volta, order) == 200


def test_a_database_that_is_away_leaves_a_hub_deaf(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    ours = Heartbeats(hub.database, seconds=lambda: now)
    ours.once()
    now = 60.0

    with monkeypatch.context() as away:
        away.setattr(hub.database, "reading", _busy)
        ours.once()
        meanwhile = ours.deaf
    ours.once()

    assert (meanwhile, ours.deaf) == (True, False)


def _busy() -> None:
    raise Busy


def test_a_standstill_while_renewals_are_written_is_noticed(
    hub: Hub, volta: Volunteer, clock: Clock
) -> None:
    order, ours = volta.claim(), StandsStill(hub.database, seconds=lambda: 0.0)
    ours.once()
    clock.forward(600)

    ours.hangs = 600.0
    ours.once()
    meanwhile = ours.deaf
    ours.once()

    assert (meanwhile, ours.deaf) == (True, False)
    assert deadline(hub, order) == clock.now + timedelta(seconds=ours.patience)


@dataclass
class StandsStill(Heartbeats):
    """Its process, or its database, stands still while it writes."""

    hangs: float = 0.0

    def flush(self) -> None:
        until = self.hangs
        self.seconds = lambda: until


def deadline(hub: Hub, order: Order) -> datetime | None:
    with hub.database.read() as session:
        return session.get_one(OrderRow, order.lease).deadline


def test_what_was_heard_before_a_standstill_takes_no_time_from_a_lease(
    hub: Hub, volta: Volunteer, clock: Clock
) -> None:
    now, order = 0.0, volta.claim()
    ours = Heartbeats(hub.database, seconds=lambda: now)
    ours.once()
    before = clock.now + timedelta(seconds=hub.settings.lease_seconds)
    ours.beat(order.lease, Beat(before, clock.now, order.epoch, "train", 0.5, 7, 1.0))
    clock.forward(600)

    now = 600.0
    ours.once()

    assert deadline(hub, order) == clock.now + timedelta(seconds=ours.patience)


def test_a_slow_start_leaves_leases_all_their_time_to_be_heard(
    hub: Hub, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TestClient(create_app(hub)) as http:
        order = Volunteer.joined(http, "volta", "ada").claim()
    clock.forward(600)

    monkeypatch.setattr("hub.counters.mend", lambda _work: clock.forward(40))
    with TestClient(create_app(open_hub(hub.settings, clock))):
        heard_until = deadline(hub, order)

    assert heard_until == clock.now + timedelta(seconds=hub.heartbeats.patience)


@pytest.mark.parametrize(
    ("lease_seconds", "seconds"), [(0.5, 5.0), (2.0, 5.0), (60.0, 30.0), (150.0, 45.0)]
)
def test_a_hub_of_short_leases_that_is_merely_slow_is_not_deaf(
    lease_seconds: float, seconds: float
) -> None:
    assert patience(lease_seconds) == seconds
