"""The same pages for those who read them otherwise: with colours of their own, or on a phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.ui.conftest import ServedHub, settle
from tests.ui.test_goal import GOAL, tree_of

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_plot_can_be_read_where_a_user_forces_colours(
    browser: Browser, hub_process: ServedHub, theme: str
) -> None:
    context = browser.new_context(
        forced_colors="active", color_scheme="dark" if theme == "dark" else "light"
    )
    page = context.new_page()
    page.goto(hub_process.url + GOAL)
    settle(page)

    inks: int = page.locator("#progress canvas").first.evaluate(
        """(canvas) => {
          const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          let found = 0;
          for (let at = 0; at < data.length; at += 4) {
            const ink = [data[at], data[at + 1], data[at + 2]];
            if (data[at + 3] === 255 && Math.max(...ink) - Math.min(...ink) > 60) found += 1;
          }
          return found;
        }"""
    )
    context.close()
    assert inks > 100


def test_an_outline_on_a_phone_names_deep_experiments_and_says_what_has_no_result(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    columns = tree_of(hub_process)
    size = len(columns["number"])
    columns["parent"] = [0, *[1] * (size - 1)]  # one line, each on the one before
    page = open_page("/")
    page.route("**/v1/goals/tiny_gpt/tree*", lambda route: route.fulfill(json=columns))
    page.set_viewport_size({"width": 360, "height": 780})
    page.goto(f"{hub_process.url}{GOAL}?tab=tree")
    settle(page)
    row = page.get_by_role("treegrid").get_by_role("row").nth(11)
    expect(row).not_to_contain_text("…")

    room = row.locator(".title").evaluate(
        """(node) => {
          const cell = node.closest('.name').getBoundingClientRect();
          const words = node.getBoundingClientRect();
          return Math.min(words.right, cell.right) - words.left;
        }"""
    )
    assert room >= 70

    columns["score"] = [None] * size
    page.reload()
    settle(page)
    expect(page.get_by_role("treegrid")).to_contain_text("no result")
    page.get_by_role("button", name="Focus").click()
    expect(page.get_by_text("Nothing has a score yet.")).to_be_visible()


def test_a_printed_goal_has_all_its_parts(open_page: Callable[..., Page]) -> None:
    page = open_page(GOAL)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 794, "height": 1123})  # A4

    for part in ("progress", "tree", "leaderboard", "brief"):
        expect(page.locator(f"#{part}")).to_be_visible()
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
