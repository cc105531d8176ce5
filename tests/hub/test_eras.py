"""A goal whose rules of measuring change: what was run before and after is not one number."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hub import eras, goals, states
from hub.core import Hub
from hub.eras import Eras, _measuring
from hub.tables import OrderRow
from tests.builders import FILES, NOON, Clock, a_spec
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


def test_rules_hold_from_the_moment_of_their_edit_and_the_first_ones_before_it() -> None:
    edit = NOON + timedelta(days=1)
    known = Eras([NOON, edit], ["", "rules of version 2"])
    moment = timedelta(microseconds=1)

    told = [known.at(when) for when in (NOON - moment, NOON, edit - moment, edit)]

    assert told == ["", "", "", "rules of version 2"]


def test_a_run_whose_lease_went_on_to_another_is_of_the_rules_that_it_began_under(
    hub: Hub, http: TestClient, clock: Clock, volta: Volunteer, tesla: Volunteer
) -> None:
    lost = volta.claim()
    began = clock.now
    edited(hub, http, clock, budget={"unit": "steps", "amount": 20})
    clock.forward(3600)
    with hub.database.work() as work:
        again = work.session.get_one(OrderRow, lost.lease)
        again.epoch, again.agent, again.claimed_at = 2, "tesla", clock.now
        again.holders = {"1": "volta", "2": "tesla"}

    assert volta.report(lost, metric=0.9, started_at=began).json()["late"]
    lost.epoch = 2
    assert tesla.report(lost, metric=0.8, started_at=clock.now).status_code == 200

    with hub.database.read() as session:
        readings = states.read(session, goals.find(session, "toy")).snapshot.readings
    told = {each.value: each.era for each in readings}
    assert told == {0.9: "", 0.8: "rules of version 2"}


EVALUATE = {"train": ["python", "train.py"], "evaluate": ["python", "prepare.py"]}
FILE = {
    "path": "data.bin",
    "url": "https://example.org/data.bin",
    "size": 7,
    "sha256": "a" * 64,
    "licence": "CC0",
}
OTHERWISE: dict[str, dict[str, Any]] = {
    "budget": {"budget": {"unit": "steps", "amount": 20}},
    "commands": {"commands": {"train": ["python", "train.py", "--quick"]}},
    "how is scored": {"scoring": {"context": 512}},
    "seeds": {"seeds": {"policy": "fixed"}},
    "who measures": {"metric": a_spec().metric.model_dump() | {"source": "command"}},
    "data": {"data": {"files": [FILE]}},
    "other data of the same name": {"data": {"files": [FILE | {"sha256": "b" * 64}]}},
    "generated data": {"data": {"generated": True}},
    "data without downloads": {"data": {"fallback": True}},
    "validation in sight": {"data": {"val_hidden": False}},
    "threads": {"limits": {"threads": 8}},
}


def test_whatever_moves_numbers_makes_other_rules() -> None:
    measured: dict[str, Any] = {"commands": EVALUATE}
    specs = [a_spec(**measured), *(a_spec(**measured | each) for each in OTHERWISE.values())]

    rules = {_measuring(spec) for spec in specs}

    assert len(rules) == len(specs)


def test_what_moves_no_number_leaves_the_rules_as_they_are() -> None:
    mirrored: dict[str, Any] = {"data": {"files": [FILE | {"url": "https://example.com/data.bin"}]}}
    words: dict[str, Any] = {
        "title": "A better toy",
        "limits": {"disk_mb": 64},
        "verification": {"owners": 3},
    }

    assert _measuring(a_spec(**words)) == _measuring(a_spec())
    assert _measuring(a_spec(**mirrored)) == _measuring(a_spec(data={"files": [FILE]}))


def test_another_goals_versions_are_none_of_this_one(hub: Hub) -> None:
    with hub.database.work() as work:
        goals.open_goal(work, hub.git, a_spec("other", **OTHERWISE["budget"]), FILES)

    with hub.database.read() as session:
        assert not eras.of(session, goals.find(session, "toy")).changed


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
