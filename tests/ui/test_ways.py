"""Lists that mix goals: a difference is a gain or a loss by its own goal's direction."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.ui.conftest import ServedHub, settle

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]


@pytest.mark.parametrize("path", ["/s?q=status%3Akept", "/a/volta", "/m"])
def test_where_higher_is_better_a_higher_number_is_not_called_worse(
    open_page: Callable[..., Page], hub_process: ServedHub, path: str
) -> None:
    def _higher_is_better(route: Route) -> None:
        card = route.fetch().json()
        route.fulfill(body=json.dumps(card | {"direction": "max"}))

    page = open_page("/words")
    page.route("**/v1/goals/*/card", _higher_is_better)

    page.goto(hub_process.url + path)
    settle(page)

    deltas = page.locator("main .number:has(> [aria-hidden])")
    expect(deltas.first).to_be_visible()
    said = deltas.all_inner_texts()
    assert [each for each in said if each.startswith("+") and "worse" in each] == []
    assert [each for each in said if each.startswith("\N{MINUS SIGN}") and "better" in each] == []


def test_a_difference_is_only_a_number_while_its_goal_is_not_known(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    page = open_page("/words")
    page.route("**/v1/goals/*/card", lambda route: route.abort())

    page.goto(hub_process.url + "/s?q=status%3Akept")
    settle(page)

    row = page.locator("main li", has=page.locator("a.hit")).first
    expect(row).to_contain_text("0.0")
    expect(row).not_to_contain_text("better")
    expect(row).not_to_contain_text("worse")
