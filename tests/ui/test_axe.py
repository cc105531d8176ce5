"""Every page, in both themes and at two widths: no violation that axe can see."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.ui.conftest import AXE, ServedHub, Watched

pytestmark = [pytest.mark.ui, pytest.mark.timeout(600)]
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
    "/ops",
    "/nowhere/at/all",
)


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_violates_a_rule(
    open_page: Callable[..., Page],
    hub_process: ServedHub,
    watched: Watched,
    theme: str,
    width: int,
) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run npm ci in board_ui")
    found: dict[str, Any] = {}
    best = best_of(hub_process)
    for path in PATHS[:-1]:
        page = open_page(path.format(best=best), theme=theme, width=width)
        page.evaluate(AXE.read_text("utf-8"))
        said = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        if said["violations"]:
            found[path] = [
                (each["id"], each["nodes"][0]["html"][:160]) for each in said["violations"]
            ]
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} scrolls sideways by {wide} px"

    assert not found, json.dumps(found, indent=1)
    assert (watched.errors, watched.outside) == ([], [])


def best_of(hub: ServedHub) -> str:
    """The short sha of the best experiment so far."""
    rows: Any = hub.get("/v1/goals/tiny_gpt/leaderboard")
    return str(rows["experiments"][0]["sha"])[:7]
