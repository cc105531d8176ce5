"""Addresses of what is not there: one heading says so, one way on, and no panels of nothing."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

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
