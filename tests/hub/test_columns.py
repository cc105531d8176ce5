"""A goal's columns: what is kept of them says what its rows say, whatever happens to those."""

from collections import defaultdict
from threading import Event, Thread
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session, col, select

from hub import goals
from hub.columns import Columns, Kept
from hub.core import Hub
from hub.tables import ExperimentRow, GoalRow, RunRow
from protocol.events import GoalChanged
from tests.builders import FILES, a_device, a_spec
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer

PATHS = {"trees": "tree", "efforts": "effort", "categories": "categories"}


def test_kept_columns_follow_every_change_to_the_byte(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    grace = Curator.of(hub, http)
    seen = [told(hub)]

    first = str(volta.explore(0.2, metric=0.8).experiment)
    seen.append(told(hub))
    slow = volta.exploring()
    assert volta.propose(slow, learning_rate=0.3).status_code == 200
    quick = tesla.exploring()
    assert tesla.propose(quick, learning_rate=0.4).status_code == 200
    assert tesla.report(quick, metric=0.7, device=a_device(device_class="a gpu")).is_success
    seen.append(told(hub))
    assert volta.report(slow, metric=0.75).is_success
    seen.append(told(hub))
    grace.acts("experiment.hide", experiment=first)
    seen.append(told(hub))
    volta.explore(0.5, metric=0.6)
    seen.append(told(hub))

    assert [kept for kept, _ in seen] == [anew for _, anew in seen]
    shown = [numbers(kept["trees"]) for kept, _ in seen]
    assert shown == [[0], [0, 1], [0, 1, 2, 3], [0, 1, 2, 3], [0, 2, 3], [0, 2, 3, 4]]
    assert [numbers(kept["categories"]) for kept, _ in seen] == shown
    ran = [numbers(kept["efforts"]) for kept, _ in seen]
    assert ran == [[], [0, 1], [0, 1, 3], [0, 1, 2, 3], [0, 2, 3], [0, 2, 3, 4]]


def told(hub: Hub) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """A goal's columns as they are kept, and as they are read anew."""
    every: dict[str, Kept] = {name: getattr(hub, name) for name in PATHS}
    anew = {name: Kept(kept.read, kept.encoded) for name, kept in every.items()}
    with hub.database.read() as session:
        goal = session.get_one(GoalRow, "toy")
        kept, read = (
            {name: each.get(session, goal).body for name, each in of.items()}
            for of in (every, anew)
        )
    return kept, read


def numbers(body: bytes) -> list[int]:
    found: list[int] = orjson.loads(body)["number"]
    return list(dict.fromkeys(found))


def test_effort_is_the_sum_of_the_runs_of_an_experiment_on_a_class_of_device(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    gpu = a_device(device_class="a gpu")
    for agent, device in ((volta, a_device()), (tesla, gpu)):  # both run the baseline first
        assert agent.report(agent.claim(), device=device).is_success
    turns = ((volta, gpu, 0.2), (tesla, a_device(), 0.3), (volta, gpu, 0.4), (tesla, gpu, 0.5))
    for agent, device, rate in turns:
        order = agent.exploring()
        assert agent.propose(order, learning_rate=rate).status_code == 200
        tokens = {"total_tokens_M": 1.25}
        assert agent.report(order, device=device, seconds=20.04, metrics=tokens).is_success

    said = http.get("/v1/goals/toy/effort").json()

    columns = zip(*(said[name] for name in ("number", "device", "seconds", "tokens")), strict=True)
    told = {(number, said["classes"][at]): tuple(cost) for number, at, *cost in columns}
    assert told == summed(hub)
    assert said["number"] == sorted(said["number"])
    assert said["classes"] == sorted({device for _, device in told})
    assert len(told) > len(set(said["number"])) > 1


def summed(hub: Hub) -> dict[tuple[int, str], tuple[float, float]]:
    sums: dict[tuple[int, str], list[Any]] = defaultdict(lambda: [0.0, 0.0])
    with hub.database.read() as session:
        ran = select(ExperimentRow.number, RunRow).join(
            ExperimentRow, col(ExperimentRow.sha) == col(RunRow.experiment)
        )
        for number, run in session.exec(ran):
            cost = sums[number, run.device_class]
            cost[0] += run.seconds
            cost[1] += run.metrics.get("total_tokens_M", 0.0)
    return {key: (round(cost[0], 1), round(cost[1], 4)) for key, cost in sums.items()}


@pytest.mark.parametrize("path", PATHS.values())
def test_columns_that_a_reader_has_are_not_sent_again(
    http: TestClient, volta: Volunteer, path: str
) -> None:
    volta.explore(0.2, metric=0.8)
    first = http.get(f"/v1/goals/toy/{path}")

    known = {"If-None-Match": first.headers["etag"]}
    again = http.get(f"/v1/goals/toy/{path}", headers=known)
    volta.explore(0.3, metric=0.7)
    later = http.get(f"/v1/goals/toy/{path}", headers=known)

    assert first.headers["content-encoding"] == "gzip"
    assert (again.status_code, later.status_code) == (304, 200)
    assert (first.json()["number"][-1], later.json()["number"][-1]) == (1, 2)


def test_nobody_waits_for_the_columns_of_another_goal(hub: Hub) -> None:
    with hub.database.work() as work:
        goals.open_goal(work, hub.git, a_spec("small"), FILES)
    begun, told, seen = Event(), Event(), list[bool]()

    def read(_session: Session, goal: GoalRow, _after: int) -> Columns:
        if goal.slug == "toy":
            begun.set()
            seen.append(told.wait(5))
        return {"number": []}

    kept = Kept(read, lambda *_: b"{}")

    def ask(slug: str) -> None:
        with hub.database.read() as session:
            kept.get(session, session.get_one(GoalRow, slug))

    slow = Thread(target=ask, args=["toy"])
    slow.start()
    assert begun.wait(5)
    ask("small")
    told.set()
    slow.join()

    assert seen == [True]


def test_a_ban_which_names_no_goal_changes_the_columns_of_every_goal(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    volta.explore(0.2, metric=0.8)
    tesla.explore(0.3, metric=0.7)
    told(hub)

    Curator.of(hub, http).acts("owner.ban", owner="ada")

    kept, anew = told(hub)
    assert kept == anew
    assert numbers(kept["trees"]) == [0, 2]


def test_news_take_the_place_of_old_rows_and_who_reads_the_old_ones_goes_on(hub: Hub) -> None:
    asked = list[int]()
    said = {"number": [1, 2, 2, 3], "cost": [1, 2, 3, 4]}

    def read(_session: Session, _goal: GoalRow, after: int) -> Columns:
        asked.append(after)
        return {"number": [2, 2, 2, 4], "cost": [5, 6, 7, 8]} if after else said

    kept = Kept(read, lambda *_: b"{}")

    def ask() -> Columns:
        with hub.database.read() as session:
            return kept.get(session, session.get_one(GoalRow, "toy")).columns

    with hub.database.work() as work:
        work.announce(GoalChanged(goal="toy", state="open", version=1, reason=""))
    before, again = ask(), ask()
    with hub.database.work() as work:
        work.announce(GoalChanged(goal="toy", state="open", version=1, reason=""))
    after = ask()

    assert before is again
    assert before == said == {"number": [1, 2, 2, 3], "cost": [1, 2, 3, 4]}
    assert after == {"number": [1, 2, 2, 2, 3, 4], "cost": [1, 5, 6, 7, 4, 8]}
    assert (asked[0], len(asked)) == (0, 2)
