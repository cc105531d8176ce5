"""The board and the search at a real browser: reactions, completion, long topics, tried before?"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from hub import people, sessions
from hub.tables import PostRow
from tests.ui.conftest import AXE, ServedHub, Watched, opened, served, settle
from tests.ui.test_axe import violations

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]
DEPTH = "/m/discussion/Is%20depth%20worth%20it%3F"
LONG = "/m/discussion/a-long-one"
POSTS = 450
FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Talked:
    """A hub with a long topic, and one-time links for nikola, each good for one test."""

    hub: ServedHub
    links: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def talked(built_board: Path, own_world: Path) -> Iterator[Talked]:
    """A small world in which volta told a long story, one post an hour; nikola may sign in."""
    with opened(own_world) as hub, hub.database.work() as work:
        for number in range(POSTS):
            body = "the same again" if number in (440, 441, 442) else f"part {number}"
            work.session.add(
                PostRow(
                    id=uuid4(), channel="discussion", topic="a-long-one", author="volta",
                    author_kind="agent", body=body, html=f"<p>{body}</p>", references=[],
                    created_at=FIRST + timedelta(hours=number),
                )
            )  # fmt: skip
        links = [
            people.LINK.format(url="", code=sessions.link_owner(work, "nikola")) for _ in range(4)
        ]
    with served(own_world) as process:
        yield Talked(process, links)


@pytest.fixture
def nikola(talked: Talked, open_page: Callable[..., Page]) -> Page:
    """A browser in which the volunteer nikola has just signed in."""
    page = open_page(talked.links.pop(), at=talked.hub.url)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/mine")
    return page


def visit(page: Page, talked: Talked, path: str) -> Page:
    page.goto(talked.hub.url + path)
    settle(page)
    return page


def test_a_volunteer_says_what_a_post_is_worth_and_takes_it_back(
    nikola: Page, talked: Talked, watched: Watched
) -> None:
    page = visit(nikola, talked, DEPTH)
    post = page.get_by_role("article").filter(has_text="Tried it: within noise")
    post.get_by_role("button", name="Useful").click()
    expect(post.get_by_role("button", name="Useful 1")).to_have_attribute("aria-pressed", "true")

    page.reload()
    settle(page)
    pressed = post.get_by_role("button", name="Useful 1")
    expect(pressed).to_have_attribute("aria-pressed", "true")
    post.get_by_role("button", name="Doubtful").click()
    expect(post.get_by_role("button", name="Doubtful 1")).to_be_visible()
    post.get_by_role("button", name="Doubtful 1").click()
    expect(post.get_by_role("button", name="Doubtful", exact=True)).to_be_visible()

    own = page.get_by_role("article").filter(has_text="One more block costs")
    own.get_by_role("button", name="Useful").click()
    expect(own.get_by_role("alert")).to_contain_text("Nobody judges their own post")
    assert [said for said in watched.errors if "403" not in said] == []


def test_signs_complete_to_experiments_and_agents_while_one_writes(
    nikola: Page, talked: Talked, watched: Watched
) -> None:
    page = visit(nikola, talked, DEPTH)
    box = page.get_by_label("Message")
    box.press_sequentially("ask @volt")
    page.get_by_role("option", name="volta").wait_for()
    box.press("Enter")
    expect(box).to_have_value("ask @volta ")

    box.press_sequentially("of #learn")
    page.get_by_role("option").first.wait_for()
    box.press("ArrowDown")
    box.press("Tab")
    expect(box).to_have_value(re.compile(r"^ask @volta of #[0-9a-f]{7} $"))
    page.get_by_role("button", name="Post", exact=True).click()

    post = page.get_by_role("article").filter(has_text="ask @volta of")
    expect(post.locator("a.card")).to_have_count(1)
    assert watched.errors == []


def test_a_box_with_suggestions_violates_no_rule(nikola: Page, talked: Talked) -> None:
    nikola.add_init_script(AXE.read_text("utf-8"))
    page = visit(nikola, talked, DEPTH)
    box = page.get_by_label("Message")
    box.press_sequentially("ask @volt")
    page.get_by_role("option", name="volta").wait_for()

    said: Any = page.evaluate("axe.run(document, {resultTypes: ['violations']})")

    assert [each["id"] for each in said["violations"]] == []
    for path in ("/s?tried=1&idea=warm-down", f"{LONG}?since=2026-03-05", "/m?sort=useful"):
        assert violations(page, talked.hub.url + path) == []


def test_letters_in_the_search_box_suggest_titles_and_arrows_open_one(
    talked: Talked, open_page: Callable[..., Page], watched: Watched
) -> None:
    page = open_page("/a", at=talked.hub.url)
    page.keyboard.press("/")
    page.keyboard.type("learn")
    first = page.get_by_role("option").first
    first.wait_for()

    page.keyboard.press("ArrowDown")
    expect(first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")

    page.wait_for_url("**/e/*")
    expect(page.get_by_role("option")).to_have_count(0)
    assert watched.errors == []


def test_an_idea_is_held_against_what_was_tried_and_stands_in_the_address(
    talked: Talked, open_page: Callable[..., Page], watched: Watched
) -> None:
    page = open_page("/s", at=talked.hub.url)
    page.get_by_role("button", name="Tried before?").click()
    page.get_by_label("Your idea").fill("a larger learning rate")
    page.get_by_role("button", name="Was it tried?").click()
    hits = page.get_by_role("region", name="Ideas like yours").get_by_role("link")
    expect(hits.first).to_be_visible()
    page.wait_for_url(re.compile("tried=1.*idea=a\\+larger"))

    page.reload()
    expect(hits.first).to_be_visible()
    page.get_by_label("Your idea").fill("quantum foam")
    page.get_by_role("button", name="Was it tried?").click()
    expect(page.get_by_text("Nothing like it was tried")).to_be_visible()
    assert watched.errors == []


def test_a_filter_that_is_none_is_answered_with_a_hint_and_no_error(
    talked: Talked, open_page: Callable[..., Page]
) -> None:
    page = open_page("/s?q=statsu:kept", at=talked.hub.url)

    expect(page.get_by_text("Did you mean `status:`?")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)


def test_a_long_topic_is_read_from_a_day_on_and_never_fills_the_page(
    talked: Talked, open_page: Callable[..., Page], watched: Watched
) -> None:
    page = open_page(LONG, at=talked.hub.url)
    posts = page.get_by_role("article")
    expect(posts.last).to_contain_text("part 449")
    expect(page.get_by_role("article").filter(has_text="the same again")).to_have_count(1)
    page.get_by_label("Show posts from this day on").fill("2026-03-05")
    page.wait_for_url("**?since=2026-03-05")
    expect(posts.first).to_contain_text(re.compile(r"part (8|9)\d"))

    page.get_by_role("button", name="Later posts").click()
    expect(posts).to_have_count(200)
    page.get_by_role("button", name="Later posts").click()
    expect(posts.last).to_contain_text(re.compile(r"part (38|39)\d"))
    expect(posts).to_have_count(200)
    page.get_by_role("button", name="To the newest").click()
    expect(posts.last).to_contain_text("part 449")
    assert watched.errors == []


def test_the_first_unread_post_is_marked_even_when_it_is_far_back(
    talked: Talked, open_page: Callable[..., Page]
) -> None:
    found: Any = talked.hub.get("/v1/posts?channel=discussion&topic=a-long-one&limit=200")
    read = found["posts"][-1]["seq"]
    page = open_page("/m", at=talked.hub.url)
    kept = (
        f"localStorage.setItem('read', JSON.stringify({{'discussion/a-long-one': [250, {read}]}}))"
    )
    page.evaluate(kept)
    visit(page, talked, "/m")
    expect(page.get_by_text("200 new posts")).to_be_visible()
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    page.wait_for_url("**/a-long-one")

    expect(page.get_by_text("New since you were here")).to_be_in_viewport()


def test_a_post_folds_by_a_key_and_a_permalink_finds_an_old_one(
    talked: Talked, open_page: Callable[..., Page]
) -> None:
    found: Any = talked.hub.get("/v1/posts?channel=discussion&topic=a-long-one&since=2026-03-03")
    old = found["posts"][-1]
    page = open_page(f"{LONG}#post-{old['id']}", at=talked.hub.url)
    post = page.locator(f"#post-{old['id']}")
    expect(post).to_be_in_viewport()

    post.get_by_role("button", name="Fold", exact=True).focus()
    page.keyboard.press("-")

    expect(post.get_by_text(old["body"])).to_have_count(0)
    expect(post.get_by_role("button", name="Unfold")).to_be_visible()
