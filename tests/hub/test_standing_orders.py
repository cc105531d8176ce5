"""A goal's open orders are followed by its events: what is known of them is what stands there."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hub import leases, scheduling, states, work
from hub.core import Hub
from hub.leases import Leases
from hub.minds import Mind
from hub.scheduling import Wish
from hub.snapshot import Pending
from hub.tables import AgentRow, GoalRow
from protocol.experiments import Operator
from protocol.work import Kind
from tests.builders import Clock, a_work_request
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer


@dataclass
class Follower:
    """Follows a hub's orders, as the hub itself does."""

    hub: Hub
    leases: Leases = field(default_factory=Leases)

    def look(self) -> Counter[Pending]:
        """What is known of them now, positions and all."""
        with self.hub.database.read() as session:
            goal = session.get_one(GoalRow, "toy")
            place = states.read(session, goal).place
            found = Counter(self.leases.now(session, goal, place))
            self.leases.keep(session, goal, place)
        return found

    def stands(self) -> Counter[Pending]:
        """What there is, read anew."""
        return Follower(self.hub).look()

    def read_all(self, monkeypatch: pytest.MonkeyPatch) -> bool:
        """Whether all orders are read when it looks now."""
        really, times = leases._read, list[int]()

        def noted(*said: Any) -> Any:
            times.append(1)
            return really(*said)

        with monkeypatch.context() as patch:
            patch.setattr(leases, "_read", noted)
            self.look()
        return bool(times)


def test_what_agents_do_is_followed(
    hub: Hub, clock: Clock, volta: Volunteer, tesla: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, seen = Follower(hub), list[Counter[Pending]]()
    assert known.read_all(monkeypatch)

    def then(_done: object) -> None:
        assert not known.read_all(monkeypatch)
        seen.append(known.look())
        assert seen[-1] == known.stands()

    then(tesla.claim())
    baseline = volta.exploring()
    then(volta.propose(baseline))
    then(volta.report(baseline, metric=0.8))
    crashed = volta.exploring()
    then(volta.propose(crashed, learning_rate=0.3))
    then(volta.propose(crashed, learning_rate=0.4))  # mended before its report
    clock.forward(hub.settings.lease_seconds + 60)
    then(tesla.claim())  # of a lease that had run out, or new work beside it
    volta.release(volta.claim(holding=[]))
    then(None)

    assert max(map(len, seen)) >= 2
    assert any(one.node is not None for one in seen[4])


@pytest.mark.parametrize("action", ["owner.ban", "experiment.replicate"])
def test_what_operators_do_is_seen(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer, action: str
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment
    tesla.claim()
    volta.exploring()
    known, curator = Follower(hub), Curator.of(hub, http)
    before = known.look()

    said = {"owner": "ada"} if action == "owner.ban" else {"experiment": sha, "times": 3}
    curator.acts(action, **said)

    assert known.look() == known.stands() != before


def test_an_experiment_is_placed_once_the_snapshot_has_it(hub: Hub, volta: Volunteer) -> None:
    with hub.database.read() as session:
        young = states.read(session, session.get_one(GoalRow, "toy")).place
    order = volta.exploring()
    volta.propose(order)
    with hub.database.read() as session:
        goal = session.get_one(GoalRow, "toy")
        grown, followed = states.read(session, goal).place, Leases()

        def nodes(place: dict[str, int]) -> list[int | None]:
            found = followed.now(session, goal, place)
            followed.keep(session, goal, place)
            return [one.node for one in found]

        assert (nodes(dict(young)), nodes(dict(grown))) == ([None], [grown[str(order.experiment)]])


def test_what_was_taken_back_is_not_remembered(hub: Hub) -> None:
    wish = Wish(Kind.ANCHOR, Operator.BASELINE, "to see")

    def pending(mind: Mind) -> int:
        with hub.database.rehearsal() as unit:
            goal = unit.session.get_one(GoalRow, "toy")
            before = len(mind.of(unit.session, goal).state.snapshot.pending)
            order = scheduling.put(unit, scheduling.new_order(unit.now, goal, wish))
            order.state, order.deadline = "leased", unit.now + timedelta(hours=1)
            work.end(unit, order, "released", "to announce it")
            order.state = "open"
            unit.session.flush()
            assert len(mind.of(unit.session, goal).state.snapshot.pending) == before + 1
        return before

    def pondered(mind: Mind) -> Mind:
        with hub.database.read() as session:
            mind.ponder(session, session.get_one(GoalRow, "toy"))
        return mind

    mind = pondered(Mind())

    assert [pending(mind), pending(pondered(mind))] == [0, 0]


def test_what_a_claim_thought_that_was_taken_back_is_not_remembered(
    hub: Hub, http: TestClient, clock: Clock, volta: Volunteer, tesla: Volunteer
) -> None:
    sha, curator = volta.explore(0.2, metric=0.8).experiment, Curator.of(hub, http)
    tesla.claim()
    clock.forward(hub.settings.lease_seconds + 60)
    with hub.database.rehearsal() as unit:
        asker = unit.session.get_one(AgentRow, "volta")
        work.claim(unit, hub.settings, hub.mind, asker, a_work_request())

    curator.acts("experiment.freeze", experiment=sha)  # its event has the number of what was not

    with hub.database.read() as session:
        thoughts = hub.mind.of(session, session.get_one(GoalRow, "toy"))
    assert [one.frozen for one in thoughts.state.snapshot.nodes] == [False, True]


def test_after_very_many_events_all_is_read_at_once(
    hub: Hub, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "MANY", 3)
    known, read = Follower(hub), list[bool]()
    for turns in (0, 1, 2):
        for _ in range(turns):
            volta.release(volta.claim())
        read.append(known.read_all(monkeypatch))

    assert read == [True, False, True]


def test_orders_that_nobody_asks_for_are_not_followed_for_them(
    hub: Hub, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Follower(hub)
    known.look()
    volta.claim()

    monkeypatch.setattr(leases, "_followed", None)  # whoever follows fails
    with hub.database.read() as session:
        known.leases.keep(session, session.get_one(GoalRow, "toy"), {})


def test_two_hubs_of_one_database_follow_the_same(hub: Hub, volta: Volunteer) -> None:
    here, there = Follower(hub), Follower(hub)
    order = volta.claim()
    both = here.look(), there.look()
    volta.release(order)

    assert both[0] == both[1] != Counter()
    assert here.look() == there.look() == here.stands()
