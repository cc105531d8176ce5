"""What people do on the board, with the keyboard alone; and addresses that say what is shown."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.ui.conftest import ServedHub, Watched, settle
from tests.ui.test_axe import best_of

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]


def test_the_best_is_found_its_diff_read_and_its_parent_opened_by_keys_alone(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched
) -> None:
    page = open_page("/")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/g/tiny_gpt")
    settle(page)
    expect(page.locator("canvas[role=application]")).to_be_visible()

    page.keyboard.press("b")
    page.wait_for_url("**sel=*")
    page.locator("canvas[role=application]").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/e/*")
    settle(page)
    best = page.url
    page.keyboard.press("d")
    expect(page.locator("section", has=page.locator("h2", has_text="Diff")).first).to_be_visible()
    page.keyboard.press("u")
    expect(page).not_to_have_url(best)

    assert watched.errors == []


def test_arrow_keys_walk_the_tree_and_say_where_they_are(
    open_page: Callable[..., Page],
) -> None:
    page = open_page("/g/tiny_gpt?tab=tree")
    canvas = page.locator("canvas[role=application]")
    canvas.focus()

    for key in ("ArrowRight", "ArrowLeft", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)

    page.wait_for_url("**sel=*")
    assert "Experiment" in (canvas.get_attribute("aria-label") or "")


def test_the_sheet_lists_the_keys_and_single_keys_can_be_switched_off(
    open_page: Callable[..., Page],
) -> None:
    page = open_page("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("Single keys act").uncheck()
    page.keyboard.press("Escape")

    page.keyboard.press("g")
    page.keyboard.press("m")

    assert page.url.endswith("/")


def test_typing_is_never_a_shortcut(open_page: Callable[..., Page]) -> None:
    page = open_page("/a")
    page.keyboard.press("/")
    page.keyboard.type("gmt?")

    assert page.url.endswith("/a")
    assert page.evaluate("document.activeElement.value") == "gmt?"


@pytest.mark.parametrize(
    "path",
    [
        "/g/tiny_gpt?tab=tree&view=all&colour=agent&sel=2",
        "/g/tiny_gpt?tab=leaderboard&all=1&sort=delta",
        "/g/tiny_gpt?x=time",
        "/a?sort=runs&q=volta",
        "/s?q=learning",
    ],
)
def test_an_address_shows_the_same_after_a_reload(
    open_page: Callable[..., Page], path: str
) -> None:
    page = open_page(path)
    pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map(e => e.textContent)"
    before = page.evaluate(pressed)
    page.reload()
    settle(page)

    assert page.url.endswith(path)
    assert page.evaluate(pressed) == before


def test_what_a_search_finds_is_ringed_in_the_tree_and_zoomed_to(
    open_page: Callable[..., Page], watched: Watched
) -> None:
    page = open_page("/g/tiny_gpt")
    box = page.get_by_label("Highlight experiments by words or filters")
    box.fill("learning")
    box.press("Enter")
    page.wait_for_url("**/g/tiny_gpt?tab=tree&q=learning")
    page.get_by_role("button", name=re.compile(r"Zoom to \d+ hits?")).click()

    page.reload()
    settle(page)
    expect(page.get_by_role("button", name=re.compile(r"Zoom to \d+ hits?"))).to_be_visible()
    assert watched.errors == []


def test_a_phone_gets_the_outline(open_page: Callable[..., Page]) -> None:
    page = open_page("/g/tiny_gpt?tab=tree", width=390)

    expect(page.get_by_role("treegrid")).to_be_visible()


def test_an_error_in_the_tree_does_not_hide_the_leaderboard(
    open_page: Callable[..., Page],
) -> None:
    page = open_page("/")
    page.route(
        "**/tree*",
        lambda route: route.fulfill(
            status=500, body=json.dumps({"detail": "The tree is broken today."})
        ),
    )
    page.goto(page.url + "g/tiny_gpt?all=1")

    expect(page.get_by_text("The tree is broken today.").first).to_be_visible()
    expect(page.locator("#leaderboard table")).to_be_visible()


def test_a_deep_link_to_an_experiment_has_its_title(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    found: Any = hub_process.get(f"/v1/experiments/{best_of(hub_process)}")

    page = open_page(f"/e/{found['sha'][:7]}")

    assert page.title() == f"#{found['number']} {found['title']} · AgentHub"
