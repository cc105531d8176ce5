"""`make screenshots`: nine pages in light and dark, of a small world, into docs/screenshots."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.services.chromium import FLAGS, find_chromium
from tests.services.ports import free_port
from tests.ui import world
from tests.ui.conftest import ServedHub, settle
from tests.ui.test_axe import best_of

OUT = Path("docs/screenshots")
PAGES = {
    "goals": "/",
    "goal": "/g/tiny_gpt",
    "tree": "/g/tiny_gpt?sel={number}#tree",
    "experiment": "/e/{best}",
    "messages": "/m",
    "topic": "/m/insights/Warm-down",
    "leaderboard": "/g/tiny_gpt?board=agents&x=hours#leaderboard",
    "agents": "/a",
    "search": "/s?q=learning+rate",
}


def main(data: Path | None) -> None:
    """Photograph every page; `data` is a hub's folder, else a world is made first."""
    folder = data or Path(tempfile.mkdtemp()) / "hub"
    if data is None:
        world.build(folder, experiments=130)
    hub = ServedHub(folder, free_port())
    hub.start()
    OUT.mkdir(parents=True, exist_ok=True)
    try:
        photograph(hub)
    finally:
        hub.kill()


def photograph(hub: ServedHub) -> None:
    """One picture for each page and theme."""
    best = best_of(hub)
    number = hub.get(f"/v1/experiments/{best}")["number"]
    with sync_playwright() as playwright:
        flags = list(FLAGS[1:])
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        for theme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": 1440, "height": 900},
                color_scheme="dark" if theme == "dark" else "light",
            )
            for name, path in PAGES.items():
                page.goto(hub.url + path.format(best=best, number=number))
                settle(page)
                if "#" in path:
                    page.locator(path[path.index("#") :]).scroll_into_view_if_needed()
                    anchor = path[path.index("#") :]
                    page.evaluate("id => document.querySelector(id).scrollIntoView()", anchor)
                page.wait_for_timeout(700)
                page.screenshot(path=OUT / f"{name}-{theme}.jpg", type="jpeg", quality=72)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
