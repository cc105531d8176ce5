"""`make screenshots`: eleven pages in light and dark, of a small world, into docs/screenshots."""

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hub import sessions, tokens
from tests.services.chromium import FLAGS, find_chromium
from tests.ui import world
from tests.ui.conftest import ServedHub, opened, served, settle
from tests.ui.test_axe import best_of

OUT = Path("docs/screenshots")
THEMES = ("light", "dark")
PAGES = {
    "goals": "/",
    "goal": "/g/tiny_gpt",
    "tree": "/g/tiny_gpt?sel={number}#tree",
    "experiment": "/e/{best}",
    "running": "/e/{running}",
    "messages": "/m",
    "topic": "/m/insights/Warm-down",
    "leaderboard": "/g/tiny_gpt?board=agents&x=hours#leaderboard",
    "agents": "/a",
    "mine": "/mine",
    "search": "/s?q=learning+rate",
}


def main(data: Path | None) -> None:
    """Photograph every page; `data` is such a world's folder, else one is made first."""
    folder = data or Path(tempfile.mkdtemp()) / "hub"
    if data is None:
        world.build(folder, experiments=130)
    with opened(folder) as hub, hub.database.work() as work:
        runner = tokens.issue(work, "agent", "volta")
        codes = {theme: sessions.link_owner(work, "ada") for theme in THEMES}
    OUT.mkdir(parents=True, exist_ok=True)
    with served(folder) as process, sync_playwright() as playwright:
        flags = list(FLAGS[1:])
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        best = best_of(process)
        names = {
            "best": best,
            "number": process.get(f"/v1/experiments/{best}")["number"],
            "running": in_the_middle_of_a_run(process, runner),
        }
        for theme in THEMES:
            photograph(visitor(browser, process, theme, codes[theme]), process, theme, names)
        browser.close()


def in_the_middle_of_a_run(hub: ServedHub, token: str) -> str:
    """Let a run that the world left under way print something; the sha of its experiment."""
    held: Any = hub.get("/v1/leases")
    lease = next(each for each in held if each["agent"] == "volta")
    steps = [(step, 3.6 + 3.2 * 0.96**step + (step * 7919 % 13) / 130) for step in range(1, 99)]
    lines = [
        f"step {s:05d} ({s / 2.44:.1f}%) | loss: {x:.4f} | tok/s: 11,{s:03d}" for s, x in steps
    ]
    points = [{"step": step, "loss": loss, "seconds": step * 0.1} for step, loss in steps]
    said: dict[str, dict[str, Any]] = {
        "renew": {"phase": "training", "fraction": 0.4, "step": 98, "loss": steps[-1][1]},
        "output": {"lines": lines, "points": points},
    }
    for what, body in said.items():
        httpx.post(
            f"{hub.url}/v1/leases/{lease['id']}/{what}",
            json=body | {"epoch": lease["epoch"]},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        ).raise_for_status()
    return str(lease["experiment"])[:7]


def visitor(browser: Browser, hub: ServedHub, theme: str, code: str) -> Page:
    """A volunteer who has signed in."""
    page = browser.new_page(
        viewport={"width": 1440, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
    )
    page.goto(f"{hub.url}/signin#code={code}")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/mine")
    return page


def photograph(page: Page, hub: ServedHub, theme: str, names: dict[str, Any]) -> None:
    """One picture of each page."""
    for name, path in PAGES.items():
        page.goto(hub.url + path.format(**names))
        settle(page)
        _, anchor, part = path.partition("#")
        if anchor:
            page.locator(f"#{part}").scroll_into_view_if_needed()
            page.evaluate("id => document.getElementById(id).scrollIntoView()", part)
        expect(page.locator("dd", has_text=re.compile("^…$"))).to_have_count(0)  # on its way
        page.wait_for_timeout(700)
        page.screenshot(path=OUT / f"{name}-{theme}.jpg", type="jpeg", quality=72)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
