"""The hub at a glance."""

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from hub.cli.root import app
from hub.core import Hub
from tests.builders import Clock
from tests.hub.volunteer import Volunteer


def test_a_card_shows_baseline_best_gain_and_the_stairs(http: TestClient, volta: Volunteer) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    volta.explore(learning_rate=0.3, metric=0.85)
    volta.explore(learning_rate=0.4, metric=0.7)

    card = http.get("/v1/overview").json()["goals"][0]
    assert [card["baseline"], card["best"], card["gain"]] == pytest.approx(
        [0.9, 0.7, -0.2], abs=1e-4
    )
    assert [step["number"] for step in card["stairs"]] == [0, 1, 3]
    assert (card["experiments"], card["experiments_today"], card["running"]) == (4, 4, 0)


def test_what_nobody_is_heard_of_any_more_is_not_called_running(
    http: TestClient, volta: Volunteer, clock: Clock
) -> None:
    volta.claim()
    while_at_work = http.get("/v1/goals/toy/card").json()

    clock.forward(3600)

    card = http.get("/v1/goals/toy/card").json()
    line = http.get("/v1/overview/goals").json()["goals"][0]
    assert (while_at_work["running"], while_at_work["agents"]) == (1, 1)
    assert (card["running"], card["agents"], line["running"]) == (0, 0, 0)


def test_a_goal_that_asks_for_two_owners_says_how_many_are_missing(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    def card() -> int:
        return int(http.get("/v1/goals/toy/card").json()["owners_missing"])

    def told() -> str:
        place = ("--data", str(hub.settings.data), "--database-url", hub.settings.url)
        return CliRunner().invoke(app, ["goal", "show", "toy", *place]).output

    before = card()
    volta.explore(learning_rate=0.2, metric=0.8)
    alone, alone_told = card(), told()
    tesla.explore(learning_rate=0.3, metric=0.85)

    assert (before, alone, card()) == (2, 1, 0)
    assert "by 2 owners, of whom 1 came so far\n" in alone_told
    assert "by 2 owners\n" in told()


def test_titles_come_for_the_nodes_on_the_screen(http: TestClient, volta: Volunteer) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)

    titles = http.get("/v1/goals/toy/titles", params={"numbers": "1,7"}).json()
    assert [(each["number"], each["title"]) for each in titles] == [(1, "Learning rate to 0.2")]


def test_activity_pages_backwards_without_gaps(http: TestClient, volta: Volunteer) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    seen: list[int] = []
    cursor: str | None = None
    while True:
        params = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = http.get("/v1/goals/toy/activity", params=params).json()
        seen += [each["seq"] for each in page["events"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen)) > 8


def test_effort_is_counted_by_experiment_and_class_of_device(
    http: TestClient, volta: Volunteer
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)

    said = http.get("/v1/goals/toy/effort").json()

    assert len(said["number"]) == len(said["seconds"]) == len(said["device"])
    assert said["number"][-1] == 1
    assert said["seconds"][-1] > 0
    assert len(said["classes"]) == 1


def test_agents_are_credited_for_what_they_gave_to_a_goal(
    http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    volta.explore(learning_rate=0.3, metric=0.95)

    said = {each["agent"]: each for each in http.get("/v1/goals/toy/agents").json()}

    assert (said["volta"]["experiments"], said["volta"]["kept"]) == (2, 1)
    assert said["volta"]["runs"] >= 2
    assert said["volta"]["seconds"] > 0
    assert said["volta"]["verified_gain"] == 0  # nobody has confirmed it yet
    assert "tesla" not in said


def test_a_brief_comes_rendered_and_inert_with_the_files(http: TestClient) -> None:
    whole = http.get("/v1/goals/toy", params={"files": True}).json()

    assert whole["brief_html"].startswith("<")
    assert http.get("/v1/goals/toy").json()["brief_html"] == ""
