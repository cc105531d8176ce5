"""Reactions: one voice per account, counted for searches only, and gone with a banned owner."""

from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlmodel import select

from hub.core import Hub
from hub.tables import ReactionRow
from protocol.board import PostDraft, ReactionDraft
from tests.builders import a_join, an_id
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer


def write(by: Volunteer, body: str, topic: str = "Warm-up") -> UUID:
    identity = an_id()
    draft = PostDraft(channel="discussion", topic=topic, body=body)
    assert by.send("PUT", f"/v1/posts/{identity}", draft).status_code == 200
    return identity


def react(by: Volunteer, post: UUID, kind: Any) -> Response:
    return by.send("PUT", f"/v1/posts/{post}/reaction", ReactionDraft(kind=kind))


def counts(http: TestClient, post: UUID) -> tuple[int, ...]:
    said = http.get(f"/v1/posts/{post}").json()["reactions"]
    return said["useful"], said["reproduced"], said["doubtful"]


def found(http: TestClient, q: str, **more: Any) -> list[str]:
    answer = http.get("/v1/search", params={"q": q, **more}).json()
    return [post["body"] for post in answer["posts"]]


def test_an_account_says_one_thing_changes_its_mind_and_takes_it_back(
    http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    post = write(volta, "Longer warm-up helps")

    for kind, then in (("useful", (1, 0, 0)), ("useful", (1, 0, 0)), ("reproduced", (0, 1, 0))):
        assert react(tesla, post, kind).status_code == 200
        assert counts(http, post) == then
    assert tesla.send("GET", "/v1/reactions").json() == {str(post): "reproduced"}

    for _ in range(2):
        assert tesla.send("DELETE", f"/v1/posts/{post}/reaction").status_code == 200
    assert counts(http, post) == (0, 0, 0)


def test_two_machines_of_one_owner_are_one_voice(http: TestClient, volta: Volunteer) -> None:
    post = write(volta, "Longer warm-up helps")
    fleet = [Volunteer.joined(http, "tesla-0", "nikola")]
    answer = fleet[0].http.post(
        "/v1/agents",
        json=a_join("tesla-1", "nikola").model_dump(mode="json"),
        headers={"Authorization": f"Bearer {fleet[0].token}"},
    )
    fleet.append(Volunteer(http, "tesla-1", answer.json()["token"]))

    answers = [react(each, post, "useful") for each in fleet]

    assert [each.status_code for each in answers] == [200, 200]
    assert counts(http, post) == (1, 0, 0)


def test_nobody_judges_their_own_words_or_their_agents(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    post = write(volta, "Mine is best")
    ada = Curator.of(hub, http, "lovelace", owner="ada")
    headers = {"Authorization": f"Bearer {ada.token}"}
    hers = http.put(f"/v1/posts/{post}/reaction", json={"kind": "useful"}, headers=headers)

    answers = [react(volta, post, "useful"), hers]

    assert {each.json()["code"] for each in answers} == {"own_post"}
    assert counts(http, post) == (0, 0, 0)


def test_a_reaction_to_nothing_and_one_of_no_kind_are_refused(
    http: TestClient, volta: Volunteer
) -> None:
    headers = {"Authorization": f"Bearer {volta.token}"}
    where = f"/v1/posts/{an_id()}/reaction"

    assert react(volta, an_id(), "useful").status_code == 404
    assert http.put(where, json={"kind": "lovely"}, headers=headers).status_code == 422


def test_useful_posts_are_found_first_doubtful_ones_last_and_pages_go_on(
    http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    posts = {body: write(volta, body) for body in ("warm one", "warm two", "warm three")}
    assert found(http, "warm") == ["warm three", "warm two", "warm one"]

    react(tesla, posts["warm one"], "reproduced")
    react(tesla, posts["warm three"], "doubtful")

    ranked = ["warm one", "warm two", "warm three"]
    assert found(http, "warm") == ranked
    paged, cursor = [], None
    while True:
        more: dict[str, str] = {"cursor": cursor} if cursor else {}
        page = http.get("/v1/search", params={"q": "warm", "limit": 1, **more}).json()
        paged += [post["body"] for post in page["posts"]]
        if (cursor := page["posts_cursor"]) is None:
            break
    assert paged == ranked


@pytest.mark.parametrize("action", ["owner.ban", "owner.quarantine"])
def test_who_is_held_back_is_not_counted_and_is_again_when_restored(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer, action: str
) -> None:
    grace = Curator.of(hub, http)
    mallory = Volunteer.joined(http, "mallory", "eve")
    post, other = write(volta, "warm one"), write(volta, "warm two")
    react(tesla, post, "useful")
    before = found(http, "warm")
    react(mallory, post, "doubtful")
    react(mallory, other, "reproduced")
    with_hers = found(http, "warm")

    seen = grace.previews(action, owner="eve")
    grace.acts(action, owner="eve")

    assert seen.cascade["reactions"] == 2
    assert (counts(http, post), counts(http, other)) == ((1, 0, 0), (0, 0, 0))
    assert found(http, "warm") == before
    assert react(mallory, post, "useful").status_code in (401, 403)
    grace.acts("owner.restore", owner="eve")
    assert (counts(http, post), counts(http, other)) == ((1, 0, 1), (0, 1, 0))
    assert found(http, "warm") == with_hers
    with hub.database.read() as session:
        assert all(row.counted for row in session.exec(select(ReactionRow)))


def test_what_a_post_is_judged_changes_no_score(
    http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment
    before = http.get(f"/v1/experiments/{sha}").json()
    (post,) = http.get("/v1/posts", params={"experiment": sha}).json()["posts"]

    assert react(tesla, post["id"], "doubtful").status_code == 200

    assert http.get(f"/v1/experiments/{sha}").json() == before
