"""A goal's page: its tree is shaped, its leaderboard sorted and filtered, its state shared."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.ui.conftest import ServedHub, Watched, settle

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]
GOAL = "/g/tiny_gpt"


def tree_of(hub: ServedHub) -> Any:
    """The goal's columns."""
    return hub.get("/v1/goals/tiny_gpt/tree")


def a_crowd(columns: Any, many: int) -> Any:
    """The same tree with many discarded tries under its root."""
    size = len(columns["number"])
    first = columns["number"][-1] + 1
    said = {**columns, "number": [*columns["number"], *range(first, first + many)]}
    said["parent"] = [*columns["parent"], *range(first, first + many)]
    said["score"] = [*columns["score"], *(1_900_000 + each * 100 for each in range(many))]
    finished = columns["statuses"].index("finished")
    for name, value in (("second_parent", 0), ("status", finished), ("standing", 0), ("kept", 0)):
        said[name] = [*columns[name], *[value] * many]
    said["agent"] = [*columns["agent"], *[0] * many]
    said["seconds"] = [*columns["seconds"], *[columns["seconds"][-1]] * many]
    assert size + many == len(said["score"])
    return said


def test_the_pane_beside_the_tree_is_made_wider_by_keys_and_stays_so(
    open_page: Callable[..., Page],
) -> None:
    page = open_page(f"{GOAL}?sel=1")
    # What can be done stands above what may be long: in a low pane the last button was cut.
    hide = page.get_by_role("button", name=re.compile("^Hide this")).bounding_box()
    change = page.get_by_role("region", name=re.compile("^Changes in")).bounding_box()
    assert hide and change and hide["y"] + hide["height"] < change["y"]
    line = page.get_by_role("separator", name="Width of the side pane")
    line.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(line).to_have_attribute("aria-valuenow", "408")

    page.reload()
    settle(page)

    expect(page.get_by_role("separator")).to_have_attribute("aria-valuenow", "408")
    page.get_by_role("separator").focus()
    page.keyboard.press("Home")
    expect(page.get_by_role("separator")).to_have_attribute("aria-valuenow", "360")


def test_the_pane_is_made_wider_by_the_mouse(open_page: Callable[..., Page]) -> None:
    page = open_page(f"{GOAL}?sel=1")
    line = page.get_by_role("separator", name="Width of the side pane")
    line.scroll_into_view_if_needed()
    box = line.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 12, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] - 88, box["y"] + 60)
    page.mouse.up()

    expect(line).to_have_attribute("aria-valuenow", "460")


def test_a_subtree_is_hidden_and_comes_back(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched
) -> None:
    columns = tree_of(hub_process)
    child = columns["number"][1]
    page = open_page(f"{GOAL}?tab=tree&sel={child}")
    canvas = page.locator("canvas[role=application]")
    before = int(canvas.get_attribute("data-glyphs") or 0)
    page.get_by_role("button", name=re.compile("^Hide this")).click()

    page.wait_for_url(f"**hide={child}*")
    shown = page.get_by_role("button", name="1 subtree hidden, show")
    expect(shown).to_be_visible()
    assert int(canvas.get_attribute("data-glyphs") or 0) < before
    page.reload()
    settle(page)
    shown.click()

    expect(shown).to_have_count(0)
    expect(canvas).to_have_attribute("data-glyphs", str(before))
    assert watched.errors == []


