"""Every page at four widths, the narrowest a small phone's: nothing overlaps, nothing runs out.

Pixels differ from machine to machine with its fonts, so boxes are compared instead (ADR 0072).
"""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.ui.conftest import ServedHub, Watched, settle
from tests.ui.test_axe import PATHS, best_of

pytestmark = [pytest.mark.ui, pytest.mark.timeout(600)]
WIDTHS = (320, 700, 1280, 2560)
SHOWN = """() => {
  const clipped = (box, node) => {
    let [left, top, right, bottom] = [box.left, box.top, box.right, box.bottom];
    for (let up = node.parentElement; up; up = up.parentElement) {
      const style = getComputedStyle(up);
      if (style.overflowX === 'visible' && style.overflowY === 'visible') continue;
      const edge = up.getBoundingClientRect();
      [left, right] = [Math.max(left, edge.left), Math.min(right, edge.right)];
      [top, bottom] = [Math.max(top, edge.top), Math.min(bottom, edge.bottom)];
    }
    return [left, top, right, bottom].map((each) => Math.round(each));
  };
  const found = [];
  let number = 0;
  for (const node of document.querySelectorAll('a, button, input, select, textarea, summary')) {
    if (!node.checkVisibility({visibilityProperty: true})) continue;
    if (node.closest('.hide-visually')) continue;
    const words = (node.getAttribute('aria-label') ?? node.innerText ?? '').slice(0, 40);
    number += 1;
    for (const line of node.getClientRects()) {
      const [left, top, right, bottom] = clipped(line, node);
      if (right - left > 2 && bottom - top > 2)
        found.push({what: `${node.tagName} ${words}`, number, left, top, right, bottom,
          high: Math.round(line.height)});
    }
  }
  return {found, wide: document.documentElement.scrollWidth - innerWidth};
}"""
APART = """(found) => {
  const over = [];
  for (let i = 0; i < found.length; i++) for (let j = i + 1; j < found.length; j++) {
    const [a, b] = [found[i], found[j]];
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (a.number === b.number || wide <= 3 || high <= 3) continue;
    over.push(`${a.what} over ${b.what}: ${wide} x ${high}`);
  }
  return over.slice(0, 5);
}"""


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overlaps_or_runs_out_and_both_themes_stand_alike(
    open_page: Callable[..., Page], hub_process: ServedHub, watched: Watched, width: int
) -> None:
    best = best_of(hub_process)
    page = open_page("/", width=width)
    wrong: list[str] = []
    for path in PATHS:
        page.goto(hub_process.url + path.format(best=best))
        settle(page)
        page.keyboard.press("Shift")  # a link that names a part holds the page there until one acts
        page.evaluate("scrollTo(0, 0)")  # the bar lies over what is scrolled under it
        light, dark = both(page)
        for _ in range(40):
            if stand(light) == stand(dark):
                break
            page.wait_for_timeout(250)  # something came between the two looks: look again
            light, dark = both(page)
        wrong += [f"{path}: {each}" for each in faults(page, light)]
        wrong += [f"{path}: {each} only in one theme" for each in stand(light) ^ stand(dark)]

    assert wrong == [], "\n".join(wrong)
    assert watched.outside == []


def both(page: Page) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands where in light, and in dark."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    light = boxes(page)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    return light, boxes(page)


def boxes(page: Page) -> dict[str, Any]:
    """Whatever can be pressed or filled in, and how far the page runs beyond its window."""
    said: dict[str, Any] = page.evaluate(SHOWN)
    return said


def faults(page: Page, said: dict[str, Any]) -> list[str]:
    """What overlaps, what is too small for a finger, and whether the page scrolls sideways."""
    apart: list[str] = page.evaluate(APART, said["found"])
    small = [
        f"{box['what']} is {box['high']} px high"
        for box in said["found"]
        if box["what"].startswith("BUTTON") and box["high"] < 23
    ]
    wide = [f"scrolls sideways by {said['wide']} px"] if said["wide"] > 0 else []
    return [*apart, *small[:5], *wide]


def stand(said: dict[str, Any]) -> set[tuple[str, ...]]:
    """Which things stand where across the page; how far down depends on what was told since."""
    return {(box["what"], str(box["left"]), str(box["right"])) for box in said["found"]}
