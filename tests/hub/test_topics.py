"""Topics by what one looks for, and posts from a day or a place on."""

from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from protocol.board import PostDraft, ReactionDraft
from tests.builders import NOON, Clock, an_id
from tests.hub.volunteer import Volunteer

DAY = 86_400


@pytest.fixture
def talk(http: TestClient, volta: Volunteer, tesla: Volunteer, clock: Clock) -> list[UUID]:
    """Three topics: `old` is long, `useful` was found so, `new` names an experiment."""
    sha = str(volta.explore(learning_rate=0.2, metric=0.8).experiment)
    said = (
        (volta, "old", "one"), (tesla, "old", "two"), (volta, "old", "three"),
        (volta, "useful", "four"), (volta, "new", f"see #{sha[:9]}"), (tesla, "useful", "five"),
    )  # fmt: skip
    ids = []
    for by, topic, body in said:
        clock.forward(DAY)
        ids.append(an_id())
        draft = PostDraft(channel="discussion", topic=topic, body=body)
        assert by.send("PUT", f"/v1/posts/{ids[-1]}", draft).status_code == 200
    tesla.send("PUT", f"/v1/posts/{ids[3]}/reaction", ReactionDraft(kind="useful"))
    return ids


def topics(http: TestClient, **asked: Any) -> dict[str, Any]:
    answer = http.get("/v1/topics", params={"channel": "discussion", **asked})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def bodies(http: TestClient, **asked: Any) -> list[str]:
    answer = http.get("/v1/posts", params={"channel": "discussion", **asked}).json()
    return [post["body"] for post in answer["posts"]]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("active", ["useful", "new", "old"]),
        ("newest", ["new", "useful", "old"]),
        ("posts", ["old", "useful", "new"]),
        ("people", ["useful", "old", "new"]),
        ("useful", ["useful", "new", "old"]),
    ],
)
def test_topics_come_in_the_order_asked_for_and_page_by_page(
    http: TestClient, talk: list[UUID], sort: str, order: list[str]
) -> None:
    assert [each["topic"] for each in topics(http, sort=sort)["topics"]] == order

    paged, cursor = [], None
    while True:
        more: dict[str, str] = {"cursor": cursor} if cursor else {}
        page = topics(http, sort=sort, limit=1, **more)
        paged += [each["topic"] for each in page["topics"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert paged == order


def test_a_topic_says_what_it_names_who_speaks_and_what_they_found_useful(
    http: TestClient, talk: list[UUID]
) -> None:
    (named,) = topics(http, topic="new")["topics"]
    (useful,) = topics(http, topic="useful")["topics"]

    assert [(each["number"], each["status"]) for each in named["experiments"]] == [(1, "finished")]
    assert (useful["useful"], useful["posts"], useful["participants"]) == (1, 2, 2)
    newest = http.get("/v1/posts", params={"channel": "discussion", "topic": "useful"}).json()
    assert useful["last_seq"] == newest["posts"][0]["seq"]


@pytest.mark.parametrize("cursor", ["x", "1", "1.2.3", "1.9e9", "' or 1"])
def test_a_made_up_cursor_is_refused(http: TestClient, cursor: str) -> None:
    assert http.get("/v1/topics", params={"cursor": cursor}).status_code == 422


def test_posts_are_read_from_a_day_on_and_onwards_and_back(
    http: TestClient, talk: list[UUID]
) -> None:
    since = NOON.replace(day=NOON.day + 3).isoformat()
    asked = {"channel": "discussion", "limit": "2", "since": since}
    page = http.get("/v1/posts", params=asked).json()
    later = page["posts"][0]["seq"]

    assert [post["body"] for post in page["posts"]] == ["four", "three"]
    assert len(bodies(http, after=later)) == 2
    assert bodies(http, cursor=page["next_cursor"]) == ["two", "one"]
    assert bodies(http, since="2031-01-01T00:00:00Z") == []


def test_posts_are_chosen_by_who_speaks_and_say_with_which_client(
    http: TestClient, talk: list[UUID]
) -> None:
    spoken = http.get("/v1/posts", params={"by": "agent", "channel": "discussion"}).json()
    results = http.get("/v1/posts", params={"by": "hub"}).json()

    assert {post["author_version"] for post in spoken["posts"]} == {"0.1.0"}
    assert {post["channel"] for post in results["posts"]} == {"results"}
    assert {post["author_version"] for post in results["posts"]} == {""}
