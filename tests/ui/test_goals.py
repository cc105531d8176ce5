"""Goals as a list, a goal's history and news, and what is told on every page."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from hub import goals
from protocol.goals import GoalSpec, GoalState
from tests.ui.conftest import ServedHub, Watched, opened, served, settle

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]
GOAL = "/g/tiny_gpt"
WON = {"type": "champion.changed", "goal": "tiny_gpt", "sha": "a" * 40, "number": 7, "score": 1.7}


@pytest.fixture(scope="module")
def curated(built_board: Path, own_world: Path) -> Iterator[ServedHub]:
    """A hub whose operator has edited, paused and resumed the goal."""
    with opened(own_world) as hub, hub.database.work() as work:
        goal = goals.find(work.session, "tiny_gpt")
        old = goals.version(work.session, "tiny_gpt", 1)
        spec = GoalSpec.model_validate(old.spec)
        files = dict(old.files) | {"program.md": old.files["program.md"] + "\nBe <b>bold</b>.\n"}
        goals.edit(work, goal, spec, files, "grace", "too timid so far")
        goals.set_state(work, goal, GoalState.PAUSED, "the data moves")
        goals.set_state(work, goal, GoalState.OPEN, "the data is back")
    with served(own_world) as process:
        yield process


def test_a_change_of_the_goal_is_told_with_who_why_and_what(
    open_page: Callable[..., Page], curated: ServedHub, watched: Watched
) -> None:
    page = open_page(f"{GOAL}?tab=brief", at=curated.url)
    past = page.locator("section", has=page.get_by_role("heading", name="History of changes")).last
    expect(past.locator("li")).to_contain_text(
        ["the data is back", "the data moves", "too timid so far", "with its first rules"]
    )
    past.get_by_role("button", name="What changed").click()
    page.wait_for_url("**changed=2*")

    expect(past).to_contain_text("Be <b>bold</b>.")
    page.reload()
    settle(page)
    expect(past).to_contain_text("Be <b>bold</b>.")
    assert watched.errors == []


def test_the_brief_says_how_its_noise_is_known(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    said: Any = hub_process.get("/v1/goals/tiny_gpt/noise")
    page = open_page(f"{GOAL}?tab=brief")

    sentence = f"It was learned from {said['runs']} runs of {said['repeated']} experiment"
    expect(page.locator("#brief")).to_contain_text(sentence)


def test_a_chip_asks_the_hub_for_its_kind_of_events_alone(
    open_page: Callable[..., Page], curated: ServedHub, watched: Watched
) -> None:
    page = open_page(f"{GOAL}?tab=activity", at=curated.url)
    lines = page.locator("#activity li")
    expect(lines.first).to_be_visible()
    page.locator("#activity").get_by_role("button", name="operators").click()
    page.wait_for_url("**kinds=operators*")

    expect(lines).to_have_count(1)  # alike and in a row: one line
    expect(lines).to_contain_text("the data is back")
    page.get_by_role("button", name=re.compile("Show 3 earlier events")).click()
    expect(lines).to_have_count(4)
    assert watched.errors == []


def test_a_new_champion_of_a_watched_goal_is_told_on_every_page(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    page = open_page(GOAL)
    page.get_by_role("button", name="Watch").click()
    expect(page.get_by_role("button", name="Watching")).to_be_visible()

    def _live(socket: WebSocketRoute) -> None:
        socket.send(json.dumps({"hello": {"seq": 1, "after": 1}}))
        for seq, goal in ((2, "another"), (3, "tiny_gpt")):
            event = {**WON, "goal": goal}
            said = {"seq": seq, "at": "2026-11-21T12:00:00Z", "event": event}
            socket.send(json.dumps(said))

    page.route_web_socket("**/v1/live*", _live)
    page.goto(f"{hub_process.url}/words")

    told = page.get_by_role("status")
    expect(told).to_contain_text("tiny_gpt has a new champion, #7: 1.70000")
    told.get_by_role("button", name="Read").click()
    expect(told).not_to_contain_text("champion")


def a_line(at: int) -> dict[str, Any]:
    """A goal of a hub with many."""
    return {
        "name": f"goal-{at:04}", "title": f"Goal {at}", "metric": "loss", "direction": "min",
        "state": "open", "baseline": 1.0, "best": 0.9, "verified_best": None, "experiments": at,
        "runs_today": at, "running": 0, "created_at": "2026-11-21T12:00:00Z", "last_at": None,
    }  # fmt: skip


def test_a_thousand_goals_are_a_list_of_which_a_screen_is_made(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched
) -> None:
    glance: Any = hub_process.get("/v1/overview")

    def _lines(route: Route) -> None:
        start = int(route.request.url.partition("cursor=goal-")[2] or -1) + 1
        rows = [a_line(at) for at in range(start, min(start + 500, 1000))]
        following = rows[-1]["name"] if start + 500 < 1000 else None
        said = {"goals": rows, "total": 1000, "next_cursor": following}
        route.fulfill(body=json.dumps(said))

    page = open_page("/words")
    page.route("**/v1/overview/goals*", _lines)
    many = json.dumps({**glance, "goals_total": 1000})
    page.route("**/v1/overview", lambda route: route.fulfill(body=many))
    page.goto(hub_process.url + "/")
    rows = page.locator("tbody tr.line")
    expect(rows.first).to_contain_text("Goal 999")  # the busiest first
    assert rows.count() < 60

    page.get_by_label("Filter goals by name, state or metric").fill("goal 123")
    page.wait_for_url("**q=goal*123*")
    expect(page.get_by_text("1 goal of 1,000")).to_be_visible()
    page.keyboard.press("Escape")
    assert watched.errors == []


def test_experiments_without_a_result_are_explained(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    said: Any = hub_process.get("/v1/goals/tiny_gpt/reasons")
    page = open_page(GOAL)
    page.get_by_role("button", name=re.compile("^Why .* no result")).click()

    table = page.get_by_label("Reasons")
    expect(table).to_contain_text(said[0]["failure"])
    expect(table).to_contain_text(str(said[0]["experiments"]))


def test_progress_over_tokens_survives_a_reload(
    open_page: Callable[..., Page], watched: Watched
) -> None:
    page = open_page(f"{GOAL}?x=tokens&table=1&y=all")

    expect(page.get_by_role("button", name="Tokens", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(page.get_by_role("region", name="Kept steps")).to_contain_text("baseline")
    expect(page.get_by_role("button", name="Clip to what matters")).to_be_visible()
    assert watched.errors == []
