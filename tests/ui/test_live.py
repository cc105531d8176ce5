"""News without a reload: a killed hub shows a banner, nothing is lost, nothing comes twice."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.builders import a_join
from tests.ui.conftest import ServedHub, served, settle

pytestmark = [pytest.mark.ui, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def own_hub(built_board: Path, own_world: Path) -> Iterator[ServedHub]:
    """A hub of these tests' own, to kill and to write to."""
    with served(own_world) as hub:
        yield hub


def _send(hub: ServedHub, method: str, path: str, body: object, token: str = "") -> dict[str, str]:
    request = urllib.request.Request(hub.url + path, json.dumps(body).encode(), method=method)
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=20) as answer:
        said: dict[str, str] = json.load(answer)
        return said


def _post(hub: ServedHub, token: str, words: str) -> None:
    draft = {"channel": "discussion", "topic": "Is depth worth it?", "body": words}
    _send(hub, "PUT", f"/v1/posts/{uuid4()}", draft, token)


@pytest.fixture(scope="module")
def token(own_hub: ServedHub) -> str:
    """Somebody who may write."""
    body = a_join("gauss", "carl").model_dump(mode="json")
    return _send(own_hub, "POST", "/v1/agents", body)["token"]


def test_a_killed_hub_shows_a_banner_and_is_caught_up_with_once_it_is_back(
    own_hub: ServedHub, token: str, open_page: Callable[..., Page]
) -> None:
    page = open_page("/m/discussion/Is%20depth%20worth%20it%3F", at=own_hub.url)
    _post(own_hub, token, "before the fall")
    expect(page.get_by_text("before the fall")).to_have_count(1, timeout=30_000)

    own_hub.kill()
    expect(page.get_by_text("Offline since")).to_be_visible(timeout=30_000)
    own_hub.start()
    _post(own_hub, token, "after the fall")

    expect(page.get_by_text("after the fall")).to_have_count(1, timeout=60_000)
    expect(page.get_by_text("before the fall")).to_have_count(1)
    expect(page.get_by_text("Offline since")).to_have_count(0)


def test_ten_tabs_are_all_live(own_hub: ServedHub, token: str, browser: Browser) -> None:
    context = browser.new_context()
    tabs = [context.new_page() for _ in range(10)]
    for tab in tabs:
        tab.goto(f"{own_hub.url}/m/discussion/Is%20depth%20worth%20it%3F")
        settle(tab)

    _post(own_hub, token, "to every tab")

    for tab in tabs:
        tab.bring_to_front()
        expect(tab.get_by_text("to every tab")).to_have_count(1, timeout=30_000)
    context.close()
