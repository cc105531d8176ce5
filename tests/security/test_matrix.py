"""Every route times every role, read from the OpenAPI document: a route without a rule fails."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hub import sessions, tokens
from hub.core import Hub
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer

AGENT = {
    ("GET", "/v1/me"), ("POST", "/v1/work"), ("POST", "/v1/leases/{lease}/renew"),
    ("POST", "/v1/leases/{lease}/release"), ("PUT", "/v1/runs/{identity}"),
    ("POST", "/v1/leases/{lease}/output"),
}  # fmt: skip
WRITER = {
    ("PUT", "/v1/experiments/{identity}"),
    ("PUT", "/v1/channels/{name}"), ("POST", "/v1/me/link"), ("POST", "/v1/invites"),
}  # fmt: skip
AUTHOR = {
    ("PUT", "/v1/posts/{identity}"), ("POST", "/v1/posts/preview"),
    ("PUT", "/v1/flags/{identity}"), ("GET", "/v1/reactions"),
    ("PUT", "/v1/posts/{identity}/reaction"), ("DELETE", "/v1/posts/{identity}/reaction"),
}  # fmt: skip
OWNER = {
    ("GET", "/v1/mine"), ("GET", "/v1/mine/runs"), ("POST", "/v1/mine/invites"),
    ("POST", "/v1/mine/agents/{name}/token"), ("POST", "/v1/mine/agents/{name}/{deed}"),
    ("DELETE", "/v1/mine/tokens/{identity}"),
}  # fmt: skip
SESSION = {("GET", "/v1/session"), ("DELETE", "/v1/session")}
OPEN_WRITES = {("POST", "/v1/agents"), ("POST", "/v1/session"), ("POST", "/v1/tried")}
FILLED = {
    "slug": "toy", "sha": "abcd", "name": "volta", "path": "x", "goal": "toy", "kind": "csv",
    "deed": "resume", "version": "1",
    "identity": "6a1cfa0c-7f4e-4d30-9f0c-55ad2ddcbd0a",
    "lease": "6a1cfa0c-7f4e-4d30-9f0c-55ad2ddcbd0a",
}  # fmt: skip


def routes(http: TestClient) -> Iterator[tuple[str, str]]:
    for path, methods in http.get("/v1/openapi.json").json()["paths"].items():
        for method in methods:
            yield method.upper(), path


def rule(route: tuple[str, str]) -> str:
    if route[1].startswith("/v1/ops/"):
        return "operator"
    rules = {"agent": AGENT, "writer": WRITER, "author": AUTHOR, "session": SESSION, "owner": OWNER}
    for name, known in rules.items():
        if route in known:
            return name
    assert route[0] in ("GET", "HEAD") or route in OPEN_WRITES, f"no rule for {route}"
    return "public"


ALLOWED = {
    "public": {
        "nobody", "wrong", "revoked", "agent", "verifier", "operator", "signed in", "forged", "out",
        "at home",
    },
    "agent": {"agent", "verifier"},
    "writer": {"agent"},
    "author": {"agent", "operator", "signed in", "at home"},
    "operator": {"operator", "signed in"},
    "session": {"signed in", "at home"},
    "owner": {"at home"},
}  # fmt: skip
"""Who may: `signed in` is an operator's cookie with CSRF token and our Origin, `forged` the cookie
alone, as another site's page would send it, `out` the cookie of a session that has ended, and
`at home` the cookie of a volunteer."""
COOKIES = ("signed in", "forged", "out", "at home")


def may(role: str, route: tuple[str, str]) -> bool:
    """A forged request may read, because another site cannot see the answer, and change nothing."""
    if role == "forged" and route[0] == "GET":
        return may("signed in", route)
    return role in ALLOWED[rule(route)]


def cookie(hub: Hub, role: str) -> dict[str, str]:
    """The headers of a browser in which somebody has just signed in; each call its own session."""
    with hub.database.work() as work:
        who, token = sessions.begin(work, "owner:ada" if role == "at home" else "grace")
        if role == "out":
            tokens.revoke(work, who.identity)
    sent = {"Cookie": f"agenthub={sessions.seal(hub.signing_key, token)}"}
    if role != "forged":
        sent["X-CSRF-Token"] = sessions.csrf(hub.signing_key, who.identity)
        sent["Origin"] = "http://testserver"
    return sent


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def call(http: TestClient, route: tuple[str, str], headers: dict[str, str]) -> int:
    path = route[1].format_map(FILLED)
    body: dict[str, Any] = {} if route[0] == "GET" else {"json": {}}
    return int(http.request(route[0], path, headers=headers, **body).status_code)


@pytest.fixture
def roles(hub: Hub, http: TestClient, volta: Volunteer) -> dict[str, str]:
    grace = Curator.of(hub, http)
    with hub.database.work() as work:
        verifier = tokens.issue(work, "verifier", "volta")
        revoked = tokens.issue(work, "agent", "volta")
        tokens.revoke(work, revoked.split("_")[2])
    return {
        "nobody": "", "wrong": volta.token[:-3] + "xyz", "revoked": revoked,
        "agent": volta.token, "verifier": verifier, "operator": grace.token,
    }  # fmt: skip


def test_every_route_asks_every_role_for_its_right(http: TestClient, roles: dict[str, str]) -> None:
    hub: Hub = http.app.state.hub  # type: ignore[attr-defined]
    wrong: list[str] = []
    for route in routes(http):
        for role in (*roles, *COOKIES):
            hub.limits._buckets.clear()
            headers = cookie(hub, role) if role in COOKIES else bearer(roles[role])
            status = call(http, route, headers)
            refused = status in (401, 403)
            if (refused == may(role, route) and route not in OPEN_WRITES) or status >= 500:
                wrong.append(f"{role} {route}: {status}")

    assert wrong == []


def test_nobody_changes_anything_without_a_token(http: TestClient) -> None:
    before = http.get("/v1/events").text

    for route in routes(http):
        if route[0] != "GET":
            call(http, route, {})

    assert http.get("/v1/events").text == before
