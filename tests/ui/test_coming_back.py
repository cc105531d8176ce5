"""Where a reader stands: back brings them to where they were, and a link to what it names."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.ui.conftest import ServedHub, settle
from tests.ui.test_axe import best_of

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]
HEADER = 60
"""The bar at the top covers about so much of a page."""


def top_of(part: Locator) -> float:
    """How far below the window's upper edge it begins."""
    box = part.bounding_box()
    assert box is not None
    return box["y"]


def expect_at(page: Page, y: float) -> None:
    """The page is, or soon is, scrolled to about there."""
    for _ in range(40):
        if abs(page.evaluate("scrollY") - y) < 30:
            return
        page.wait_for_timeout(250)
    raise AssertionError(f"at {page.evaluate('scrollY')}, not at {y}")


def turn_the_wheel(page: Page, y: float) -> None:
    """Scroll by hand, once the page is long enough for it."""
    for _ in range(40):
        if page.evaluate("document.body.scrollHeight - innerHeight") >= y:
            break
        page.wait_for_timeout(250)
    page.mouse.move(600, 200)
    page.mouse.wheel(0, y)


def slowly(route: Route) -> None:
    """Answer as a hub that is far away: what is searched comes after the page."""
    answer = route.fetch()
    time.sleep(0.8)
    route.fulfill(response=answer)


def test_back_comes_to_the_hit_that_was_followed(open_page: Callable[..., Page]) -> None:
    page = open_page("/s?q=rate")
    page.route("**/v1/search*", slowly)
    page.set_viewport_size({"width": 1280, "height": 300})
    page.locator("a.hit").last.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    assert before > 400
    page.locator("a.hit").last.click()
    page.wait_for_url("**/m/**")
    settle(page)

    page.go_back()

    expect_at(page, before)
    page.reload()
    expect_at(page, before)


def test_a_page_begins_at_its_top(open_page: Callable[..., Page]) -> None:
    page = open_page("/s?q=rate")
    page.set_viewport_size({"width": 1280, "height": 300})
    page.locator("a.hit[href^='/e/']").last.click()
    page.wait_for_url("**/e/*")
    settle(page)
    expect_at(page, 0)
    turn_the_wheel(page, 500)
    expect_at(page, 500)
    page.go_back()
    settle(page)

    page.go_forward()
    page.wait_for_url("**/e/*")

    expect_at(page, 500)


def test_who_scrolls_while_a_page_still_grows_is_not_pulled_back(
    open_page: Callable[..., Page],
) -> None:
    page = open_page("/s?q=rate")
    page.set_viewport_size({"width": 1280, "height": 300})
    page.locator("a.hit[href^='/e/']").last.click()
    page.wait_for_url("**/e/*")
    page.go_back()
    settle(page)
    turn_the_wheel(page, -5000)
    expect_at(page, 0)
    page.evaluate("document.querySelector('main').style.paddingBottom = '900px'")
    page.wait_for_timeout(500)

    expect_at(page, 0)


def test_a_link_into_the_tree_shows_the_tree(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    page = open_page(f"/e/{best_of(hub_process)}")
    page.get_by_role("link", name="in the tree").click()
    page.wait_for_url("**tab=tree*")
    settle(page)
    page.wait_for_timeout(1500)

    assert HEADER <= top_of(page.locator("#tree")) < 120
    expect(page.get_by_role("complementary", name="Selected experiment")).to_be_in_viewport()


@pytest.mark.parametrize("part", ["leaderboard", "brief"])
def test_a_shared_link_to_a_part_of_a_goal_shows_that_part(
    open_page: Callable[..., Page], part: str
) -> None:
    page = open_page(f"/g/tiny_gpt?tab={part}")
    page.wait_for_timeout(1500)

    assert HEADER <= top_of(page.locator(f"#{part}")) < 120


def test_what_is_chosen_on_a_large_screen_is_what_the_link_shows_on_a_phone(
    open_page: Callable[..., Page],
) -> None:
    page = open_page("/g/tiny_gpt")
    page.locator("#leaderboard").get_by_role("button", name="All claims").click()
    page.wait_for_url("**all=1*")
    shared = page.url.split("/", 3)[3]

    phone = open_page(f"/{shared}", width=390)

    expect(phone.get_by_role("heading", name="Leaderboard")).to_be_visible()


def test_a_jump_within_a_page_stops_below_the_bar(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    page = open_page(f"/e/{best_of(hub_process)}")
    page.set_viewport_size({"width": 1280, "height": 500})
    page.wait_for_timeout(500)
    page.locator("a[href='#children']").click()
    page.wait_for_timeout(300)

    assert top_of(page.locator("#children")) >= HEADER


def test_the_post_that_a_hit_names_is_marked(open_page: Callable[..., Page]) -> None:
    page = open_page("/s?q=bpb")
    page.locator("a.hit[href*='insights'][href*='#post-']").first.click()
    page.wait_for_url("**#post-*")
    settle(page)
    post = page.locator("#" + page.url.split("#")[1])
    other = page.locator("article").filter(has_not_text="no such words").last

    def ground(one: Locator) -> Any:
        return one.evaluate("(node) => getComputedStyle(node).backgroundColor")

    expect(post).to_be_visible()
    assert json.dumps(ground(post)) != json.dumps(ground(other))
