"""Operators sign in once per link, by a cookie that no other site can use."""

from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from hub import sessions, tokens
from hub.app import create_app
from hub.core import Hub
from hub.ops_tables import OperatorRow
from tests.builders import NOON, Clock
from tests.hub.volunteer import Volunteer

OURS = {"Origin": "http://testserver"}


@pytest.fixture
def link(hub: Hub) -> str:
    """A one-time code for grace."""
    with hub.database.work() as work:
        work.session.add(OperatorRow(name="grace", created_at=NOON))
        work.session.flush()
        return sessions.link(work, "grace")


@pytest.fixture
def signed_in(http: TestClient, link: str) -> TestClient:
    """A browser in which grace is signed in."""
    assert sign_in(http, link).status_code == 200
    return http


def sign_in(http: TestClient, code: str, **headers: str) -> Response:
    return http.post("/v1/session", json={"code": code}, headers={**OURS, **headers})


def test_a_link_signs_in_once(http: TestClient, link: str) -> None:
    first, second = sign_in(http, link), sign_in(http, link)

    assert (first.status_code, first.json()["operator"]) == (200, "grace")
    assert second.status_code == 401
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie


def test_over_https_a_browser_is_to_hold_the_cookie_to_this_host(hub: Hub, link: str) -> None:
    settings = hub.settings.model_copy(update={"public_url": "https://hub.example"})
    http = TestClient(create_app(replace(hub, settings=settings)))

    told = sign_in(http, link, Origin="https://hub.example")

    cookie = told.headers["set-cookie"]
    assert cookie.startswith("__Host-agenthub=")
    assert "secure" in cookie.lower()
    known = {"Cookie": cookie.partition(";")[0]}
    assert http.get("/v1/session", headers=known).json()["operator"] == "grace"


def test_a_link_is_good_for_a_quarter_of_an_hour(http: TestClient, link: str, clock: Clock) -> None:
    clock.forward(901)

    assert sign_in(http, link).status_code == 401


def test_another_site_cannot_sign_anybody_in(http: TestClient, link: str) -> None:
    assert sign_in(http, link, Origin="http://evil.example").json()["code"] == "forged_request"


@pytest.mark.parametrize("token", ["agent", "session", "operator"])
def test_no_other_token_is_a_link(hub: Hub, http: TestClient, link: str, token: str) -> None:
    with hub.database.work() as work:
        other = tokens.issue(work, token, "grace")

    assert sign_in(http, other).status_code in (401, 403)
    assert http.get("/v1/session").status_code == 401


def test_a_changed_cookie_is_refused_before_the_database_is_asked(signed_in: TestClient) -> None:
    cookie = signed_in.cookies["agenthub"]
    signed_in.cookies.set("agenthub", cookie[:-2] + "xx", domain="testserver.local")

    answer = TestClient(signed_in.app, cookies={"agenthub": cookie[:-2] + "xx"}).get("/v1/session")

    assert answer.status_code == 401


def test_signing_out_ends_the_session_itself(signed_in: TestClient) -> None:
    csrf = signed_in.get("/v1/session").json()["csrf"]
    cookie = signed_in.cookies["agenthub"]

    out = signed_in.delete("/v1/session", headers={**OURS, "X-CSRF-Token": csrf})

    assert out.status_code == 204
    stolen = TestClient(signed_in.app, cookies={"agenthub": cookie})
    assert stolen.get("/v1/session").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        OURS,
        {"X-CSRF-Token": "guess", **OURS},
        {"X-CSRF-Token": "right"},
        {"X-CSRF-Token": "right", "Origin": "http://evil.example"},
        {"X-CSRF-Token": "right", "Origin": "null"},
        {"X-CSRF-Token": "right", "Origin": "https://testserver"},
    ],
)
def test_a_change_needs_our_origin_and_the_csrf_token(
    signed_in: TestClient, headers: dict[str, str]
) -> None:
    csrf = signed_in.get("/v1/session").json()["csrf"]
    sent = {key: csrf if value == "right" else value for key, value in headers.items()}

    assert signed_in.delete("/v1/session", headers=sent).json()["code"] == "forged_request"
    assert signed_in.get("/v1/session").status_code == 200


def test_a_session_ends_by_itself_and_with_its_operator(
    hub: Hub, signed_in: TestClient, clock: Clock
) -> None:
    clock.forward(timedelta(hours=11).total_seconds())
    assert signed_in.get("/v1/session").status_code == 200
    with hub.database.work() as work:
        sessions.find(work.session, "grace").state = "removed"

    assert signed_in.get("/v1/session").status_code == 401


def test_an_agent_is_no_operator(volta: Volunteer) -> None:
    assert volta.send("GET", "/v1/session").status_code == 401
