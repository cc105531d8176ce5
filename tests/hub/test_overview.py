"""The hub at a glance."""

import pytest
from fastapi.testclient import TestClient

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
