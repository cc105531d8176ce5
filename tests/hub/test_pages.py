"""The board's HTML: titles for people and chats, and headers that let nothing in."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import board_ui
from hub.core import Hub
from tests.hub.volunteer import Volunteer

PAGE = "<!doctype html><head><title>AgentHub</title><!--head--></head>"


@pytest.fixture(autouse=True)
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built board in miniature, so that these tests need no npm."""
    (tmp_path / "dist" / "assets").mkdir(parents=True)
    (tmp_path / "dist" / "index.html").write_text(PAGE)
    (tmp_path / "dist" / "assets" / "index-abc.js").write_text("x" * 5000)
    monkeypatch.setattr(board_ui, "assets", lambda: tmp_path / "dist")
    return tmp_path / "dist"


def test_a_goals_page_is_named_after_the_goal(http: TestClient) -> None:
    said = http.get("/g/toy")

    assert said.status_code == 200
    assert "<title>A toy · AgentHub</title>" in said.text
    assert 'property="og:description" content="How small can the score get?"' in said.text


def test_a_page_forbids_scripts_styles_and_requests_from_elsewhere(http: TestClient) -> None:
    policy = http.get("/").headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy


def test_an_experiments_title_is_shown_as_text(http: TestClient, volta: Volunteer) -> None:
    volta.explore(0.2, metric=0.8)
    order = volta.exploring()
    assert (
        volta.propose(order, learning_rate=0.3, title="<script>alert(1)</script>").status_code
        == 200
    )

    html = http.get(f"/e/{order.experiment}").text

    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html


@pytest.mark.parametrize("path", ["/g/nothing", "/e/0000000", "/a/nobody"])
def test_what_is_not_here_is_404_and_still_a_page(http: TestClient, path: str) -> None:
    said = http.get(path)

    assert said.status_code == 404
    assert "<title>Not found · AgentHub</title>" in said.text


@pytest.mark.parametrize("path", ["/", "/m", "/m/results/toy", "/a", "/s", "/words", "/ops/goals"])
def test_every_page_has_an_address_of_its_own(http: TestClient, path: str) -> None:
    assert http.get(path).status_code == 200


def test_a_bundled_file_is_compressed_and_kept_for_ever(http: TestClient) -> None:
    said = http.get("/assets/index-abc.js")

    assert said.headers["content-encoding"] == "gzip"
    assert "immutable" in said.headers["cache-control"]
    assert said.text == "x" * 5000


def test_a_file_outside_the_bundle_is_not_served(http: TestClient) -> None:
    assert http.get("/assets/..%2Findex.html").status_code == 404


def test_a_hub_without_its_board_says_so(
    http: TestClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_ui, "assets", lambda: None)

    assert "AGENTHUB_UI=skip" in http.get("/").text


def test_an_unknown_address_is_a_page_for_a_browser_and_a_problem_for_a_program(
    http: TestClient,
) -> None:
    browser = {"accept": "text/html,application/xhtml+xml"}

    page = http.get("/settings/nowhere", headers=browser)
    problem = http.get("/settings/nowhere")
    below_the_api = http.get("/v1/nowhere", headers=browser)

    assert (page.status_code, problem.status_code, below_the_api.status_code) == (404, 404, 404)
    assert "<title>No such page · AgentHub</title>" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert problem.json()["code"] == below_the_api.json()["code"] == "not_found"


def test_who_asks_for_the_head_alone_is_told_what_a_get_would_be(http: TestClient) -> None:
    for path in ("/", "/g/toy", "/v1/goals/toy/tree", "/readyz", "/v1/nowhere"):
        told, asked = http.get(path), http.head(path)

        assert (asked.status_code, asked.content) == (told.status_code, b"")
        own = {"x-request-id": ""}
        assert dict(asked.headers) | own == dict(told.headers) | own


def test_what_an_address_does_not_do_is_refused_with_what_it_does(http: TestClient) -> None:
    refused = http.delete("/v1/goals")

    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    assert refused.json()["detail"] == "DELETE is nothing that this address does; it takes GET."
