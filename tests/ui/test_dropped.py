"""A connection that drops, a sign-in that ends, two tabs: nothing is lost, what failed says so."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import BrowserContext, Error, Page, Route, expect

from hub import people, sessions, tokens
from tests.ui.conftest import ServedHub, opened, served, settle
from tests.ui.test_axe import best_of

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]
DEPTH = "/m/discussion/Is%20depth%20worth%20it%3F"


@dataclass
class Club:
    """A hub that these tests write to, one-time links for nikola, and volta's token."""

    hub: ServedHub
    volta: str
    links: list[str] = field(default_factory=list)

    def post(self, topic: str) -> None:
        """Volta writes."""
        body = {"channel": "discussion", "topic": topic, "body": "Look at this."}
        headers = {"Authorization": f"Bearer {self.volta}"}
        url = f"{self.hub.url}/v1/posts/{uuid4()}"
        httpx.put(url, json=body, headers=headers, timeout=30).raise_for_status()


@pytest.fixture(scope="module")
def club(built_board: Path, own_world: Path) -> Iterator[Club]:
    """A small world of their own, served."""
    with opened(own_world) as hub, hub.database.work() as work:
        volta = tokens.issue(work, "agent", "volta")
        links = [
            people.LINK.format(url="", code=sessions.link_owner(work, "nikola")) for _ in range(6)
        ]
    with served(own_world) as process:
        yield Club(process, volta, links)


def sign_in(page: Page, club: Club) -> None:
    """Follow a fresh link of nikola's."""
    page.goto(club.hub.url + club.links.pop())
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/mine")


@pytest.fixture
def nikola(club: Club, open_page: Callable[..., Page]) -> Page:
    """A browser in which nikola has just signed in."""
    page = open_page("/words", at=club.hub.url)
    sign_in(page, club)
    return page


def again(context: BrowserContext, club: Club, path: str) -> Page:
    """Another tab of the same browser."""
    page = context.new_page()
    page.goto(club.hub.url + path)
    settle(page)
    return page


def test_who_loads_a_page_while_the_hub_hiccups_stays_signed_in(nikola: Page, club: Club) -> None:
    away = True
    nikola.route("**/v1/session", lambda one: one.abort() if away else one.continue_())
    nikola.goto(f"{club.hub.url}{DEPTH}")
    settle(nikola)
    nikola.wait_for_timeout(500)

    away = False

    expect(nikola.get_by_role("banner").get_by_role("link", name="nikola")).to_be_visible()
    expect(nikola.get_by_role("form", name="Write a post").get_by_role("textbox")).to_be_visible()


def test_words_outlive_a_sign_in_that_ends_and_are_sent_after_the_next(
    nikola: Page, club: Club
) -> None:
    nikola.goto(f"{club.hub.url}{DEPTH}")
    box = nikola.get_by_role("form", name="Write a post").get_by_role("textbox")
    box.fill("Depth three was worse.")
    nikola.context.clear_cookies()
    nikola.get_by_role("button", name="Post", exact=True).click()

    expect(nikola.get_by_text("Your sign-in has ended")).to_be_visible()
    expect(box).to_have_value("Depth three was worse.")
    tab = nikola.context.new_page()
    sign_in(tab, club)
    expect(nikola.get_by_text("Your sign-in has ended")).to_have_count(0)
    nikola.get_by_role("button", name="Post", exact=True).click()

    expect(nikola.locator("article").get_by_text("Depth three was worse.")).to_be_visible()


def test_a_new_topic_keeps_its_name_over_a_reload(nikola: Page, club: Club) -> None:
    nikola.goto(f"{club.hub.url}/m/discussion")
    nikola.get_by_role("button", name="New topic").click()
    name = nikola.get_by_role("textbox", name="Topic")
    name.fill("What a wider head costs")

    nikola.reload()
    nikola.get_by_role("button", name="New topic").click()

    expect(name).to_have_value("What a wider head costs")


