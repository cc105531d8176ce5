"""A goal whose rules of measuring change: what was run before and after is not one number."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from hub.core import Hub
from tests.builders import Clock, a_spec
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer

GAIN = 0.1
"""By so much everything reads better with twice the budget."""


def edited(hub: Hub, http: TestClient, clock: Clock, **changes: Any) -> None:
    clock.forward(60)
    spec = a_spec(**changes).model_dump(mode="json")
    Curator.of(hub, http, f"grace-{clock.now.minute}").acts("goal.edit", goal="toy", spec=spec)
    clock.forward(60)


def run_on(agent: Volunteer, rate: float, metric: float, root: float) -> str:
    """Propose and run; the starting point, where the hub asks for it, reads otherwise."""
    order = agent.claim()
    while order.parent is None:
        assert agent.report(order, metric=root).status_code == 200
        order = agent.claim()
    assert agent.propose(order, learning_rate=rate).status_code == 200
    assert agent.report(order, metric=metric).status_code == 200
    return str(order.experiment)


def test_a_larger_budget_is_no_gain(
    hub: Hub, http: TestClient, clock: Clock, volta: Volunteer
) -> None:
    for step in range(4):
        run_on(volta, 0.2 + step / 100, 0.9 + step / 1000, root=0.9)
    edited(hub, http, clock, budget={"unit": "steps", "amount": 20})

    after = run_on(volta, 0.3, 0.9 - GAIN + 0.001, root=0.9 - GAIN)

    shown = http.get(f"/v1/experiments/{after}").json()
    assert shown["delta"] == pytest.approx(0.001, abs=0.005)
    assert not shown["kept"]


def test_another_brief_changes_no_number(
    hub: Hub, http: TestClient, clock: Clock, volta: Volunteer
) -> None:
    run_on(volta, 0.2, 0.9, root=0.9)
    edited(hub, http, clock, title="A better toy")

    assert volta.claim().extra["kind"] == "explore"


def test_rules_that_are_put_back_are_the_rules_of_before(
    hub: Hub, http: TestClient, clock: Clock, volta: Volunteer
) -> None:
    run_on(volta, 0.2, 0.9, root=0.9)
    edited(hub, http, clock, budget={"unit": "steps", "amount": 20})
    edited(hub, http, clock)

    assert volta.claim().extra["kind"] == "explore"
