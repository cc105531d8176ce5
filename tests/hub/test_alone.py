"""One owner with a hub of their own: repeats by their devices make and unmake a champion."""

import pytest
from fastapi.testclient import TestClient

from hub import goals
from hub.core import Hub
from tests.builders import FILES, a_spec
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer


@pytest.fixture
def alone(hub: Hub, volta: Volunteer) -> str:
    """A goal that one owner verifies."""
    spec = a_spec("mine", verification={"owners": 1, "noise_sd": 2e-3})
    with hub.database.work() as work:
        goals.open_goal(work, hub.git, spec, FILES)
    return "mine"


def run(volta: Volunteer, *metrics: float) -> list[str]:
    """Ask and report, one metric after another; what was asked for each time."""
    kinds = []
    for place, metric in enumerate(metrics):
        order = volta.claim(goals=["mine"])
        kinds.append(str(order.extra["kind"]))
        if order.parent is not None:
            assert volta.propose(order, learning_rate=0.2 + place / 10).status_code == 200
        assert volta.report(order, metric=metric).status_code == 200
    return kinds


def test_the_same_device_repeats_its_own_best_and_it_becomes_champion(
    http: TestClient, volta: Volunteer, alone: str
) -> None:
    kinds = run(volta, 0.9, 0.5, 0.5)

    goal = http.get(f"/v1/goals/{alone}").json()
    best = http.get(f"/v1/experiments/{goal['champion']}").json()

    assert kinds == ["anchor", "explore", "replicate"]
    assert (best["standing"], best["number"], best["n_owners"]) == ("verified", 1, 1)
    assert "Verified by 1 repeat" in best["verdict"]


def test_a_repeat_that_was_given_back_is_open_to_the_same_owner(
    volta: Volunteer, alone: str
) -> None:
    run(volta, 0.9, 0.5)
    order = volta.claim(goals=[alone])
    volta.release(order)

    again = volta.claim(goals=[alone])

    assert (again.lease, again.extra["kind"]) == (order.lease, "replicate")


def test_an_operator_may_have_an_own_experiment_run_again(
    hub: Hub, http: TestClient, volta: Volunteer, alone: str
) -> None:
    run(volta, 0.9)
    order = volta.claim(goals=[alone])
    assert volta.propose(order, learning_rate=0.2).status_code == 200
    assert volta.report(order, metric=0.9001).status_code == 200

    Curator.of(hub, http, owner="ada").acts("experiment.replicate", experiment=order.experiment)

    again = volta.claim(goals=[alone])
    assert (again.extra["kind"], again.experiment) == ("replicate", order.experiment)