def test_who_signs_out_in_one_tab_is_out_in_the_other(nikola: Page, club: Club) -> None:
    other = again(nikola.context, club, "/words")
    expect(other.get_by_role("banner").get_by_role("link", name="nikola")).to_be_visible()
    nikola.goto(f"{club.hub.url}/signin")

    nikola.get_by_role("button", name="Sign out").click()

    expect(other.get_by_role("banner").get_by_role("link", name="Sign in")).to_be_visible()


@pytest.mark.parametrize(
    ("code", "path", "shown"),
    [
        ("Tree", "/g/tiny_gpt", "#tree canvas"),
        ("Progress", "/g/tiny_gpt", "#progress canvas"),
        ("Diff", "/e/{best}", ".diff table"),
    ],
)
def test_a_part_whose_code_was_lost_on_the_way_is_asked_for_again(
    open_page: Callable[..., Page], hub_process: ServedHub, code: str, path: str, shown: str
) -> None:
    lost: list[str] = []

    def _lose(route: Route) -> None:
        lost.append(route.request.url)
        route.abort() if len(lost) <= 2 else route.continue_()

    page = open_page("/words")
    page.route(re.compile(f"/assets/{code}-[^/]*js"), _lose)
    page.goto(hub_process.url + path.format(best=best_of(hub_process)))

    expect(page.locator(shown).first).to_be_visible(timeout=20_000)
    assert len(lost) > 2


def test_a_part_whose_code_is_gone_says_so(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    page = open_page("/words")
    page.route(re.compile("/assets/Tree-[^/]*js"), lambda route: route.fulfill(status=404))
    page.goto(f"{hub_process.url}/g/tiny_gpt")

    tree = page.locator("#tree")
    expect(tree.get_by_role("alert")).to_contain_text("could not be loaded")
    expect(tree.get_by_role("button", name="Load again")).to_be_visible()


def with_more(route: Route) -> None:
    """Say that there is another page, and lose it on the way."""
    if "cursor=" in route.request.url:
        route.abort()
        return
    with suppress(Error):  # the page may have given this one up for a newer
        said = route.fetch().json()
        route.fulfill(body=json.dumps({**said, "next_cursor": "there-is-more"}))


@pytest.mark.parametrize(
    ("asked", "path", "word"),
    [
        ("**/v1/posts?*", DEPTH, "Earlier posts"),
        ("**/v1/topics?*", "/m", "More topics"),
        ("**/v1/goals/tiny_gpt/activity*", "/g/tiny_gpt", "Earlier events"),
    ],
)
def test_more_that_is_lost_on_the_way_says_so_beside_its_button(
    open_page: Callable[..., Page], hub_process: ServedHub, asked: str, path: str, word: str
) -> None:
    page = open_page("/words")
    page.route(asked, with_more)
    page.goto(hub_process.url + path)
    settle(page)

    page.get_by_role("button", name=word, exact=True).click()

    expect(page.get_by_text("The hub did not answer").last).to_be_in_viewport()


def test_news_for_a_list_under_the_pointer_wait_behind_a_button(
    club: Club, open_page: Callable[..., Page]
) -> None:
    page = open_page("/m", at=club.hub.url)
    page.locator("ul.topics li").first.hover()
    club.post("What came while you were pointing")
    news = page.get_by_role("button", name="1 new post", exact=True)
    expect(news).to_be_visible()
    expect(page.get_by_role("link", name="What came while you were pointing")).to_have_count(0)

    news.click()

    expect(page.get_by_role("link", name="What came while you were pointing")).to_be_visible()


def test_a_key_acts_on_no_page_that_lies_under_a_dialog(open_page: Callable[..., Page]) -> None:
    page = open_page("/a")
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_timeout(300)
    assert page.url.endswith("/a")

    page.keyboard.press("?")

    expect(sheet).to_be_hidden()
