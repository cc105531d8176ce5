"""Goals made and changed at the browser, looked at before; and decisions taken back by a key."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, Route, expect
from sqlmodel import select

from hub import people, sessions
from hub.ops_tables import FlagRow, OperatorRow
from hub.tables import PostRow
from tests.ui.conftest import AXE, Watched, opened, served, settle
from tests.ui.test_axe import violations
from tests.ui.test_operating import Staffed, visit

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def office(built_board: Path, own_world: Path) -> Iterator[Staffed]:
    """A small world with an operator, two flags to decide on, and one on a post."""
    with opened(own_world) as hub, hub.database.work() as work:
        work.session.add(OperatorRow(name="grace", created_at=work.now))
        for whom in ("volta", "tesla"):
            work.session.add(
                FlagRow(
                    id=uuid4(), kind="agent", object=whom, reason=f"{whom} is rude",
                    by="noether", created_at=datetime.now(UTC),
                )
            )  # fmt: skip
        post = work.session.exec(select(PostRow).limit(1)).one()
        work.session.add(
            FlagRow(
                id=uuid4(), kind="post", object=str(post.id), reason="this is off topic",
                by="noether", created_at=datetime.now(UTC),
            )
        )  # fmt: skip
        work.session.flush()
        links = [people.LINK.format(url="", code=sessions.link(work, "grace")) for _ in range(7)]
    with served(own_world) as process:
        yield Staffed(process, links)


@pytest.fixture
def grace(office: Staffed, open_page: Callable[..., Page]) -> Page:
    """A browser in which grace has just signed in."""
    page = open_page(office.links.pop(), at=office.hub.url)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/ops")
    settle(page)
    return page


def decide(page: Page, word: str, reason: str) -> None:
    """Open an action's dialog, give a reason, and do it."""
    page.get_by_role("button", name=word, exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name=word, exact=True).click()
    expect(dialog).to_have_count(0)


def test_a_goal_is_begun_from_another_mended_and_opened(
    grace: Page, office: Staffed, watched: Watched
) -> None:
    page = visit(grace, office, "/ops/goals")
    page.get_by_role("button", name="New goal").first.click()
    page.wait_for_url("**/ops/goals?fresh=1")
    draft = page.get_by_role("group", name="A new goal")
    draft.get_by_label("Begin with").select_option("skeleton (library)")
    text = draft.get_by_role("textbox", name="goal.toml")
    expect(text).to_have_value(re.compile("my_goal"))
    text.fill(text.input_value().replace('"my_goal"', '"lowest"'))
    draft.get_by_role("button", name="train.py", exact=True).click()
    code = draft.get_by_role("textbox", name="train.py")
    whole = code.input_value()
    code.fill(whole + "\ndef broken(:\n")
    expect(draft.get_by_role("status")).to_contain_text("does not parse")
    expect(draft.get_by_role("button", name="Open the goal")).to_have_count(0)

    code.fill(whole)
    expect(draft.get_by_role("status")).to_contain_text("It can be opened")
    decide(page, "Open the goal", "a small one to learn with")

    expect(page.locator("a[href='/g/lowest']")).to_be_visible()
    goal: Any = office.hub.get("/v1/goals/lowest")
    assert goal["state"] == "open"
    assert watched.errors == []


def test_rules_are_edited_as_the_next_version_whose_change_is_shown(
    grace: Page, office: Staffed, watched: Watched
) -> None:
    page = visit(grace, office, "/ops/goals?edit=tiny_gpt")
    draft = page.get_by_role("group", name="Edit tiny_gpt")
    text = draft.get_by_role("textbox", name="goal.toml")
    expect(text).to_have_value(re.compile("timeout_seconds = 600"))
    text.fill(text.input_value().replace("timeout_seconds = 600", "timeout_seconds = 660"))
    expect(draft.get_by_role("status")).to_contain_text("stopped after 660 s")
    decide(page, "Save as the next version", "slow laptops need longer")

    visit(page, office, "/ops/goals?versions=tiny_gpt")
    page.get_by_role("button", name="What changed").first.click()
    expect(page.locator(".plus", has_text='"timeout_seconds": 660.0')).to_be_visible()
    assert watched.errors == []


def test_a_flagged_post_is_read_where_it_stands(
    grace: Page, office: Staffed, watched: Watched
) -> None:
    item = grace.get_by_role("listitem").filter(has_text="off topic")

    item.get_by_role("link").click()

    settle(grace)
    expect(grace.locator("article.named")).to_be_in_viewport()
    assert watched.errors == []


def test_a_decision_is_taken_back_by_a_key_and_the_loop_goes_on(
    grace: Page, office: Staffed, watched: Watched
) -> None:
    visit(grace, office, "/ops")
    waiting = grace.get_by_role("listitem").filter(has_text="is rude")
    expect(waiting).to_have_count(2)
    grace.locator("main").press("a")
    dialog = grace.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("they were polite")
    grace.keyboard.press("Enter")
    expect(waiting).to_have_count(1)
    expect(grace.get_by_role("status").filter(has_text="dismissed")).to_be_visible()

    grace.keyboard.press("z")

    expect(waiting).to_have_count(2)
    log: Any = grace.evaluate("fetch('/v1/ops/actions').then((said) => said.json())")
    assert [entry["action"] for entry in log["actions"][:2]] == ["action.undo", "flag.dismiss"]
    assert watched.errors == []


def test_a_preview_that_comes_after_the_decision_is_not_asked_for_any_more(
    grace: Page, office: Staffed, watched: Watched
) -> None:
    previews: list[Route] = []
    visit(grace, office, "/ops")
    grace.route("**/v1/ops/preview", lambda route: previews.append(route))
    waiting = grace.get_by_role("listitem").filter(has_text="is rude")
    expect(waiting).to_have_count(2)
    grace.locator("main").press("a")
    grace.get_by_role("dialog").get_by_label("Reason").fill("they were polite")
    grace.keyboard.press("Enter")
    expect(waiting).to_have_count(1)

    for preview in previews:
        preview.continue_()
    grace.keyboard.press("z")

    expect(waiting).to_have_count(2)
    assert len(previews) == 1
    assert watched.errors == []


def test_what_would_be_handed_out_is_shown_before_a_parent_is_forbidden(
    grace: Page, office: Staffed
) -> None:
    page = visit(grace, office, "/ops/goals")
    page.get_by_role("button", name="Curate").first.click()
    page.get_by_role("button", name="Forbid as parent").click()
    dialog = page.get_by_role("dialog")

    expect(dialog.get_by_text("The next ten work orders would change")).to_be_visible()
    expect(dialog.get_by_text("instead of").first).to_be_visible()


def test_making_a_goal_violates_no_rule(grace: Page, office: Staffed, watched: Watched) -> None:
    grace.add_init_script(AXE.read_text("utf-8"))
    for path in ("/ops/goals?edit=tiny_gpt", "/ops/goals?fresh=1", "/ops/goals?versions=tiny_gpt"):
        assert violations(grace, office.hub.url + path) == []
    assert (watched.errors, watched.outside) == ([], [])
