"""Heartbeats written behind: none moves a lease that went on, none is lost with the database."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from hub.core import Hub
from hub.errors import Busy
from hub.heartbeats import Beat, Heartbeats
from hub.tables import OrderRow
from tests.builders import NOON
from tests.hub.volunteer import Volunteer


def a_beat(epoch: int = 1, minutes: int = 0) -> Beat:
    return Beat(NOON + timedelta(minutes=minutes), NOON, epoch, "train", 0.5, 7, 1.0)


@pytest.mark.parametrize(("epoch", "state"), [(1, "leased"), (2, "done")])
def test_an_old_beat_moves_no_lease_that_went_to_another_or_ended(
    hub: Hub, volta: Volunteer, epoch: int, state: str
) -> None:
    lease = volta.claim().lease
    with hub.database.work() as work:
        order = work.session.get_one(OrderRow, lease)
        order.epoch, order.state, before = 2, state, order.deadline

    hub.heartbeats.beat(lease, a_beat(epoch, minutes=90))
    hub.heartbeats.flush()

    with hub.database.read() as session:
        order = session.get_one(OrderRow, lease)
    assert (order.deadline, order.step) == (before, 0)


class Interrupted(Heartbeats):
    """A database that is away, while the agent renews again."""

    def _write(self, *collected: Any) -> None:
        del collected
        self.beat(UUID(int=1), a_beat(minutes=2))
        self.seen("volta", "its token", NOON + timedelta(minutes=2))
        raise Busy


def test_what_could_not_be_written_waits_and_what_came_meanwhile_is_newer(
    hub: Hub,
) -> None:
    beats = Interrupted(hub.database)
    for lease in (1, 2):
        beats.beat(UUID(int=lease), a_beat(minutes=1))
    for agent in ("volta", "tesla"):
        beats.seen(agent, f"{agent}'s token", NOON)

    beats.flush()

    assert beats._beats == {UUID(int=1): a_beat(minutes=2), UUID(int=2): a_beat(minutes=1)}
    assert beats._seen == {"volta": NOON + timedelta(minutes=2), "tesla": NOON}
    assert {"volta's token", "tesla's token", "its token"} == set(beats._used)
