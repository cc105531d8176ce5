"""`python -m benchmarks.ui.measure`: sizes and times of the board, written to benchmarks/results.

Sizes are of the gzipped files that a first view loads. Times are of a real Chromium without a GPU
on a real hub: from the start of navigation until the tree can be used and no panel is loading.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.ui import trees
from benchmarks.ui.sizes import sizes
from tests.services.chromium import FLAGS, find_chromium
from tests.services.ports import free_port

OUT = Path("benchmarks/results/ui.json")
FRAMES = """async () => { const gaps = []; let last = performance.now();
  for (let i = 0; i < 90; i++) { await new Promise(requestAnimationFrame);
    const now = performance.now(); gaps.push(now - last); last = now; }
  return gaps; }"""


def main() -> None:
    """Measure, print and keep."""
    found: dict[str, Any] = {"machine": machine(), "bytes_gzip": sizes()}
    with sync_playwright() as playwright:
        flags = [*FLAGS[1:], "--js-flags=--expose-gc", "--enable-precise-memory-info"]
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        for name, tree in goals_to_draw():
            with served(tree) as url:
                found[name] = look(browser, url)
            print(name, json.dumps(found[name]))
        browser.close()
    OUT.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found["bytes_gzip"], indent=2))


def machine() -> dict[str, object]:
    """What it ran on, the load included: other work makes times worse."""
    return {"cpus": os.cpu_count(), "load": os.getloadavg()[0], "date": time.strftime("%F %H:%M")}


def goals_to_draw() -> Iterator[tuple[str, list[tuple[int, float | None]]]]:
    """The trees that the budgets name."""
    yield "10,000 experiments", trees.synthetic(10_000)
    yield "100,000 experiments", trees.synthetic(100_000)
    if trees.RECORD.exists():
        yield "public record, 14,732 results", trees.public_record()
    else:
        print(f"{trees.RECORD} is not here: the public record is left out.")


@contextmanager
def served(tree: list[tuple[int, float | None]]) -> Iterator[str]:
    """A hub process with one goal that holds the tree."""
    folder = Path(tempfile.mkdtemp())
    trees.fill(folder / "hub", tree)
    try:
        with serving(folder / "hub") as url:
            yield url
    finally:
        shutil.rmtree(folder)


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """A hub process over a data folder, killed at the end."""
    port = free_port()
    command = [sys.executable, "-m", "hub", "serve", "--data", str(data)]
    process = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=5).close()
            break
        except OSError:
            time.sleep(0.1)
    try:
        yield url
    finally:
        process.kill()
        process.wait()


def look(browser: Browser, url: str) -> dict[str, Any]:
    """Open the goal page three times, then pan the tree in both views."""
    usable = [opened(browser, url) for _ in range(3)]
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.goto(f"{url}/g/tiny_gpt")
    canvas = ready(page)
    said: dict[str, Any] = {
        "usable_ms_median": round(statistics.median(usable)),
        "usable_ms": [round(value) for value in usable],
        "focus_glyphs": int(canvas.get_attribute("data-glyphs") or 0),
        "focus_frames_p95_ms": pan(page),
    }
    page.evaluate("gc()")
    said["heap_mb"] = round(page.evaluate("performance.memory.usedJSHeapSize") / 1e6, 1)
    page.goto(f"{url}/g/tiny_gpt?view=all")
    ready(page)
    said["everything_frames_p95_ms"] = pan(page)
    page.close()
    return said


def opened(browser: Browser, url: str) -> float:
    """Milliseconds until the tree is drawn and every panel is filled; cold cache."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    page = context.new_page()
    started = time.perf_counter()
    page.goto(f"{url}/g/tiny_gpt", wait_until="commit")
    ready(page)
    spent = (time.perf_counter() - started) * 1000
    context.close()
    return spent


def ready(page: Page) -> Any:
    """The tree's canvas, once it holds something and nothing on the page is loading."""
    canvas = page.locator("canvas[data-glyphs]")
    canvas.wait_for(timeout=120_000)
    while page.locator("[aria-busy=true]").count():
        page.wait_for_timeout(5)
    return canvas


def pan(page: Page) -> float:
    """The 95th percentile of frame times in milliseconds while the tree is dragged about."""
    box = page.locator("canvas[data-glyphs]").bounding_box()
    assert box is not None
    page.locator("canvas[data-glyphs]").scroll_into_view_if_needed()
    box = page.locator("canvas[data-glyphs]").bounding_box() or box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    drag = f"""async () => {{ const c = document.querySelector('canvas[data-glyphs]');
      c.setPointerCapture = () => {{}}; let i = 0;
      const at = (k, t) => new PointerEvent(t, {{clientX: {x} + k, clientY: {y} + k / 2, button: 0,
        pointerId: 1, bubbles: true}});
      c.dispatchEvent(at(0, 'pointerdown'));
      const timer = setInterval(() => c.dispatchEvent(
        at(60 * Math.sin(i++ / 5), "pointermove")), 8);
      const gaps = await ({FRAMES})(); clearInterval(timer);
      c.dispatchEvent(at(0, 'pointerup')); return gaps; }}"""
    gaps = sorted(page.evaluate(drag))
    return round(float(gaps[int(len(gaps) * 0.95)]), 1)


if __name__ == "__main__":
    main()
