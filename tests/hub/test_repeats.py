"""Repeats: who is asked for one, and what becomes of one that fails or is lost."""

import pytest
from fastapi.testclient import TestClient

from hub import goals, minds, states
from hub.core import Hub
from hub.tables import GoalRow
from tests.builders import FILES, Clock, a_spec
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer


def a_claim(volta: Volunteer, tesla: Volunteer) -> str:
    """Ada's experiment that beats the starting point, which nikola has run as well, by far."""
    volta.explore(learning_rate=0.2, metric=0.5)
    order = tesla.claim()
    while order.extra["kind"] == "anchor":
        assert tesla.report(order, metric=0.9).status_code == 200
        order = tesla.claim()
    assert order.extra["kind"] == "replicate"
    tesla.release(order)
    return str(order.experiment)


def test_who_failed_to_repeat_a_claim_is_asked_for_something_else(
    http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    claimed = a_claim(volta, tesla)
    for _ in range(2):
        order = tesla.claim()
        assert (order.extra["kind"], order.experiment) == ("replicate", claimed)
        assert tesla.report(order, metric=None).status_code == 200

    other = tesla.claim()

    assert other.experiment != claimed
    curie = Volunteer.joined(http, "curie", "marie")
    asked = [curie.claim(holding=[])]
    while asked[-1].extra["kind"] == "anchor":
        assert curie.report(asked[-1], metric=0.9).status_code == 200
        asked.append(curie.claim())
    assert asked[-1].experiment == claimed


def test_what_an_owner_failed_at_is_forgotten_with_their_other_runs(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    a_claim(volta, tesla)
    assert tesla.report(tesla.claim(), metric=None).status_code == 200

    def failed() -> list[str]:
        with hub.database.read() as session:
            known = states.read(session, session.get_one(GoalRow, "toy")).snapshot
        return [one.owner for one in known.failures]

    before = failed()
    Curator.of(hub, http).acts("owner.quarantine", owner="nikola")

    assert (before, failed()) == (["nikola"], [])


def test_a_device_on_which_the_starting_point_fails_gets_to_try_something_else(
    volta: Volunteer,
) -> None:
    for _ in range(2):
        order = volta.claim()
        assert order.extra["kind"] == "anchor"
        assert volta.report(order, metric=None).status_code == 200

    assert volta.claim().extra["kind"] == "explore"


def test_a_repeat_that_somebody_lost_is_never_the_author_s(
    clock: Clock, volta: Volunteer, tesla: Volunteer
) -> None:
    claimed = a_claim(volta, tesla)
    assert tesla.claim().experiment == claimed
    clock.forward(200)

    assert volta.claim().experiment != claimed


def test_a_lone_other_owner_who_lost_a_repeat_is_asked_for_it_again(
    clock: Clock, volta: Volunteer, tesla: Volunteer
) -> None:
    claimed = a_claim(volta, tesla)
    lost = tesla.claim()
    clock.forward(200)
    other = tesla.claim()
    assert other.experiment != claimed
    tesla.release(other)
    clock.forward(3600)

    again = tesla.claim()

    assert (again.lease, again.experiment) == (lost.lease, claimed)


def a_third(hub: Hub, http: TestClient) -> Volunteer:
    """Marie's agent, which is there and has nothing to do."""
    curie = Volunteer.joined(http, "curie", "marie")
    is_there(hub, curie)
    return curie


def is_there(hub: Hub, agent: Volunteer) -> None:
    """The hub heard of it just now."""
    assert agent.ask(goals=["elsewhere"]).order is None
    hub.heartbeats.flush()


def test_repeats_that_operators_order_go_to_different_owners_while_there_are_some(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment
    curie = a_third(hub, http)
    Curator.of(hub, http).acts("experiment.replicate", experiment=sha, times=3)
    asked = [tesla, tesla.brings("tesla-2", "nikola"), curie]
    first, beside, other = [each.claim() for each in asked]
    assert [order.experiment == sha for order in (first, beside, other)] == [True, False, True]
    assert tesla.report(first, metric=0.8).status_code == 200

    assert tesla.claim().experiment == sha, "there is nobody left who has not had it"


def test_what_two_owners_contradict_each_other_over_an_operator_can_have_decided(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    spec = a_spec("pair", verification={"noise_sd": 2e-3})
    with hub.database.work() as work:
        goals.open_goal(work, hub.git, spec, FILES)
    for one in (volta, tesla):
        assert one.report(one.claim(goals=["pair"]), metric=0.9).status_code == 200
    made = volta.claim(goals=["pair"])
    assert volta.propose(made, learning_rate=0.2).status_code == 200
    assert volta.report(made, metric=0.8).status_code == 200

    def repeats(metric: float) -> dict[str, object]:
        order = tesla.claim(goals=["pair"])
        assert order.experiment == made.experiment
        assert tesla.report(order, metric=metric).status_code == 200
        return dict(http.get(f"/v1/experiments/{made.experiment}").json())

    before = repeats(0.95)
    Curator.of(hub, http).acts("experiment.replicate", experiment=made.experiment, times=2)
    repeats(0.8)
    after = repeats(0.8)

    assert (before["standing"], after["standing"]) == ("disputed", "verified")
    assert "an operator may have it run again" in str(before["verdict"])


def test_a_repeat_waits_for_another_owner_no_longer_than_half_an_hour(
    hub: Hub, http: TestClient, clock: Clock, volta: Volunteer, tesla: Volunteer
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment
    curie = a_third(hub, http)
    Curator.of(hub, http).acts("experiment.replicate", experiment=sha, times=2)
    assert tesla.report(tesla.claim(), metric=0.8).status_code == 200
    early = tesla.claim()
    assert early.experiment != sha
    tesla.release(early)
    clock.forward(1800)
    is_there(hub, curie)

    assert tesla.claim().experiment == sha


def test_a_repeat_that_was_reported_since_a_long_thought_is_asked_of_nobody_again(
    volta: Volunteer, tesla: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        volta.explore(learning_rate=0.2 + n / 10, metric=0.8)
    while (first := tesla.claim(can_mutate=False)).extra["kind"] == "anchor":
        assert tesla.report(first, metric=0.9).status_code == 200
    for name, value in {"FEW": 0, "LONG": 0.0, "PATIENCE": 1e9}.items():
        monkeypatch.setattr(minds, name, value)  # what was thought for this claim lasts

    assert tesla.report(first, metric=0.8).status_code == 200
    second = tesla.claim(can_mutate=False)
    assert tesla.report(second, metric=None).status_code == 200
    third = tesla.claim(can_mutate=False)

    assert first.extra["kind"] == "replicate"
    assert len({first.experiment, second.experiment, third.experiment}) == 3
