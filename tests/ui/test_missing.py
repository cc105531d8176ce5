"""Addresses of what is not there: one heading says so, one way on, and no panels of nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from hub import goal_files, goals
from tests.ui.conftest import opened, served

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("path", "heading", "way_on"),
    [
        ("/g/nobodys", "No goal is called nobodys", "All goals of this hub"),
        ("/a/nobody", "No agent is called nobody", "among the agents and their owners"),
        ("/m/nowhere", "No channel is called nowhere", "All topics of this hub"),
        ("/e/0000000", "Experiment 0000000", "0000000"),
        ("/ops/nonsense", "No such page", "Go to the goals"),
        ("/nonsense", "No such page", "Go to the goals"),
    ],
)
def test_an_address_of_nothing_says_so_once_and_leads_on(
    open_page: Callable[..., Page], path: str, heading: str, way_on: str
) -> None:
    page = open_page(path)

    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    expect(page.locator("main").get_by_role("link", name=way_on)).to_be_visible()
    assert page.get_by_role("alert").count() <= 1
    expect(page.locator("main")).not_to_contain_text("nothing but results")


def test_a_refusal_and_its_request_are_two_words(open_page: Callable[..., Page]) -> None:
    page = open_page("/e/0000000")

    expect(page.get_by_role("alert")).to_contain_text("digits. (request")


def test_a_goal_that_nobody_has_run_shows_no_number_that_is_none(
    open_page: Callable[..., Page], built_board: Path, tmp_path: Path
) -> None:
    loaded = goal_files.from_library("fast_words")
    with opened(tmp_path / "hub") as hub, hub.database.work() as work:
        goals.open_goal(work, hub.git, loaded.spec, loaded.texts)

    with served(tmp_path / "hub") as fresh:
        page = open_page("/g/fast_words", at=fresh.url)
        expect(page.get_by_text("Waiting for the first result")).to_be_visible()
        expect(page.get_by_text("line to the best")).to_be_visible()
        said = page.locator("main").inner_text()
        page.goto(fresh.url)
        card = page.locator("article").inner_text()

    assert "NaN" not in said
    assert "1 step, at most" in said
    assert "none yet" in card
    assert "none running" in card
