"""Every page, in both themes and at two widths: no violation that axe can see."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.ui.conftest import AXE, ServedHub, Watched, settle

pytestmark = [pytest.mark.ui, pytest.mark.timeout(600)]
LOOK = "axe.run(document, {resultTypes: ['violations']})"
# The two themes differ in nothing but colours; by name, as a tag would bring in level AAA.
LOOK_AT_COLOURS = (
    "axe.run(document, {runOnly: {type: 'rule', values: ['color-contrast', 'link-in-text-block']},"
    " resultTypes: ['violations']})"
)
PATHS = (
    "/",
    "/g/tiny_gpt?sel=0",
    "/g/tiny_gpt?tab=tree&view=outline",
    "/g/tiny_gpt?tab=leaderboard&all=1",
    "/e/{best}",
    "/m",
    "/m/discussion/Is%20depth%20worth%20it%3F",
    "/a",
    "/a/volta",
    "/s?q=learning",
    "/words",
    "/signin",
    "/mine",
    "/ops",
    "/g/nowhere",
    "/e/0000000",
    "/a/nobody",
    "/nowhere/at/all",
)


@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_violates_a_rule_in_either_theme(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched, width: int
) -> None:
    assert AXE.exists(), "axe-core is missing: run scripts/test_services.sh"
    best = best_of(hub_process)
    page = open_page("/", width=width)
    page.add_init_script(AXE.read_text("utf-8"))
    found = [
        violation
        for path in PATHS
        for violation in violations(page, hub_process.url + path.format(best=best))
    ]

    assert found == [], json.dumps(found, indent=1)
    assert [said for said in watched.errors if "404" not in said] == []
    assert watched.outside == []


def violations(page: Page, url: str) -> list[tuple[str, ...]]:
    """What axe finds on a page in light and in dark, and whether it scrolls sideways."""
    page.goto(url)
    settle(page)
    found: list[tuple[str, ...]] = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        said: Any = page.evaluate(LOOK if theme == "light" else LOOK_AT_COLOURS)
        found += [
            (url, theme, each["id"], each["nodes"][0]["html"][:160]) for each in said["violations"]
        ]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*found, (url, f"scrolls sideways by {wide} px")] if wide > 0 else found


def best_of(hub: ServedHub) -> str:
    """The short sha of the best experiment so far."""
    rows: Any = hub.get("/v1/goals/tiny_gpt/leaderboard")
    return str(rows["experiments"][0]["sha"])[:7]
