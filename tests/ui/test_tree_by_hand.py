"""The tree under somebody's hand: it stays where it was put, and follows who walks it by keys."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from tests.ui.conftest import ServedHub, settle
from tests.ui.test_goal import GOAL, a_crowd, tree_of

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]
# From where to where something is drawn.
INK = """(canvas) => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let left = canvas.width, right = 0;
  for (let at = 3; at < data.length; at += 4) {
    if (data[at] < 128) continue;
    const x = (at >> 2) % canvas.width;
    left = Math.min(left, x); right = Math.max(right, x);
  }
  return {left, right};
}"""


def canvas_of(page: Page) -> Locator:
    """The tree's canvas, in the window."""
    canvas = page.locator("canvas[role=application]")
    canvas.scroll_into_view_if_needed()
    return canvas


def box_of(canvas: Locator) -> FloatRect:
    """Where it stands."""
    box = canvas.bounding_box()
    assert box is not None
    return box


def first_experiment(page: Page, canvas: Locator) -> tuple[float, float]:
    """A point on the baseline: it stands at the same place in every tree that fits."""
    box = box_of(canvas)
    return box["x"] + 30, box["y"] + 32


def test_the_page_scrolls_on_over_a_tree_that_nobody_works_with(
    open_page: Callable[..., Page],
) -> None:
    page = open_page(GOAL)
    canvas = canvas_of(page)
    box = box_of(canvas)
    before = page.evaluate("scrollY")
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.wheel(0, 240)

    expect(page.get_by_text("hold Ctrl to zoom")).to_be_visible()
    assert page.evaluate("scrollY") > before + 100


def test_a_wheel_zooms_the_tree_that_was_clicked(open_page: Callable[..., Page]) -> None:
    page = open_page(GOAL)
    canvas = canvas_of(page)
    box = box_of(canvas)
    page.mouse.click(box["x"] + 300, box["y"] + box["height"] - 20)
    before: Any = canvas.evaluate(INK)
    top = page.evaluate("scrollY")
    page.mouse.wheel(0, -240)
    page.wait_for_timeout(300)

    after: Any = canvas.evaluate(INK)
    assert after != before
    assert page.evaluate("scrollY") == top


def test_two_fingers_zoom_the_tree_about_the_point_between_them(
    open_page: Callable[..., Page],
) -> None:
    page = open_page(GOAL)
    canvas = canvas_of(page)
    x, y = first_experiment(page, canvas)
    before: Any = canvas.evaluate(INK)
    hand = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 80), ("touchMove", 60), ("touchMove", 40), ("touchEnd", 0)):
        points = [{"x": x + 100 + side * apart, "y": y, "id": side} for side in (0, 1)]
        hand.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points if apart else []}
        )
    page.wait_for_timeout(300)

    after: Any = canvas.evaluate(INK)
    # The left finger stayed and the right one came half the way; labels keep their size.
    for edge in ("left", "right"):
        assert after[edge] - 130 == pytest.approx((before[edge] - 130) / 2, abs=20)
    expect(page.get_by_role("heading", name="Experiment #0")).to_have_count(0)


def test_a_click_on_an_experiment_leaves_the_tree_as_near_as_it_was(
    open_page: Callable[..., Page],
) -> None:
    page = open_page(GOAL)
    canvas = canvas_of(page)
    x, y = first_experiment(page, canvas)
    page.mouse.click(x + 200, y + 300)
    for _ in range(3):
        page.get_by_role("button", name="Zoom out").click()
    near: Any = canvas.evaluate(INK)
    left = near["left"]
    page.mouse.click(box_of(canvas)["x"] + left + 3, row_of_the_baseline(page, canvas, left))

    expect(page.get_by_role("heading", name="Experiment #0")).to_be_visible()
    page.wait_for_timeout(500)
    after: Any = canvas.evaluate(INK)
    assert abs((after["right"] - after["left"]) - (near["right"] - near["left"])) < 24


def row_of_the_baseline(page: Page, canvas: Locator, left: int) -> float:
    """The line on the screen where the leftmost mark stands."""
    row: int = canvas.evaluate(
        """(canvas, left) => {
          const {data} = canvas.getContext('2d').getImageData(left, 0, 6, canvas.height);
          const rows = [];
          for (let at = 3; at < data.length; at += 4) if (data[at] > 128) rows.push((at >> 2) / 6);
          return Math.round(rows.reduce((sum, each) => sum + each, 0) / rows.length);
        }""",
        left,
    )
    return box_of(canvas)["y"] + row


def test_a_double_click_opens_what_the_first_click_hit(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    root: Any = hub_process.get("/v1/experiments/%230?goal=tiny_gpt")
    page = open_page(GOAL)
    x, y = first_experiment(page, canvas_of(page))

    page.mouse.dblclick(x, y, delay=120)

    page.wait_for_url(f"**/e/{root['sha'][:7]}*")


def test_a_double_click_on_nothing_opens_nothing(open_page: Callable[..., Page]) -> None:
    page = open_page(f"{GOAL}?sel=0")
    canvas = canvas_of(page)
    box = box_of(canvas)

    page.mouse.dblclick(box["x"] + 200, box["y"] + box["height"] - 12)
    page.wait_for_timeout(500)

    assert "/g/tiny_gpt" in page.url


def test_a_bundle_that_keys_come_to_is_on_the_screen(
    open_page: Callable[..., Page], hub_process: ServedHub
) -> None:
    said = a_crowd(tree_of(hub_process), 900)
    page = open_page("/")
    page.route("**/v1/goals/tiny_gpt/tree*", lambda route: route.fulfill(json=said))
    page.set_viewport_size({"width": 1280, "height": 600})
    page.goto(f"{hub_process.url}{GOAL}?sel=0")
    settle(page)
    canvas = canvas_of(page)
    canvas.focus()
    canvas.press("ArrowRight")
    for _ in range(60):
        canvas.press("ArrowDown")
    folded = page.get_by_role("heading", name="tries folded under")
    expect(folded).to_be_visible()
    canvas.press("ArrowUp")
    expect(folded).to_have_count(0)
    box = box_of(canvas)
    page.mouse.move(box["x"] + 200, box["y"] + 330)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] - 180, steps=4)
    page.mouse.up()
    canvas.press("ArrowDown")
    expect(folded).to_be_visible()
    page.wait_for_timeout(300)

    ring = canvas.evaluate(
        """(canvas) => {
          const probe = document.createElement('i');
          probe.style.color = 'var(--accent)';
          document.body.append(probe);
          const ink = getComputedStyle(probe).color.match(/\\d+/g).slice(0, 3).map(Number);
          probe.remove();
          const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          let found = 0;
          for (let at = 0; at < data.length; at += 4)
            if (ink.every((each, of) => Math.abs(each - data[at + of]) < 4)) found += 1;
          return found;
        }"""
    )
    assert ring > 20