def test_an_agents_work_is_ringed_and_zoomed_to(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    columns = tree_of(hub_process)
    name = columns["agents"][columns["agent"][-1]]
    count = sum(columns["agents"][each] == name for each in columns["agent"])
    page = open_page(f"{GOAL}?tab=tree")
    page.get_by_label("Ring").select_option(f"@{name}")

    page.wait_for_url("**mark=*")
    word = "hit" if count == 1 else "hits"
    expect(page.get_by_role("button", name=f"Zoom to {count} {word}", exact=True)).to_be_enabled()


@pytest.mark.parametrize("colour", ["hardware", "category", "agent"])
def test_colours_that_stand_for_names_are_named(
    open_page: Callable[..., Page], watched: Watched, colour: str
) -> None:
    page = open_page(f"{GOAL}?tab=tree&colour={colour}")

    words = {"hardware": "RTX 4090", "category": "baseline", "agent": "volta"}
    expect(page.get_by_role("group", name="Colours")).to_contain_text(words[colour])
    assert watched.errors == []


def test_a_bundle_shows_how_its_tries_came_out(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched
) -> None:
    crowd = json.dumps(a_crowd(tree_of(hub_process), 5000))
    page = open_page("/words")
    page.route("**/tiny_gpt/tree*", lambda route: route.fulfill(body=crowd))
    page.goto(f"{hub_process.url}{GOAL}?tab=tree&bundle=0")
    pane = page.get_by_label("Folded tries")

    expect(pane.get_by_role("heading")).to_contain_text("tries folded under #0")
    expect(pane.get_by_role("img")).to_have_attribute("aria-label", re.compile("best 1.9"))
    canvas = page.locator("canvas[role=application]")
    before = int(canvas.get_attribute("data-glyphs") or 0)
    pane.get_by_role("button", name="Show 40 more in the tree").click()
    page.wait_for_url("**open=0*")
    expect(canvas).to_have_attribute("data-glyphs", str(before + 40))
    assert watched.errors == []


def test_without_the_tree_the_best_experiments_are_listed(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    def _break(route: Route) -> None:
        route.fulfill(status=500, body=json.dumps({"detail": "The tree is broken today."}))

    page = open_page("/words")
    page.route("**/tiny_gpt/tree*", _break)
    page.goto(f"{hub_process.url}{GOAL}?tab=tree")

    listed = page.locator("section", has=page.get_by_role("heading", name="Without the tree"))
    expect(listed.get_by_role("link").first).to_be_visible()


MANGLED = (
    *("hide=0", "hide=abc,-1&sel=1", "bundle=99999", "mark=@nobody", "colour=bogus", "kinds=bogus"),
    *("view=bogus", "sort=bogus&tier=nothing", "span=a,b", "x=bogus", "x=tokens&hw=nothing"),
)


def test_a_mangled_address_shows_the_page_all_the_same(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched
) -> None:
    page = open_page("/words")

    for query in MANGLED:
        page.goto(f"{hub_process.url}{GOAL}?{query}")
        expect(page.get_by_role("heading", level=1).first).to_be_visible()
        expect(page.locator("canvas[role=application]")).to_be_visible()
    page.goto(f"{hub_process.url}/a?sort=bogus&span=bogus")
    expect(page.locator("tbody tr.line").first).to_be_visible()

    assert watched.errors == []


def column(page: Page, at: int) -> list[str]:
    """The words of one column of the leaderboard."""
    return page.locator(f"#leaderboard tbody tr.line td:nth-child({at})").all_inner_texts()


def test_what_runs_cost_comes_late_and_moves_nothing(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    page = open_page("/")
    held: list[Route] = []
    page.route("**/effort*", lambda route: held.append(route))
    page.goto(hub_process.url + GOAL)
    settle(page)
    expect(page.locator("#progress canvas").first).to_be_visible()
    while not held:
        page.wait_for_timeout(100)
    before = box_of_tree(page)

    for route in held:
        route.continue_()
    expect(page.get_by_text("Device time used").locator("..")).not_to_contain_text("…")

    assert box_of_tree(page) == before


def box_of_tree(page: Page) -> Any:
    """Where the tree stands: below everything that comes late."""
    return page.locator("#tree").bounding_box()


def test_the_leaderboard_sorts_both_ways_and_says_so(open_page: Callable[..., Page]) -> None:
    page = open_page(f"{GOAL}?tab=leaderboard&all=1")
    table = page.get_by_role("region", name="Leaderboard table")
    assert table.evaluate("table => table.scrollWidth - table.clientWidth") == 0
    head = page.locator("#leaderboard th", has_text="Runs")
    ranks = column(page, 1)
    assert ranks == [str(each + 1) for each in range(len(ranks))]

    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    down = [int(each) for each in column(page, 7)]
    head.get_by_role("button").click()
    page.wait_for_url("**sort=-runs*")

    expect(head).to_have_attribute("aria-sort", "ascending")
    up = [int(each) for each in column(page, 7)]
    assert down == sorted(down, reverse=True) and up == sorted(up) and up != down


def test_scores_orders_of_magnitude_apart_are_drawn_by_their_logarithms(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched
) -> None:
    columns = tree_of(hub_process)
    columns["score"] = [score and score / 10**at for at, score in enumerate(columns["score"])]
    page = open_page(GOAL)
    expect(page.get_by_label("logarithm")).to_have_count(0)
    page.route("**/tree", lambda route: route.fulfill(body=json.dumps(columns)))
    page.reload()

    page.get_by_label("logarithm").check()

    page.wait_for_url("**log=1*")
    expect(page.get_by_label("logarithm")).to_be_checked()
    expect(page.locator("#progress")).not_to_contain_text("of one run around the best")
    assert watched.errors == []


def test_a_leaderboard_says_why_nothing_is_verified_and_who_is_champion(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    told: dict[str, Any] = hub_process.get("/v1/goals/tiny_gpt/card")
    ranking: Any = hub_process.get("/v1/goals/tiny_gpt/ranking")
    crowned = ranking["experiments"][1]
    none = told | {"champion": None, "verified_best": None, "owners_missing": 1}
    some = told | {"champion": crowned["sha"], "verified_best": crowned["score"]}
    cards, lists = iter([none, some]), iter([ranking | {"experiments": []}, ranking])
    page = open_page("/words")
    page.route("**/card", lambda route: route.fulfill(body=json.dumps(next(cards))))
    page.route("**/ranking*", lambda route: route.fulfill(body=json.dumps(next(lists))))

    page.goto(f"{hub_process.url}{GOAL}?tab=leaderboard&all=0")
    expect(page.locator("#leaderboard")).to_contain_text("before 1 more owner runs something here")
    page.reload()

    title = page.locator("#leaderboard tbody tr.line", has_text=crowned["title"])
    expect(title).to_contain_text(["champion"])


def test_a_class_of_hardware_has_a_leaderboard_of_its_own(
    open_page: Callable[..., Page], watched: Watched
) -> None:
    page = open_page(f"{GOAL}?tab=leaderboard&all=1")
    page.locator("#leaderboard").get_by_label("Hardware").select_option("H100 80GB")
    page.wait_for_url("**tier=H100*")
    expect(page.locator("#leaderboard")).to_contain_text("Places among what ran on H100 80GB")

    assert column(page, 1)[0] == "1"
    assert watched.errors == []


def test_a_long_leaderboard_makes_only_the_rows_on_the_screen(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    real: Any = hub_process.get("/v1/goals/tiny_gpt/ranking?limit=1")
    asked: list[str] = []

    def _many(route: Route) -> None:
        asked.append(route.request.url)
        start = int(route.request.url.partition("cursor=")[2] or 0)
        rows = [
            {**real["experiments"][0], "rank": at + 1, "number": at, "sha": f"{at:040x}"}
            for at in range(start, start + 100)
        ]
        said = {**real, "experiments": rows, "next_cursor": str(start + 100)}
        route.fulfill(body=json.dumps(said))

    page = open_page("/words")
    page.route("**/ranking*", _many)
    page.goto(f"{hub_process.url}{GOAL}?tab=leaderboard&all=1")
    expect(page.locator("#leaderboard tbody tr.line").first).to_be_visible()
    assert page.locator("#leaderboard tbody tr.line").count() < 60

    page.get_by_label("Leaderboard table").evaluate("box => box.scrollTo(0, 2600)")
    expect(page.locator("#leaderboard")).to_contain_text("The first 200")

    expect(page.locator("#leaderboard tbody tr.line", has_text="#80")).to_be_visible()
    assert page.locator("#leaderboard tbody tr.line").count() < 60
    assert [url.partition("cursor=")[2] for url in asked] == ["", "100"]
