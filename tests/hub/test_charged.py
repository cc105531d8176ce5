"""Who speaks is known by name and charged for it, at whatever endpoint they speak."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from starlette.types import Message, Receive, Scope, Send

from hub import sessions
from hub.app import create_app
from hub.core import Hub
from hub.limits import FLEET
from hub.tables import AgentRow, TokenRow
from tests.builders import Clock, an_id
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer

BY_AGENTS = {
    "a post": ("PUT", "/v1/posts/{id}"),
    "a channel": ("PUT", "/v1/channels/talk"),
    "a flag": ("PUT", "/v1/flags/{id}"),
    "a proposal": ("PUT", "/v1/experiments/{id}"),
    "a reaction": ("PUT", "/v1/posts/{id}/reaction"),
}
BY_ANYBODY = {
    "a registration": ("POST", "/v1/agents"),
    "a sign-in": ("POST", "/v1/session"),
    "a session that is none": ("GET", "/v1/session"),
}
SPOKEN = {
    "a question": ("GET", "/v1/me"),
    "a result": ("PUT", "/v1/runs/{id}"),
    "a proposal": ("PUT", "/v1/experiments/{id}"),
    "a post": ("PUT", "/v1/posts/{id}"),
}
OFTEN = int(FLEET) + 2


def limited(hub: Hub, **rates: float) -> None:
    hub.limits.settings = hub.settings.model_copy(update=rates)


def tried(
    http: TestClient, deed: tuple[str, str], headers: dict[str, str], times: int = OFTEN
) -> list[Response]:
    """The same deed again and again, each time with another id and nothing to say."""
    method, path = deed
    body = None if method == "GET" else b"{}"
    sent = {"Content-Type": "application/json", **headers}
    paths = [path.replace("{id}", str(an_id())) for _ in range(times)]
    return [http.request(method, each, headers=sent, content=body) for each in paths]


def bearer(volunteer: Volunteer) -> dict[str, str]:
    return {"Authorization": f"Bearer {volunteer.token}"}


@pytest.mark.parametrize("deed", BY_AGENTS.values(), ids=BY_AGENTS)
def test_what_an_agent_does_too_often_is_refused(
    hub: Hub, http: TestClient, volta: Volunteer, deed: tuple[str, str]
) -> None:
    limited(hub, posts_per_hour=1.0, proposals_per_hour=1.0)

    told = [each.status_code for each in tried(http, deed, bearer(volta))]

    assert told[0] != 429
    assert told[-1] == 429


@pytest.mark.parametrize("deed", BY_ANYBODY.values(), ids=BY_ANYBODY)
def test_what_needs_no_token_is_counted_by_where_it_comes_from(
    hub: Hub, http: TestClient, deed: tuple[str, str]
) -> None:
    limited(hub, joins_per_hour=1.0, rate_failures=2.0)

    told = [each.status_code for each in tried(http, deed, {})]

    assert told[0] != 429
    assert told[-1] == 429


@pytest.mark.parametrize("step", ["", "/callback"])
def test_each_step_of_a_walk_to_a_provider_is_counted(
    hub: Hub, http: TestClient, step: str
) -> None:
    limited(hub, rate_failures=2.0)
    http.follow_redirects = False

    answers = tried(http, ("GET", f"/v1/session/openid{step}"), {}, 2)
    told = [each.headers["location"] for each in answers]

    assert [each.partition("=")[2] for each in told] == ["no_provider", "too_many"]


@pytest.mark.parametrize("rate", ["rate_owner", "rate_token"])
def test_every_request_counts_for_its_token_and_for_its_owner(
    hub: Hub, http: TestClient, volta: Volunteer, rate: str
) -> None:
    limited(hub, **{rate: 2.0})
    seen = []
    for deed in SPOKEN.values():
        hub.limits._buckets.clear()
        seen.append([each.status_code for each in tried(http, deed, bearer(volta), 2)])

    assert [(first != 429, second) for first, second in seen] == [(True, 429)] * len(SPOKEN)


def test_whoever_speaks_was_seen_and_their_token_used(
    hub: Hub, http: TestClient, volta: Volunteer, clock: Clock
) -> None:
    for deed in SPOKEN.values():
        clock.forward(3600)

        tried(http, deed, bearer(volta), 1)
        hub.heartbeats.flush()

        with hub.database.read() as session:
            agent = session.get_one(AgentRow, "volta")
            token = session.get_one(TokenRow, volta.token.split("_")[2])
        assert agent.last_seen_at == token.last_used_at == clock.now


def test_an_operator_and_a_device_of_one_name_do_not_speak_for_each_other(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    named = Volunteer(http, "volta", Curator.of(hub, http, "volta").token)
    own = [SPOKEN[deed] for deed in ("a question", "a result", "a proposal")]

    told = [each.status_code for deed in own for each in tried(http, deed, bearer(named), 1)]

    assert told == [403, 403, 403]
    assert volta.send("GET", "/v1/ops/queue").status_code == 403


def test_a_browser_s_requests_count_for_its_session(hub: Hub, http: TestClient) -> None:
    Curator.of(hub, http)
    with hub.database.work() as work:
        _, token = sessions.begin(work, "grace")
    limited(hub, rate_token=2.0)
    cookie = {"Cookie": f"agenthub={sessions.seal(hub.signing_key, token)}"}

    told = [each.status_code for each in tried(http, ("GET", "/v1/session"), cookie, 2)]

    assert told == [200, 429]


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("POST", "/v1/ops/actions", {"action": "hub.posts", "reason": "a test wants it"}),
        ("POST", "/v1/ops/preview", {"action": "hub.posts", "reason": "a test wants it"}),
        ("GET", "/v1/ops/queue", None),
    ],
    ids=["an action", "a preview", "a reading"],
)
def test_what_was_done_is_in_the_database_before_the_answer_leaves(
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    said: dict[str, str] | None,
) -> None:
    """Else a commit that fails would be answered by 200, and the next request might not see it."""
    app, under_way, seen = create_app(hub), list[str](), list[list[str]]()
    for name in ("read", "work", "rehearsal"):
        monkeypatch.setattr(hub.database, name, noted(getattr(hub.database, name), under_way))

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.append(list(under_way))
            await send(message)

        await app(scope, receive, sent)

    grace = Curator.of(hub, TestClient(watched))
    headers = {"Authorization": f"Bearer {grace.token}"}

    answer = grace.http.request(method, path, json=said, headers=headers)

    assert (answer.status_code, seen) == (200, [[]])


def noted(begin: Callable[[], Any], under_way: list[str]) -> Callable[[], Any]:
    """The same, and its name is there from its beginning until it has ended."""

    @contextmanager
    def begun() -> Iterator[Any]:
        under_way.append(begin.__name__)
        with begin() as begun_for_real:
            yield begun_for_real
        under_way.remove(begin.__name__)

    return begun
