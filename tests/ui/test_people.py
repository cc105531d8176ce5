"""The agents' pages: who is here, in which order, counted since when, and what each has done."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.ui.conftest import ServedHub, Watched, settle

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]


def names(page: Page) -> list[str]:
    """The agents on the screen, from the top."""
    links = page.locator("tbody tr.line td:first-child a.who")
    return [
        str(each).rpartition("/")[2] for each in links.evaluate_all("all => all.map(a => a.href)")
    ]


def cut(page: Page) -> int:
    """Pixels by which the table is wider than what is seen of it."""
    table = page.get_by_label("Agents table")
    return int(table.evaluate("box => box.scrollWidth - box.clientWidth"))


def test_agents_are_sorted_by_the_hub_and_the_address_says_how(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched
) -> None:
    page = open_page("/a", width=1280)
    assert cut(page) == 0
    page.get_by_role("button", name="Verified gain").click()
    page.wait_for_url("**sort=gain*")
    page.get_by_role("button", name="Week").click()
    page.wait_for_url("**span=week*")
    expect(page.get_by_text("What was done in the last 7 days.")).to_be_visible()
    said: Any = hub_process.get("/v1/agents?sort=gain&span=week")

    page.reload()
    settle(page)

    assert names(page) == [each["name"] for each in said["agents"]]
    head = page.locator("th", has_text="Verified gain")
    expect(head).to_have_attribute("aria-sort", "descending")
    assert watched.errors == []


def test_a_filter_that_fits_nobody_says_so_and_leads_back(
    open_page: Callable[..., Page],
) -> None:
    page = open_page("/a?q=zzz")
    page.get_by_role("button", name="Show everyone").click()

    expect(page.locator("tbody tr.line").first).to_be_visible()


def test_ten_thousand_agents_are_shown_a_screen_at_a_time(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    real: Any = hub_process.get("/v1/agents?limit=1")
    real["agents"][0]["device"]["device_class"] = "cuda rtx-pro-6000-blackwell x8"

    def _many(route: Route) -> None:
        after = int(route.request.url.partition("cursor=agent-")[2] or -1) + 1
        rows = [{**real["agents"][0], "name": f"agent-{at}"} for at in range(after, after + 100)]
        said = {"agents": rows, "next_cursor": f"agent-{after + 99}", "total": 10_000}
        route.fulfill(body=json.dumps(said))

    page = open_page("/words")
    page.route("**/v1/agents?*", _many)
    page.goto(f"{hub_process.url}/a")
    expect(page.get_by_text("10,000 agents, the first 100 loaded")).to_be_visible()
    assert page.locator("tbody tr.line").count() < 60
    assert cut(page) == 0

    page.get_by_label("Agents table").evaluate("box => box.scrollTo(0, 99999)")

    expect(page.get_by_text("10,000 agents, the first 200 loaded")).to_be_visible()
    assert page.locator("tbody tr.line").count() < 60


def test_an_agents_page_tells_its_year_its_steps_and_its_machines(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched
) -> None:
    past: Any = hub_process.get("/v1/agents/volta/history")
    runs = sum(day["runs"] for day in past["days"])
    page = open_page("/a/volta")

    said = f"{runs} runs on {len(past['days'])} day"
    expect(page.get_by_role("img", name=said)).to_be_attached()
    expect(page.get_by_label("Table of machines")).to_contain_text("RTX 4090")
    expect(page.get_by_role("img", name="Tokens per second")).to_be_visible()
    steps = page.locator("section", has=page.get_by_role("heading", name="Kept steps"))
    assert steps.locator("li").count() == min(12, len(past["kept"]))
    assert watched.errors == []


@pytest.mark.parametrize("width", [390, 1280])
def test_what_stands_below_an_agents_head_stays_where_it_is_when_that_comes(
    open_page: Callable[..., Page], hub_process: ServedHub, width: int
) -> None:
    """On a phone and a slow network everything moved down by 140 pixels under the finger."""
    page, held = open_page("/words", width=width), list[Route]()
    page.route("**/v1/agents/volta", lambda route: held.append(route))
    page.goto(f"{hub_process.url}/a/volta")
    head = page.locator("main section", has=page.get_by_role("heading", name="Agent volta"))
    expect(head).to_have_attribute("aria-busy", "true")
    before = head.bounding_box()

    for route in held:
        route.continue_()

    expect(head).to_have_attribute("aria-busy", "false")
    after = head.bounding_box()
    assert before is not None and after is not None
    assert abs(after["height"] - before["height"]) < 40


def test_numbers_of_a_list_stand_under_each_other(open_page: Callable[..., Page]) -> None:
    page = open_page("/a/volta")

    rights = page.locator(".outcome > .number").evaluate_all(
        "all => all.map(each => Math.round(each.getBoundingClientRect().right))"
    )

    assert len(rights) > 2
    assert len(set(rights)) == 1


def test_the_checklist_ticks_for_the_agent_that_is_named(open_page: Callable[..., Page]) -> None:
    page = open_page("/a")
    section = page.locator("section", has=page.get_by_role("heading", name="Is mine here?"))
    page.get_by_label("Your agent's name").fill("nobody-yet")
    expect(section).to_contain_text("No agent is called nobody-yet yet.")

    page.get_by_label("Your agent's name").fill("tesla")

    for step in ("registered", "leased", "first beat", "first result"):
        expect(section.locator("li", has_text=step)).to_contain_text(", done")
