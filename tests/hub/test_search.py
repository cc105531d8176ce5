"""One box finds experiments and posts on both databases, and helps when it cannot."""

from base64 import b64encode
from typing import Any, Literal
from unicodedata import normalize
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from hub import hot, search_index, search_query
from hub.core import Hub
from hub.db import Database
from hub.errors import StorageFull
from protocol.board import PostDraft
from tests.builders import Clock, an_id
from tests.hub.forest import grow
from tests.hub.volunteer import Volunteer

Form = Literal["NFC", "NFD"]


def find(http: TestClient, q: str, **more: Any) -> dict[str, Any]:
    answer = http.get("/v1/search", params={"q": q, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def titles(found: dict[str, Any]) -> list[str]:
    return [each["title"] for each in found["experiments"]]


@pytest.fixture
def three(volta: Volunteer, clock: Clock) -> Volunteer:
    """Three experiments: 0.2 is kept, 0.3 is worse, 0.4 crashed, a day between them."""
    for rate, metric in ((0.2, 0.8), (0.3, 0.95), (0.4, None)):
        volta.explore(learning_rate=rate, metric=metric)
        clock.forward(86_400)
    return volta


def test_words_find_titles_newest_first(http: TestClient, three: Volunteer) -> None:
    found = find(http, "learning rate")

    assert titles(found) == [f"Learning rate to {rate}" for rate in (0.4, 0.3, 0.2)]
    assert found["words"] == ["learning", "rate"]


def test_a_number_and_the_beginning_of_a_word_are_enough(
    http: TestClient, three: Volunteer
) -> None:
    assert titles(find(http, "learn 0.3")) == ["Learning rate to 0.3"]


@pytest.mark.parametrize(
    ("q", "rates"),
    [
        ("status:kept learning", [0.2]),
        ("status:failed", [0.4]),
        ("is:claimed agent:volta", [0.3, 0.2]),
        ("delta:<-0.05", [0.2]),
        ("delta:>0.1", [0.3]),
        ("since:36h", [0.4]),
        ("since:2026-11-22", [0.4, 0.3]),
        ("since:2026-11-22T13:00+02:00", [0.4, 0.3]),
        ("file:train.py goal:toy", [0.4, 0.3, 0.2]),
        ("file:prepare.py", []),
        ("owner:nikola", []),
    ],
)
def test_filters_narrow(http: TestClient, three: Volunteer, q: str, rates: list[float]) -> None:
    found = titles(find(http, q))

    assert [title for title in found if title != "baseline"] == [
        f"Learning rate to {rate}" for rate in rates
    ]


@pytest.mark.parametrize(
    ("q", "words"),
    [
        ("statsu:kept", "Did you mean `status:`?"),
        ("status:great", "choose one of kept, running"),
        ("delta:much", "delta:<-0.0005"),
        ("since:yesterday", "since:7d"),
        ("since:0001-01-01T00:00+14:00", "since:7d"),
        ("goal:", "needs a value"),
    ],
)
def test_a_wrong_filter_is_answered_with_a_hint(http: TestClient, q: str, words: str) -> None:
    answer = http.get("/v1/search", params={"q": q})

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_filter")
    assert words in answer.json()["detail"]


def test_when_nothing_is_left_the_greediest_filter_is_named(
    http: TestClient, three: Volunteer
) -> None:
    assert find(http, "learning agent:nobody")["hint"] == (
        "Without `agent:nobody` there would be 3."
    )


def test_posts_agents_and_goals_are_found_too(http: TestClient, three: Volunteer) -> None:
    body = {"channel": "discussion", "topic": "Warm-up", "body": "Does the warm_up matter?"}
    headers = {"Authorization": f"Bearer {three.token}"}
    http.put(f"/v1/posts/{an_id()}", json=body, headers=headers)

    found = find(http, "warm up")
    assert [post["topic"] for post in found["posts"]] == ["Warm-up"]
    assert find(http, "vol")["agents"] == ["volta"]
    assert find(http, "to")["goals"] == ["toy"]


def test_words_are_found_whatever_signs_stand_around_them(
    http: TestClient, volta: Volunteer
) -> None:
    body = "Drop <bos>: if a1<9 then b2>7, “slow” → fast, lr+0.125, don’t, ~half, 50%, &amp;"  # noqa: RUF001
    draft = PostDraft(channel="discussion", topic="Signs", body=body)
    assert volta.send("PUT", f"/v1/posts/{an_id()}", draft).status_code == 200

    words = search_query.words_of(body)
    assert [word for word in words if not find(http, word)["posts"]] == []


@pytest.mark.parametrize("asked", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_a_letter_is_found_whether_its_accent_is_a_sign_of_its_own(
    http: TestClient, volta: Volunteer, written: Form, asked: Form
) -> None:
    words = ["naïve", "Việt", "한글"]
    body = normalize(written, " ".join(words))
    draft = PostDraft(channel="discussion", topic="Letters", body=body)
    assert volta.send("PUT", f"/v1/posts/{an_id()}", draft).status_code == 200

    found = [word for word in words if find(http, normalize(asked, word))["posts"]]

    assert found == words


def test_a_sha_and_a_number_jump(http: TestClient, three: Volunteer) -> None:
    sha = find(http, "status:failed")["experiments"][0]["sha"]

    assert [each["sha"] for each in find(http, sha[:9])["experiments"]] == [sha]
    assert [each["sha"] for each in find(http, "#3 goal:toy")["experiments"]] == [sha]


def test_pages_neither_miss_nor_repeat(hub: Hub, http: TestClient) -> None:
    grow(hub, 57)

    seen, cursor = [], None
    while True:
        page = find(http, "larger", limit=10, **({"cursor": cursor} if cursor else {}))
        seen += [each["number"] for each in page["experiments"]]
        if (cursor := page["experiments_cursor"]) is None:
            break

    assert len(seen) == len(set(seen)) == 57
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("q", ['"', "*", "a' OR 1=1", "NEAR(", "% _", "\\", "a:b:c d", "é ü 漢字"])
def test_no_text_breaks_the_search(http: TestClient, three: Volunteer, q: str) -> None:
    assert http.get("/v1/search", params={"q": q}).status_code in (200, 422)


NO_TIME = f"e|0001-01-01T00:00:00+14:00|{UUID(int=1)}"


@pytest.mark.parametrize(
    "cursor", ["x", "ZXxub3BlfDE=", "cHx4", b64encode(NO_TIME.encode()).decode()]
)
def test_a_made_up_cursor_is_refused(http: TestClient, cursor: str) -> None:
    assert http.get("/v1/search", params={"cursor": cursor}).status_code == 422


def test_an_index_that_lost_rows_is_filled_again(hub: Hub, http: TestClient) -> None:
    grow(hub, 5)
    if hub.database.is_sqlite:
        with hub.database.work() as work:
            connection = work.session.connection()
            connection.exec_driver_sql("DELETE FROM search_experiments")

    search_index.install(hub.database)

    assert len(titles(find(http, "larger"))) == 5


def test_an_index_that_was_written_with_each_row_is_made_anew(hub: Hub, http: TestClient) -> None:
    if not hub.database.is_sqlite:
        pytest.skip("PostgreSQL keeps its index itself")
    older = (
        "DROP TABLE search_posts",
        "DROP TRIGGER search_posts_edited",
        "CREATE VIRTUAL TABLE search_posts USING fts5(key UNINDEXED, topic, body)",
        "CREATE TRIGGER search_posts_new AFTER INSERT ON posts BEGIN "
        "INSERT INTO search_posts(key, topic, body) VALUES (new.seq, new.topic, new.body); END",
        "INSERT INTO search_posts(rowid, key, topic, body) VALUES (900, 1, 'none', 'such')",
    )
    with hub.database.work() as work:
        for statement in older:
            work.connection.exec_driver_sql(statement)

    search_index.install(hub.database)

    assert find(http, "such")["posts"] == []
    with hub.database.read() as session:
        left = session.connection().exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE name LIKE 'search_posts_new'"
        )
        assert left.all() == []


def test_an_index_of_texts_as_they_were_written_is_made_anew(
    hub: Hub, volta: Volunteer, http: TestClient
) -> None:
    if not hub.database.is_sqlite:
        pytest.skip("PostgreSQL's older index is of another name")
    draft = PostDraft(channel="discussion", topic="Letters", body=normalize("NFD", "Việt"))
    volta.send("PUT", f"/v1/posts/{an_id()}", draft)
    assert find(http, "Việt")["posts"]
    with hub.database.work() as work:
        for statement in (
            "UPDATE search_posts SET body = (SELECT body FROM posts)",
            "DROP TRIGGER search_posts_edited",
            "CREATE TRIGGER search_posts_changed AFTER UPDATE ON posts BEGIN SELECT 1; END",
        ):
            work.connection.exec_driver_sql(statement)
    assert not find(http, "Việt")["posts"]

    search_index.install(hub.database)

    assert find(http, "Việt")["posts"]


def test_a_postgres_of_an_older_hub_gets_its_words_once(hub: Hub, http: TestClient) -> None:
    if hub.database.is_sqlite:
        pytest.skip("SQLite's index is no column")
    grow(hub, 3)
    with hub.database.work() as work:
        for statement in (
            "DROP INDEX ix_search_experiments_composed",
            "CREATE INDEX ix_search_experiments_column ON experiments USING gin (search_words)",
            "CREATE INDEX ix_search_experiments_words ON experiments (title)",
        ):
            work.connection.exec_driver_sql(statement)

    for _ in range(2):
        search_index.install(hub.database)

    with hub.database.read() as session:
        left = session.connection().exec_driver_sql(
            "SELECT indexname FROM pg_indexes WHERE starts_with(indexname, 'ix_search_')"
        )
        names = sorted(left.scalars())
    assert names == ["ix_search_experiments_composed", "ix_search_posts_composed"]
    assert len(titles(find(http, "larger"))) == 3


def test_a_changed_text_is_found_by_its_new_words_only(hub: Hub, http: TestClient) -> None:
    grow(hub, 2)
    assert len(titles(find(http, "larger"))) == 2
    with hub.database.work() as work:
        work.connection.exec_driver_sql("UPDATE experiments SET title = 'Warmer', hypothesis = ''")

    assert titles(find(http, "larger")) == []
    assert "Warmer" in titles(find(http, "warmer"))


@pytest.fixture
def slow(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub whose index follows only when it is asked to."""
    monkeypatch.setattr(hub.text_writer, "interval", 3600.0)
    return hub


def test_a_hub_that_cannot_write_finds_what_was_indexed(
    slow: Hub, volta: Volunteer, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    assert len(titles(find(http, "learning"))) == 1
    volta.explore(learning_rate=0.3, metric=0.8)

    def full() -> None:
        raise StorageFull

    monkeypatch.setattr(slow.database, "work", full)

    assert len(titles(find(http, "learning"))) == (1 if slow.database.is_sqlite else 2)


def test_a_search_waits_a_moment_for_another_that_waits_for_the_database(
    slow: Hub, volta: Volunteer, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "PATIENCE", 0.01)
    volta.explore(learning_rate=0.2, metric=0.8)

    with slow.text_writer._turn:
        meanwhile = titles(find(http, "learning"))

    assert len(meanwhile) == (0 if slow.database.is_sqlite else 1)
    assert len(titles(find(http, "learning"))) == 1


def test_what_comes_while_a_hub_opens_is_no_reason_to_index_all_anew(
    slow: Hub, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not slow.database.is_sqlite:
        pytest.skip("PostgreSQL keeps its index itself")
    follow, plain, said = search_index._follow, hot.say, list[str]()

    def followed(database: Database) -> None:
        follow(database)
        volta.explore(learning_rate=0.2, metric=0.8)

    def say(connection: sa.Connection, text: str) -> None:
        said.append(text)
        plain(connection, text)

    monkeypatch.setattr(search_index, "_follow", followed)
    monkeypatch.setattr(hot, "say", say)
    search_index.install(slow.database)

    assert not [text for text in said if text.startswith("DELETE")]
