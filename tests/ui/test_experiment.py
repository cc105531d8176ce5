"""The experiment page at a real browser: diff, curves, log, children, and addresses that say it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.ui.conftest import ServedHub, Watched, settle
from tests.ui.test_axe import best_of

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]


def region(page: Page, name: str) -> Any:
    return page.get_by_role("region", name=name, exact=True)


def test_a_diff_is_widened_split_and_rid_of_white_space_and_the_address_says_so(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched
) -> None:
    page = open_page(f"/e/{best_of(hub_process)}")
    diff = region(page, "Diff")
    expect(diff.get_by_role("button", name="Copy patch")).to_be_visible()
    few = diff.get_by_role("row").count()
    page.emulate_media(forced_colors="active", color_scheme="dark")
    ground = diff.locator("mark").first.evaluate("mark => getComputedStyle(mark).backgroundColor")
    # Forced colours write black in a mark: without a ground of its own it vanished on black.
    assert re.fullmatch(r"rgb\(.+\)", ground)

    diff.get_by_label("whole files").check()
    expect(diff.get_by_role("row").nth(few + 20)).to_be_attached()
    diff.get_by_label("ignore white space").check()
    diff.get_by_role("button", name="Side by side").click()
    diff.get_by_role("button", name="vs root").click()
    page.wait_for_url(re.compile(r"vs=root&split=1&space=1&whole=1"))

    page.reload()
    settle(page)
    expect(diff.get_by_label("whole files")).to_be_checked()
    expect(diff.get_by_role("button", name="Unified")).to_be_visible()
    assert watched.errors == []


def test_curves_of_other_experiments_are_drawn_over_and_at_most_five(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched
) -> None:
    rows: Any = hub_process.get("/v1/goals/tiny_gpt/leaderboard?limit=9")
    others = [f"#{row['number']}" for row in rows["experiments"][1:6]]
    page = open_page(f"/e/{best_of(hub_process)}?over=0")
    curve = region(page, "Learning curve")
    box = curve.get_by_label("Draw another experiment's curve")
    for name in others[:4]:
        box.fill(name)
        box.press("Enter")
        expect(curve.get_by_role("button", name=f"Take {name} away")).to_be_visible()
    box.fill(others[4])
    box.press("Enter")
    expect(curve.get_by_text("At most 5 curves")).to_be_visible()

    curve.get_by_role("button", name="Tokens").click()
    curve.get_by_label("log").check()
    expect(
        curve.get_by_role("img", name=re.compile("Training loss by tokens: this"))
    ).to_be_visible()
    page.reload()
    settle(page)
    expect(curve.get_by_role("button", name="Tokens")).to_have_attribute("aria-pressed", "true")
    expect(curve.get_by_role("button", name=re.compile("Take .* away"))).to_have_count(4)
    expect(curve.get_by_text(re.compile("points.*train.py printed it"))).to_be_visible()
    box.fill("#99999")
    box.press("Enter")
    expect(curve.get_by_role("status")).to_contain_text("At most 5")
    assert watched.errors == []


def test_a_log_is_read_upwards_searched_whole_and_wrapped(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched
) -> None:
    page = open_page(f"/e/{best_of(hub_process)}")
    log = region(page, "Log")
    lines = log.get_by_role("log").locator("div")
    expect(lines).to_have_count(200)

    log.get_by_role("button", name="Earlier lines (46 more)").click()
    expect(lines).to_have_count(246)
    expect(lines.first).to_have_attribute("data-line", "1")

    page.reload()
    settle(page)
    log.get_by_label("Search the log").fill("step 00001 ")
    expect(lines).to_have_count(1)
    expect(lines.locator("mark")).to_have_text("step 00001 ")
    expect(log.get_by_role("status")).to_contain_text("1 line matches of 246")
    page.wait_for_url("**find=step+00001+")
    assert watched.errors == []


def test_children_stand_best_first_below_how_all_of_them_went(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    goal: Any = hub_process.get("/v1/goals/tiny_gpt")
    tree: Any = hub_process.get("/v1/goals/tiny_gpt/tree")
    parents = [n - back for n, back in zip(tree["number"], tree["parent"], strict=True) if back]
    number = max(set(parents), key=parents.count)
    many: Any = hub_process.get(f"/v1/experiments/%23{number}?goal={goal['name']}")
    kids: Any = hub_process.get(f"/v1/experiments/{many['sha']}/children?sort=best")

    page = open_page(f"/e/{many['sha'][:7]}")

    listed = region(page, "Children").get_by_role("listitem")
    expect(listed).to_have_count(len(kids["experiments"]))
    for index, kid in enumerate(kids["experiments"][:3]):
        expect(listed.nth(index)).to_contain_text(f"#{kid['number']}")
    drawn = region(page, "Children").get_by_role("img").count()
    assert drawn == (1 if len(kids["experiments"]) >= 8 else 0)


def test_a_mistyped_sha_is_answered_with_what_it_may_mean(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    best = best_of(hub_process)
    wrong = best[:5] + ("0" if best[5] != "0" else "1") + best[6]
    page = open_page(f"/e/{wrong}")

    page.get_by_role("link", name=re.compile(f"^{best[:7]}")).click()

    page.wait_for_url(f"**/e/{best[:7]}*")
