"""Who stands where: places on the leaderboard, agents by what they did, and what a goal was."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from hub import goals, revisions, standings
from hub.core import Hub
from tests.builders import FILES, Clock, a_device, a_spec
from tests.hub.volunteer import Volunteer

DAY = 86_400


def test_places_are_counted_across_pages(http: TestClient, volta: Volunteer) -> None:
    for rate, metric in ((0.2, 0.8), (0.3, 0.7), (0.4, 0.6)):
        volta.explore(learning_rate=rate, metric=metric)

    seen: list[tuple[int, int]] = []
    cursor: str | None = None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = http.get("/v1/goals/toy/ranking", params=params).json()
        seen += [(each["rank"], each["number"]) for each in page["experiments"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == [(1, 3), (2, 2), (3, 1), (4, 0)]


def test_a_place_a_day_ago_leaves_out_what_came_since(
    http: TestClient, volta: Volunteer, clock: Clock
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    clock.forward(2 * DAY)
    volta.explore(learning_rate=0.3, metric=0.7)

    rows = http.get("/v1/goals/toy/ranking").json()["experiments"]
    rest = http.get("/v1/goals/toy/ranking?cursor=2").json()["experiments"]

    assert rest == rows[1:]  # a later page counts the same places
    places = {row["number"]: (row["rank"], row["rank_before"]) for row in rows}
    assert places == {2: (1, None), 1: (2, 1), 0: (3, 2)}


def test_a_leaderboard_of_a_class_of_device_holds_what_ran_there(
    http: TestClient, volta: Volunteer
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    order = volta.exploring()
    assert volta.propose(order, learning_rate=0.3).status_code == 200
    other = a_device(name="H100", device_class="H100 80GB")
    assert volta.report(order, metric=0.7, device=other).status_code == 200

    on = http.get("/v1/goals/toy/ranking", params={"device": "H100 80GB"}).json()

    assert [(row["number"], row["rank"]) for row in on["experiments"]] == [(2, 1)]
    assert on["experiments"][0]["device_class"] == "H100 80GB"
    assert on["experiments"][0]["seconds"] == 30
    verified = http.get("/v1/goals/toy/ranking", params={"verified": True}).json()
    assert verified["experiments"] == []


def test_a_cursor_that_is_no_experiment_is_refused(http: TestClient) -> None:
    assert http.get("/v1/goals/toy/ranking", params={"cursor": 99}).status_code == 404


def test_reasons_of_failures_are_counted(http: TestClient, volta: Volunteer) -> None:
    for rate in (0.2, 0.3):
        volta.explore(learning_rate=rate, metric=None)

    said = http.get("/v1/goals/toy/reasons").json()

    assert [(each["failure"], each["experiments"], each["number"]) for each in said] == [
        ("crash", 2, 2)
    ]


def test_every_experiment_has_its_kind_of_change(http: TestClient, volta: Volunteer) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)

    said = http.get("/v1/goals/toy/categories").json()

    names = [said["categories"][index] for index in said["category"]]
    assert dict(zip(said["number"], names, strict=True)) == {0: "baseline", 1: "tweak"}


def test_noise_says_from_which_repeats_it_is_known(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    tesla.explore(learning_rate=0.3, metric=0.85)  # after the baseline and volta's step once more

    with hub.database.read() as session:
        said = standings.noise(session, goals.find(session, "toy"))

    assert (said.repeated, said.runs, said.devices) == (2, 4, 2)
    assert http.get("/v1/goals/toy/noise").json()["stated"] is None


def test_versions_tell_what_changed_and_why(hub: Hub, http: TestClient) -> None:
    with hub.database.work() as work:
        goal = goals.find(work.session, "toy")
        files = FILES | {"program.md": "# Make it smaller\nAnd quickly.\n"}
        goals.edit(work, goal, a_spec(title="A quick toy"), files, "grace", "it was slow")

    said = http.get("/v1/goals/toy/versions").json()
    diff = http.get("/v1/goals/toy/versions/2/diff", params={"vs": 1}).json()

    assert [(each["version"], each["by"], each["reason"]) for each in said] == [
        (2, "grace", "it was slow"),
        (1, "operator", "opened"),
    ]
    assert [file["path"] for file in diff["files"]] == ["goal.json", "program.md"]
    added = [line["text"] for line in diff["files"][1]["hunks"][0]["lines"] if line["kind"] == "+"]
    assert added == ["And quickly."]
    with hub.database.read() as session:
        assert len(revisions.versions(session, goals.find(session, "toy"))) == 2
    assert [each["version"] for each in http.get("/v1/goals/toy/versions?cursor=2").json()] == [1]
    assert http.get("/v1/goals/toy/versions/9/diff").status_code == 404


def test_activity_can_be_asked_for_by_type(http: TestClient, volta: Volunteer) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)

    said = http.get("/v1/goals/toy/activity", params={"types": "run.reported,goal.changed"})

    assert {each["event"]["type"] for each in said.json()["events"]} == {
        "run.reported",
        "goal.changed",
    }


def names(answer: Any) -> list[str]:
    return [each["name"] for each in answer.json()["agents"]]


def test_agents_come_in_the_order_and_span_that_was_asked_for(
    http: TestClient, volta: Volunteer, tesla: Volunteer, clock: Clock
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    volta.explore(learning_rate=0.3, metric=0.7)
    clock.forward(2 * DAY)
    tesla.explore(learning_rate=0.4, metric=0.9)

    assert names(http.get("/v1/agents?sort=kept")) == ["volta", "tesla"]
    day = http.get("/v1/agents?sort=runs&span=day")
    assert names(day) == ["tesla", "volta"]
    assert [each["runs"] for each in day.json()["agents"]][1] == 0
    assert names(http.get("/v1/agents?owner=ada")) == ["volta"]
    assert names(http.get("/v1/agents?q=NIKOLA")) == ["tesla"]
    assert names(http.get("/v1/agents?q=100%25")) == []
    assert http.get("/v1/agents?sort=size").status_code == 422


@pytest.mark.parametrize("sort", ["name", "seen", "credit", "gain", "hours"])
def test_agents_are_paged_without_gaps(
    http: TestClient, volta: Volunteer, tesla: Volunteer, sort: str
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)

    first = http.get("/v1/agents", params={"sort": sort, "limit": "1"}).json()
    cursor = {"sort": sort, "limit": "1", "cursor": first["next_cursor"]}
    second = http.get("/v1/agents", params=cursor).json()

    found = [each["name"] for page in (first, second) for each in page["agents"]]
    assert sorted(found) == ["tesla", "volta"]
    assert (first["total"], second["next_cursor"]) == (2, None)


def test_an_agents_history_is_told_by_day_and_step(
    http: TestClient, volta: Volunteer, clock: Clock
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    clock.forward(DAY)
    order = volta.exploring()
    assert volta.propose(order, learning_rate=0.3).status_code == 200
    metrics = {"total_tokens_M": 0.6}
    assert volta.report(order, metric=0.7, metrics=metrics).status_code == 200

    said = http.get("/v1/agents/volta/history").json()

    assert [each["day"] for each in said["days"]] == ["2026-11-21", "2026-11-22"]
    assert [each["number"] for each in said["kept"]] == [1, 2]
    assert said["speeds"][0]["tokens_per_second"] == pytest.approx(20_000)
    assert (said["machines"][0]["device_class"], said["machines"][0]["runs"]) == ("cpu-test", 3)
    assert said["doubted"] == []
    assert http.get("/v1/agents/nobody/history").status_code == 404


def test_a_long_list_of_goals_is_paged_by_name(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    with hub.database.work() as work:
        goals.open_goal(work, hub.git, a_spec("other"), FILES)

    first = http.get("/v1/overview/goals?limit=1").json()
    second = http.get("/v1/overview/goals", params={"cursor": first["next_cursor"]}).json()

    assert [each["name"] for each in (*first["goals"], *second["goals"])] == ["other", "toy"]
    toy = second["goals"][0]
    assert (toy["metric"], toy["experiments"], toy["runs_today"]) == ("score", 2, 2)
    assert toy["best"] == pytest.approx(0.8, abs=0.01)
    assert first["total"] == 2
    glance = http.get("/v1/overview").json()
    assert [each["name"] for each in glance["goals"]] == ["toy", "other"]  # the busiest first
    assert glance["goals_total"] == 2
