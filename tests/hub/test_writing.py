"""People write on the board: an operator's session posts, replies and previews like an agent."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import event

from hub import board, sessions, values
from hub.core import Hub
from hub.ops_tables import OperatorRow, ValueRow
from protocol.base import MAX_POST_BYTES
from protocol.board import ChannelDraft, PostDraft, ReactionDraft
from tests.builders import NOON, an_id
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer

OURS = {"Origin": "http://testserver"}
Send = Callable[..., Response]


@pytest.fixture
def grace(hub: Hub, http: TestClient) -> Send:
    """Send as grace, who is signed in at a browser."""
    with hub.database.work() as work:
        work.session.add(OperatorRow(name="grace", created_at=NOON))
        work.session.flush()
        code = sessions.link(work, "grace")
    csrf = http.post("/v1/session", json={"code": code}, headers=OURS).json()["csrf"]

    def _send(method: str, path: str, body: object, **headers: str) -> Response:
        return http.request(
            method, path, json=body, headers={**OURS, "X-CSRF-Token": csrf, **headers}
        )

    return _send


def a_post(body: str = "Has anybody tried less?", **more: Any) -> dict[str, Any]:
    return {"channel": "discussion", "topic": "Depth", "body": body, **more}


def path(identity: UUID) -> str:
    return f"/v1/posts/{identity}"


def test_a_signed_in_operator_writes_and_is_marked_as_one(grace: Send) -> None:
    said = grace("PUT", path(an_id()), a_post("**Less** is more"))

    assert said.status_code == 200, said.text
    assert (said.json()["author"], said.json()["author_kind"]) == ("grace", "operator")
    assert "<strong>Less</strong>" in said.json()["html"]


def test_a_reply_stays_in_its_thread_and_is_counted(grace: Send, http: TestClient) -> None:
    first = an_id()
    grace("PUT", path(first), a_post())

    reply = grace("PUT", path(an_id()), a_post("I did.", parent=str(first)))
    strayed = grace("PUT", path(an_id()), a_post("x", parent=str(first), topic="Width"))

    assert reply.json()["parent"] == str(first)
    assert strayed.json()["code"] == "wrong_thread"
    assert http.get(path(first)).json()["replies"] == 1


def test_a_post_sent_twice_stands_once(grace: Send, http: TestClient) -> None:
    identity = an_id()

    first, second = (grace("PUT", path(identity), a_post()) for _ in range(2))

    assert first.json() == second.json()
    assert grace("PUT", path(identity), a_post("other")).json()["code"] == "body_changed"
    assert len(http.get("/v1/posts?channel=discussion&topic=Depth").json()["posts"]) == 1


def test_an_agent_cannot_take_an_operators_post_nor_the_other_way_round(
    grace: Send, volta: Volunteer, http: TestClient
) -> None:
    hers, its = an_id(), an_id()
    grace("PUT", path(hers), a_post())
    volta.send("PUT", path(its), PostDraft(**a_post()))

    assert volta.send("PUT", path(hers), PostDraft(**a_post())).json()["code"] == "not_yours"
    assert grace("PUT", path(its), a_post()).json()["code"] == "not_yours"


@pytest.mark.parametrize("headers", [{"X-CSRF-Token": "guess"}, {"Origin": "http://evil.example"}])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_another_sites_page_writes_nothing(
    grace: Send, http: TestClient, headers: dict[str, str], method: str
) -> None:
    where = path(an_id()) if method == "PUT" else "/v1/posts/preview"

    refused = grace(method, where, a_post() if method == "PUT" else {"body": "x"}, **headers)

    assert refused.json()["code"] == "forged_request"
    assert http.get("/v1/posts?channel=discussion").json()["posts"] == []


def test_a_preview_is_what_the_post_will_be_and_writes_nothing(
    grace: Send, http: TestClient
) -> None:
    body = "See <script>alert(1)</script> **here** https://example.org"
    seen = grace("POST", "/v1/posts/preview", {"body": body})
    assert http.get("/v1/posts?channel=discussion").json()["posts"] == []

    written = grace("PUT", path(an_id()), a_post(body))

    assert seen.json()["html"] == written.json()["html"]
    assert "<script" not in seen.json()["html"]


def test_a_post_has_a_size_and_an_hour_has_so_many(grace: Send, hub: Hub) -> None:
    long = grace("PUT", path(an_id()), a_post("x" * (MAX_POST_BYTES + 1)))
    hub.limits._buckets["post:operator:grace"].level = -1000.0
    late = grace("PUT", path(an_id()), a_post())

    assert long.status_code == 422
    assert late.status_code == 429
    assert late.headers["Retry-After"]


def test_a_post_of_two_thousand_words_that_may_be_shas_is_not_looked_up_word_by_word(
    grace: Send, hub: Hub, volta: Volunteer
) -> None:
    sha = str(volta.explore(0.2, metric=0.8).experiment)
    body = f"{sha[:9]} " + " ".join(f"{number:07x}" for number in range(2000))
    asked: list[str] = []
    listening = hub.database.reader, "before_cursor_execute", lambda *said: asked.append(said[2])

    event.listen(*listening)
    seen = grace("POST", "/v1/posts/preview", {"body": body}).json()
    event.remove(*listening)

    assert seen["references"] == [sha]
    assert sum("BETWEEN" in query for query in asked) == board.NAMES


def test_a_secret_is_not_published(grace: Send) -> None:
    leak = grace("PUT", path(an_id()), a_post("key: sk-ant-api03-" + "a" * 60))

    assert leak.status_code == 422


def test_a_frozen_board_still_takes_an_operators_words(
    grace: Send, hub: Hub, volta: Volunteer
) -> None:
    earlier = path(an_id())
    assert volta.send("PUT", earlier, PostDraft(**a_post())).status_code == 200
    with hub.database.work() as work:
        work.session.add(ValueRow(name=values.POSTS, value="frozen"))

    assert grace("PUT", f"{earlier}/reaction", {"kind": "useful"}).status_code == 200
    post = path(an_id())
    assert grace("PUT", post, a_post()).status_code == 200
    refused = volta.send("PUT", path(an_id()), PostDraft(**a_post()))
    assert refused.json()["code"] == "posts_frozen"
    judged = volta.send("PUT", f"{post}/reaction", ReactionDraft(kind="doubtful"))
    assert judged.json()["code"] == "posts_frozen"
    channel = volta.send("PUT", "/v1/channels/elsewhere", ChannelDraft())
    assert channel.json()["code"] == "posts_frozen"


def test_an_operators_token_writes_too(hub: Hub, http: TestClient, volta: Volunteer) -> None:
    ada = Curator.of(hub, http, "ada")
    body = a_post()

    said = http.put(path(an_id()), json=body, headers={"Authorization": f"Bearer {ada.token}"})

    assert (said.json()["author"], said.json()["author_kind"]) == ("ada", "operator")
    with hub.database.work() as work:
        work.session.get_one(OperatorRow, "ada").state = "removed"
    again = http.put(path(an_id()), json=body, headers={"Authorization": f"Bearer {ada.token}"})
    assert again.status_code == 401
