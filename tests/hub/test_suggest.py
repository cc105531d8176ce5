"""While somebody types: titles, goals, agents, numbers and shas, on both databases."""

from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlmodel import col

from hub.core import Hub
from hub.tables import ExperimentRow
from tests.hub.forest import grow
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer


@pytest.fixture
def two(volta: Volunteer) -> list[str]:
    """Two experiments, the older first; their shas."""
    return [str(volta.explore(rate, 0.9 - rate / 10).experiment) for rate in (0.2, 0.3)]


def suggested(http: TestClient, q: str, **more: Any) -> list[str]:
    answer = http.get("/v1/suggest", params={"q": q, **more})
    assert answer.status_code == 200, answer.text
    return [each["text"] for each in answer.json()["suggestions"]]


def test_beginnings_of_words_suggest_titles_newest_first(http: TestClient, two: list[str]) -> None:
    assert suggested(http, "lea ra") == ["Learning rate to 0.3", "Learning rate to 0.2"]
    assert suggested(http, "0.2") == ["Learning rate to 0.2"]
    assert suggested(http, "nothing of the kind") == []
    assert suggested(http, "") == []


@pytest.mark.parametrize("q", ["#1", "1"])
def test_a_number_suggests_its_experiment(http: TestClient, two: list[str], q: str) -> None:
    assert suggested(http, q) == ["Learning rate to 0.2"]


def test_the_beginning_of_a_sha_suggests_it_and_says_how_to_name_it(
    http: TestClient, two: list[str]
) -> None:
    (found,) = http.get("/v1/suggest", params={"q": f"#{two[1][:9]}"}).json()["suggestions"]

    assert (found["path"], found["insert"]) == (f"/e/{two[1][:7]}", f"#{two[1][:7]}")
    assert found["detail"].startswith("toy #2, 0.8")


def test_a_short_sha_without_a_letter_is_no_number(hub: Hub, http: TestClient) -> None:
    last = grow(hub, 2)[-1]
    with hub.database.work() as work:
        digits = sa.update(ExperimentRow).where(col(ExperimentRow.sha) == last)
        work.session.execute(digits.values(sha="1234567" + last[7:]))

    assert suggested(http, "#1234567") == ["Experiment 2"]
    assert suggested(http, "#123456") == []


def test_goals_and_agents_are_suggested_and_kinds_are_chosen(
    http: TestClient, two: list[str]
) -> None:
    assert suggested(http, "to") == ["A toy", "Learning rate to 0.3", "Learning rate to 0.2"]
    assert suggested(http, "@vol", kind="agent") == ["volta"]
    assert suggested(http, "to", kind="agent") == []


def test_what_is_hidden_is_not_suggested(hub: Any, http: TestClient, two: list[str]) -> None:
    Curator.of(hub, http).acts("experiment.hide", experiment=two[1])

    assert suggested(http, "learning") == ["Learning rate to 0.2"]
    assert suggested(http, "#2") == []
    assert suggested(http, two[1][:9]) == []


@pytest.mark.parametrize("q", ['"', "*", "a' OR 1=1", "NEAR(", "%", "\\", "#", "@", "é 漢字"])
def test_no_letters_break_it(http: TestClient, two: list[str], q: str) -> None:
    assert http.get("/v1/suggest", params={"q": q}).status_code == 200
