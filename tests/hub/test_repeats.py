"""Repeats: who is asked for one, and what becomes of one that fails or is lost."""

from fastapi.testclient import TestClient

from tests.builders import Clock
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
