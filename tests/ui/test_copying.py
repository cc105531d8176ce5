"""What is copied arrives, also where the board is read without https: most hubs begin that way."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.ui.conftest import ServedHub, Watched, settle
from tests.ui.test_axe import best_of

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]
# Browsers keep the clipboard's interface from pages that did not come by https or from localhost.
WITHOUT_HTTPS = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"


def pasted(page: Page) -> str:
    """What Ctrl-V brings now."""
    box = page.get_by_role("searchbox").first
    box.fill("")
    box.press("Control+V")
    return box.input_value()


def without_https(page: Page, url: str) -> None:
    """Open a page as a browser shows it that came by plain http."""
    page.add_init_script(WITHOUT_HTTPS)
    page.goto(url)
    settle(page)


def test_how_to_join_is_copied_where_there_is_no_https(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched
) -> None:
    page = open_page("/")
    without_https(page, hub_process.url)

    page.get_by_role("button", name="Copy", exact=True).click()

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert f"agent_client join {hub_process.url}" in pasted(page)
    assert watched.errors == []


def test_a_key_copies_the_sha_and_says_so(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched
) -> None:
    best = best_of(hub_process)
    page = open_page("/")
    without_https(page, f"{hub_process.url}/e/{best}")

    page.keyboard.press("y")

    expect(page.get_by_text("Copied: the sha")).to_be_visible()
    assert pasted(page).startswith(best)
    assert watched.errors == []
