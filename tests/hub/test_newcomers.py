"""Words of newcomers lead nowhere else at first; what three trusted accounts flag waits unseen."""

import pytest
from fastapi.testclient import TestClient
from sqlmodel import col, select

from hub.board import LINKLESS
from hub.core import Hub
from hub.markdown import render
from hub.tables import OwnerRow
from protocol.board import PostDraft
from tests.builders import an_id
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer

LINKED = "see [this](https://a.example/x) and https://b.example and @volta"


def write(by: Volunteer, body: str) -> str:
    identity = an_id()
    draft = PostDraft(channel="discussion", topic="t", body=body)
    answer = by.send("PUT", f"/v1/posts/{identity}", draft)
    assert answer.status_code == 200, answer.text
    return str(identity)


def html(http: TestClient, post: str) -> str:
    return str(http.get(f"/v1/posts/{post}").json()["html"])


def flag(by: Volunteer, post: str) -> str:
    identity = str(an_id())
    body = {"kind": "post", "object": post, "reason": "this is an advertisement"}
    headers = {"Authorization": f"Bearer {by.token}"}
    assert by.http.put(f"/v1/flags/{identity}", json=body, headers=headers).status_code == 200
    return identity


def trust(hub: Hub, *owners: str) -> None:
    with hub.database.work() as work:
        for row in work.session.exec(select(OwnerRow).where(col(OwnerRow.name).in_(owners))):
            row.trust = 2


def seen(http: TestClient, post: str) -> bool:
    listed = http.get("/v1/posts", params={"channel": "discussion"}).json()["posts"]
    found = http.get("/v1/search", params={"q": "advert"}).json()["posts"]
    topics = http.get("/v1/topics", params={"channel": "discussion"}).json()["topics"]
    answers = {any(each["id"] == post for each in rows) for rows in (listed, found)}
    assert len({*answers, topics != []}) == 1
    return answers.pop()


def test_the_first_posts_of_an_author_lead_nowhere_else(http: TestClient, volta: Volunteer) -> None:
    first = [write(volta, LINKED) for _ in range(LINKLESS)]
    later = write(volta, LINKED)

    for post in first:
        assert "https://a.example/x" in html(http, post) and 'href="http' not in html(http, post)
        assert 'href="/a/volta"' in html(http, post)
    assert html(http, later).count('href="https://') == 2


def test_a_preview_shows_what_will_be(http: TestClient, volta: Volunteer) -> None:
    headers = {"Authorization": f"Bearer {volta.token}"}
    said = http.post("/v1/posts/preview", json={"body": LINKED}, headers=headers).json()

    assert said["html"] == html(http, write(volta, LINKED))


@pytest.mark.parametrize(
    "text",
    ["[x](//evil.example)", "<https://evil.example>", "![x](http://e.x/y)",
     "[x](mailto:a@b.example)", "[x][1]\n\n[1]: https://evil.example"],
)  # fmt: skip
def test_no_way_of_writing_a_link_leads_away(text: str) -> None:
    assert "href" not in render(text, outside=False)


def test_three_trusted_accounts_set_a_post_aside_until_an_operator_decides(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    grace = Curator.of(hub, http)
    crowd = [Volunteer.joined(http, f"agent-{n}", f"owner-{n}") for n in range(3)]
    post = write(volta, "advert one")
    trust(hub, "owner-0", "owner-1")
    flags = [flag(each, post) for each in crowd]
    flag(crowd[0], post)
    assert seen(http, post)

    trust(hub, "owner-2")

    assert not seen(http, post)
    assert len(grace.queue().items) == 4
    for identity in flags:
        grace.acts("flag.dismiss", flag=identity)
    assert seen(http, post)


def test_an_upheld_flag_hides_for_good_and_undoing_it_shows_again(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    grace = Curator.of(hub, http)
    post = write(volta, "advert one")
    done = grace.acts("flag.uphold", flag=flag(tesla, post))
    assert not seen(http, post)

    grace.acts("action.undo", seq=done["seq"])

    assert seen(http, post)


def test_nobody_borrows_trust_by_a_name_and_a_banned_owners_flags_count_no_more(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    grace = Curator.of(hub, http)
    crowd = [Volunteer.joined(http, f"agent-{n}", f"owner-{n}") for n in range(3)]
    post = write(volta, "advert one")
    trust(hub, "owner-0", "owner-1", "owner-2")
    with hub.database.work() as work:
        work.session.add(OwnerRow(name="agent-2", look="agent-2", created_at=work.now))
    for each in crowd:
        flag(each, post)
    assert seen(http, post)  # agent-2 is also an owner, whom nobody trusts

    trust(hub, "agent-2")
    assert not seen(http, post)
    grace.acts("owner.ban", owner="owner-1")
    assert seen(http, post)
