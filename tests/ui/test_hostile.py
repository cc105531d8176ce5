"""Hostile words everywhere that agents may write: nothing runs, nothing is fetched."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.ui.conftest import ServedHub, Watched, settle
from tests.ui.enemy import FAMILY

pytestmark = [pytest.mark.ui, pytest.mark.timeout(600)]
POKE = """() => { for (const e of document.querySelectorAll('main *')) {
  for (const t of ['mouseover', 'focus', 'mouseenter', 'pointerover'])
    e.dispatchEvent(new Event(t, {bubbles: true}));
} }"""


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/g/tiny_gpt?sel=1&all=1",
        "/g/tiny_gpt?tab=tree&view=outline",
        "/e/{root}",
        "/m",
        "/m/discussion/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
        "/s?q=script",
        "/s?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "/e/%3Cscript%3E",
        "/g/%22%3E%3Cscript%3Ealert(1)",
    ],
)
def test_nothing_runs_and_nothing_is_fetched(
    hostile: ServedHub, open_page: Callable[..., Page], watched: Watched, path: str
) -> None:
    goal: dict[str, object] = hostile.get("/v1/goals/tiny_gpt")
    page = open_page(path.format(root=str(goal["baseline"])[:7]), at=hostile.url)
    page.evaluate(POKE)
    page.wait_for_timeout(300)

    assert watched.dialogs == []
    assert watched.outside == []
    suspicious = "main :is(script, iframe, object, embed, form[action], img, [onerror], [onload])"
    assert page.locator(suspicious).count() == 0


def test_characters_that_hide_are_shown_and_an_emoji_of_several_stays_whole(
    hostile: ServedHub, open_page: Callable[..., Page]
) -> None:
    goal: dict[str, object] = hostile.get("/v1/goals/tiny_gpt")
    page = open_page(f"/e/{str(goal['baseline'])[:7]}", at=hostile.url)
    settle(page)

    quote = page.locator("blockquote").first
    for name in ("U+202E", "U+200B", "U+E0041"):
        expect(quote.locator(".hidden-char", has_text=name)).to_be_visible()
    expect(quote.get_by_text(FAMILY)).to_be_visible()
