"""News without a reload: a killed hub shows a banner, nothing is lost, nothing comes twice."""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect
from typer.testing import CliRunner

from hub import tokens
from hub.cli.root import app
from tests.builders import a_join
from tests.ui.conftest import ServedHub, opened, served, settle
from tests.ui.world import CROWD

pytestmark = [pytest.mark.ui, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def voltas_token(own_world: Path) -> str:
    """A token of an agent that is in the middle of a run."""
    with opened(own_world) as hub, hub.database.work() as work:
        return tokens.issue(work, "agent", "volta")


@pytest.fixture(scope="module")
def own_hub(built_board: Path, own_world: Path, voltas_token: str) -> Iterator[ServedHub]:
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


def test_what_a_killed_hub_could_not_answer_comes_by_itself_once_it_is_back(
    own_hub: ServedHub, open_page: Callable[..., Page]
) -> None:
    page = open_page("/g/tiny_gpt", at=own_hub.url)
    page.get_by_role("link", name="Messages", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Messages")).to_be_visible()
    own_hub.kill()
    expect(page.get_by_text("Offline since")).to_be_visible(timeout=30_000)
    page.go_back()
    expect(page.get_by_text("The hub did not answer").first).to_be_visible()
    messages = page.locator("section", has=page.get_by_role("heading", name="Messages"))
    expect(messages).to_contain_text("The hub did not answer")

    own_hub.start()

    expect(page.get_by_role("heading", level=1, name="Tiny GPT")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("The hub did not answer")).to_have_count(0)
    expect(messages).to_contain_text("Is depth worth it?")


def test_a_page_whose_code_was_out_of_reach_comes_by_itself_once_the_hub_is_back(
    own_hub: ServedHub, open_page: Callable[..., Page]
) -> None:
    page = open_page("/words", at=own_hub.url)
    own_hub.kill()
    expect(page.get_by_text("Offline since")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="Messages", exact=True).click()
    expect(page.get_by_text("This page could not be loaded")).to_be_visible()

    own_hub.start()

    heading = page.get_by_role("heading", level=1, name="Messages")
    expect(heading).to_be_visible(timeout=60_000)


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


def test_a_runs_log_and_loss_are_followed_while_it_runs(
    own_hub: ServedHub, voltas_token: str, open_page: Callable[..., Page]
) -> None:
    held: Any = own_hub.get("/v1/leases")
    lease = next(each for each in held if each["agent"] == "volta")

    def _prints(*lines: str, step: int) -> None:
        said = {
            "epoch": lease["epoch"],
            "lines": lines,
            "points": [{"step": step, "loss": 3.0 / step}],
        }
        _send(own_hub, "POST", f"/v1/leases/{lease['id']}/output", said, voltas_token)

    _prints("step 00001 (1.0%) | loss: 3.0", "\x1b[31m<b>red</b>\x1b[0m", step=1)
    page = open_page(f"/e/{lease['experiment'][:7]}", at=own_hub.url)
    log = page.get_by_role("log", name="Log as it is printed")
    expect(log.get_by_text("<b>red</b>", exact=True)).to_have_count(1)

    _prints("step 00002 (2.0%) | loss: 1.5", step=2)

    expect(log.get_by_text("step 00002")).to_have_count(1)
    expect(log.get_by_text("step 00001")).to_have_count(1)
    expect(page.get_by_role("img", name="Training loss by step: this, so far")).to_be_visible()

    beat = {"epoch": lease["epoch"], "phase": "training", "fraction": 0.5, "eta_seconds": 3000}
    _send(own_hub, "POST", f"/v1/leases/{lease['id']}/renew", beat, voltas_token)

    expect(page.get_by_text(re.compile("about (50|49) min .*more"))).to_be_visible()


def test_what_a_ban_takes_out_leaves_a_tree_that_is_open(
    own_hub: ServedHub, own_world: Path, open_page: Callable[..., Page]
) -> None:
    page = open_page("/g/tiny_gpt?tab=tree&view=outline", at=own_hub.url)
    agents = page.get_by_role("treegrid").locator(".line:not(.header) .agent")
    name = next(each for each in agents.all_inner_texts() if each in CROWD)

    banned = ["owner", "ban", CROWD[name][0], "-r", "it cheats", "--data", str(own_world)]
    done = CliRunner().invoke(app, banned)

    assert done.exit_code == 0, done.output
    expect(agents.filter(has_text=re.compile(f"^{name}$"))).to_have_count(0, timeout=30_000)
    expect(agents).not_to_have_count(0)
