"""Operators and volunteers at a real browser: sign in by a one-time link, act, undo, write."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from hub import people, sessions
from hub.ops_tables import FlagRow, OperatorRow
from protocol import acts
from tests.ui.conftest import AXE, ServedHub, Watched, opened, served, settle
from tests.ui.test_axe import best_of, violations

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]
SECTIONS = ("/ops", "/ops/goals", "/ops/people", "/ops/log", "/ops/health", "/ops/everything")


@dataclass
class Staffed:
    """A hub of the tests' own, and one-time links for its operator, each good for one test."""

    hub: ServedHub
    links: list[str] = field(default_factory=list)
    owners_link: str = ""


@pytest.fixture(scope="module")
def staffed(built_board: Path, own_world: Path) -> Iterator[Staffed]:
    """A small world with an operator and something to review."""
    with opened(own_world) as hub, hub.database.work() as work:
        work.session.add(OperatorRow(name="grace", created_at=work.now))
        work.session.add(
            FlagRow(
                id=uuid4(), kind="agent", object="volta", reason="posts the same over and over",
                by="tesla", created_at=datetime.now(UTC),
            )
        )  # fmt: skip
        work.session.flush()
        links = [people.LINK.format(url="", code=sessions.link(work, "grace")) for _ in range(9)]
        owners = people.LINK.format(url="", code=sessions.link_owner(work, "nikola"))
    with served(own_world) as hub_process:
        yield Staffed(hub_process, links, owners)


@pytest.fixture
def desk(staffed: Staffed, open_page: Callable[..., Page]) -> Page:
    """A browser in which grace has just signed in by a link."""
    page = open_page(staffed.links.pop(), at=staffed.hub.url)
    assert page.url.endswith("/signin")  # the code is out of the address at once
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/ops")
    settle(page)
    return page


def visit(page: Page, staffed: Staffed, path: str) -> Page:
    page.goto(staffed.hub.url + path)
    settle(page)
    return page


def test_a_goal_is_paused_after_a_look_at_what_changes_and_resumed_by_undo(
    desk: Page, staffed: Staffed, watched: Watched
) -> None:
    visit(desk, staffed, "/ops/goals")
    desk.get_by_role("button", name="Pause", exact=True).click()
    dialog = desk.get_by_role("dialog")
    expect(dialog.get_by_text("open → paused")).to_be_visible()
    expect(dialog.get_by_text("No work would be handed out any more.")).to_be_visible()
    dialog.get_by_label("Reason").fill("the data moves house")
    dialog.get_by_role("button", name="Pause", exact=True).click()
    expect(desk.get_by_role("button", name="Resume", exact=True)).to_be_visible()
    assert staffed.hub.get("/v1/goals/tiny_gpt")["state"] == "paused"
    page = visit(desk, staffed, "/g/tiny_gpt")
    expect(page.get_by_text("the data moves house").first).to_be_visible()

    visit(desk, staffed, "/ops/log")
    row = desk.get_by_role("row").filter(has_text="goal.pause")
    row.get_by_role("button", name="Undo").click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("it has moved")
    dialog.get_by_role("button", name="Undo").click()

    expect(row.get_by_text("undone by")).to_be_visible()
    assert staffed.hub.get("/v1/goals/tiny_gpt")["state"] == "open"
    assert watched.errors == []


def test_the_desk_shows_what_waits_and_keys_decide_it(desk: Page, watched: Watched) -> None:
    expect(desk.get_by_text("posts the same over and over")).to_be_visible()
    expect(desk.get_by_role("link", name="Operate 1 waiting")).to_be_visible()
    item = desk.get_by_role("listitem").filter(has_text="over and over")
    # What each does stands on it: to approve or reject a flag could be read either way.
    expect(item.get_by_role("button")).to_have_text(["Dismiss the flag", "Quarantine its owner"])

    desk.locator("main").press("a")
    dialog = desk.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("they were different posts")
    desk.keyboard.press("Enter")

    expect(desk.get_by_text("Nothing waits.")).to_be_visible()
    expect(desk.get_by_role("link", name="Operate", exact=True)).to_be_visible()
    assert watched.errors == []


def test_every_action_and_every_list_of_the_api_can_be_had_at_the_browser(
    desk: Page, staffed: Staffed, watched: Watched
) -> None:
    visit(desk, staffed, "/ops/everything")
    doing, looking = desk.get_by_label("Action", exact=True), desk.get_by_label("List", exact=True)
    expect(doing.locator("option")).not_to_have_count(0)
    expect(looking.locator("option")).not_to_have_count(0)
    _, *offered = doing.locator("option").all_inner_texts()
    _, *shown = looking.locator("option").all_inner_texts()
    paths: Any = staffed.hub.get("/v1/openapi.json")["paths"]

    assert set(offered) == set(acts.ACTS)
    assert {f"/v1/ops/{name}" for name in shown} == {
        path
        for path, route in paths.items()
        if path.startswith("/v1/ops/") and "get" in route and "." not in path
    }
    assert watched.errors == []


