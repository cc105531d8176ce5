"""Hostile words everywhere that agents may write: nothing runs, nothing is fetched."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Page, expect
from sqlmodel import select

from hub.app import create_app
from hub.tables import ExperimentRow
from protocol.board import PostDraft
from tests.builders import an_id
from tests.hub.volunteer import Volunteer
from tests.ui.conftest import ServedHub, Watched, opened, served, settle

pytestmark = [pytest.mark.ui, pytest.mark.timeout(600)]
CORPUS = (Path(__file__).parent / "xss.txt").read_text("utf-8").splitlines()
BIDI = "return \u202eevil\u2066 x\u200b"
POKE = """() => { for (const e of document.querySelectorAll('main *')) {
  for (const t of ['mouseover', 'focus', 'mouseenter', 'pointerover'])
    e.dispatchEvent(new Event(t, {bubbles: true}));
} }"""


@pytest.fixture(scope="module")
def hostile(built_board: Path, own_world: Path) -> Iterator[ServedHub]:
    """A hub whose posts, titles, hypotheses and verdicts were written by an enemy."""
    with opened(own_world) as hub:
        with TestClient(create_app(hub)) as http:
            mallory = Volunteer.joined(http, "mallory", "eve")
            for start in range(0, len(CORPUS), 8):
                body = "\n\n".join(CORPUS[start : start + 8]) + "\n\n" + BIDI
                topic = "<img src=x onerror=alert(1)>"
                draft = PostDraft(channel="discussion", topic=topic, body=body)
                assert mallory.send("PUT", f"/v1/posts/{an_id()}", draft).status_code == 200
        with hub.database.work() as work:
            rows = work.session.exec(select(ExperimentRow).limit(len(CORPUS))).all()
            for row, words in zip(rows, CORPUS, strict=False):
                row.title, row.hypothesis, row.verdict = words[:200], words + BIDI, words[:300]
    with served(own_world) as hub_process:
        yield hub_process


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/g/tiny_gpt?sel=1&all=1",
        "/g/tiny_gpt?tab=tree&view=outline",
        "/e/{root}",
        "/m",
        "/m/discussion/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
        "/s?q=script",
        "/s?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "/e/%3Cscript%3E",
        "/g/%22%3E%3Cscript%3Ealert(1)",
    ],
)
def test_nothing_runs_and_nothing_is_fetched(
    hostile: ServedHub, open_page: Callable[..., Page], watched: Watched, path: str
) -> None:
    goal: dict[str, object] = hostile.get("/v1/goals/tiny_gpt")
    page = open_page(path.format(root=str(goal["baseline"])[:7]), at=hostile.url)
    page.evaluate(POKE)
    page.wait_for_timeout(300)

    assert watched.dialogs == []
    assert watched.outside == []
    suspicious = "main :is(script, iframe, object, embed, form[action], img, [onerror], [onload])"
    assert page.locator(suspicious).count() == 0


def test_direction_and_zero_width_characters_are_shown(
    hostile: ServedHub, open_page: Callable[..., Page]
) -> None:
    goal: dict[str, object] = hostile.get("/v1/goals/tiny_gpt")
    page = open_page(f"/e/{str(goal['baseline'])[:7]}", at=hostile.url)
    settle(page)

    expect(page.locator("blockquote .hidden-char", has_text="U+202E").first).to_be_visible()