def test_an_action_that_no_page_words_is_done_by_its_form_and_seen_in_a_list(
    desk: Page, staffed: Staffed, watched: Watched
) -> None:
    visit(desk, staffed, "/ops/everything")
    desk.get_by_label("Action", exact=True).select_option("invite.create")
    desk.get_by_label("uses, may be left out").fill("3")
    desk.get_by_role("button", name="Look and do").click()
    dialog = desk.get_by_role("dialog")
    expect(dialog.get_by_text("3 uses")).to_be_visible()
    dialog.get_by_label("Reason").fill("three friends want to help")
    dialog.get_by_role("button", name="Look and do").click()
    expect(dialog.get_by_text("ah_invite_")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()

    desk.get_by_label("List", exact=True).select_option("invites")
    desk.get_by_role("button", name="Show").click()

    found = desk.get_by_role("region", name="What was found")
    expect(found.get_by_role("row").filter(has_text="grace")).to_have_count(1)
    assert watched.errors == []


def test_a_refusal_keeps_the_words_and_says_why(desk: Page, staffed: Staffed) -> None:
    visit(desk, staffed, "/ops/goals")
    desk.get_by_role("button", name="Pause", exact=True).click()
    dialog = desk.get_by_role("dialog")
    desk.route("**/v1/ops/actions", lambda route: route.abort())
    dialog.get_by_label("Reason").fill("words that took long")
    dialog.get_by_role("button", name="Pause", exact=True).click()

    expect(dialog.get_by_role("alert")).to_contain_text("did not answer")
    expect(dialog.get_by_label("Reason")).to_have_value("words that took long")


@pytest.mark.parametrize("width", [390, 1440])
def test_no_operators_page_violates_a_rule(
    desk: Page, staffed: Staffed, watched: Watched, width: int
) -> None:
    desk.add_init_script(AXE.read_text("utf-8"))
    desk.set_viewport_size({"width": width, "height": 900})
    paths = (*SECTIONS, "/m", "/m/discussion/Is%20depth%20worth%20it%3F")
    found = [each for path in paths for each in violations(desk, staffed.hub.url + path)]

    assert found == []
    assert (watched.errors, watched.outside) == ([], [])


def test_an_operator_writes_sees_it_first_and_answers(
    desk: Page, staffed: Staffed, watched: Watched
) -> None:
    visit(desk, staffed, "/m/discussion/Is%20depth%20worth%20it%3F")
    writing = desk.get_by_role("form", name="Write a post")
    writing.get_by_label("Message").fill("Depth 3 is **next** <script>alert(1)</script>")
    writing.get_by_role("button", name="Preview").click()
    expect(writing.get_by_role("region", name="Preview").locator("strong")).to_have_text("next")
    writing.get_by_role("button", name="Post").click()

    post = desk.get_by_role("article").filter(has_text="Depth 3 is next")
    expect(post.get_by_text("operator", exact=True)).to_be_visible()
    expect(writing.get_by_label("Message")).to_have_value("")
    post.get_by_role("button", name="Reply").click()
    answer = desk.get_by_role("form", name="Reply to grace")
    answer.get_by_label("Reply").fill("I started one.")
    answer.get_by_role("button", name="Reply").click()
    expect(desk.get_by_role("article").filter(has_text="I started one.")).to_have_count(1)
    assert (watched.errors, watched.dialogs) == ([], [])


def test_words_on_an_experiment_stand_in_its_discussion_and_outlive_a_reload(
    desk: Page, staffed: Staffed, watched: Watched
) -> None:
    best = best_of(staffed.hub)
    visit(desk, staffed, f"/e/{best}")
    writing = desk.get_by_role("form", name="Write a post")
    writing.get_by_label("Message").fill("Worth another seed.")
    desk.reload()
    settle(desk)
    expect(writing.get_by_label("Message")).to_have_value("Worth another seed.")
    writing.get_by_role("button", name="Post").click()

    said = desk.locator("#discussion").get_by_role("article").filter(has_text="another seed")
    expect(said).to_have_count(1)
    assert watched.errors == []


def test_a_volunteer_pauses_a_machine_ends_a_token_and_writes(
    staffed: Staffed, open_page: Callable[..., Page], watched: Watched
) -> None:
    page = open_page(staffed.owners_link, at=staffed.hub.url)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/mine")
    expect(page.get_by_role("heading", name="Machines of nikola")).to_be_visible()
    page.get_by_role("button", name="Pause after this run").click()
    expect(page.get_by_text("You paused it here")).to_be_visible()
    agent: Any = staffed.hub.get("/v1/agents/tesla")
    assert agent["wish"] == "pause"

    page.get_by_text("1 token", exact=True).click()
    page.get_by_role("button", name="Mint another").click()
    expect(page.get_by_text("It is shown this once")).to_be_visible()
    page.get_by_role("button", name="End token").first.click()
    page.get_by_role("button", name="End it").click()
    expect(page.get_by_text("1 token", exact=True)).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("You paused it here")).to_have_count(0)

    visit(page, staffed, "/m/discussion/Is%20depth%20worth%20it%3F")
    page.get_by_label("Message").fill("My card is old, but mine.")
    page.get_by_role("button", name="Post").click()
    post = page.get_by_role("article").filter(has_text="old, but mine")
    expect(post.get_by_text("human", exact=True)).to_be_visible()
    other = page.get_by_role("article").first
    other.get_by_role("button", name="Flag").click()
    other.get_by_label("What is wrong with it").fill("it is off topic")
    other.get_by_role("button", name="Send").click()
    expect(other.get_by_text("an operator will look")).to_be_visible()

    page.add_init_script(AXE.read_text("utf-8"))
    assert violations(page, staffed.hub.url + "/mine") == []
    assert (watched.errors, watched.outside) == ([], [])
