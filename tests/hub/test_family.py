"""An experiment's children best first, how they scored, and what a mistyped sha may mean."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from hub import scheduling
from hub.core import Hub
from hub.scheduling import Wish
from hub.tables import GoalRow
from protocol.experiments import Operator
from protocol.work import Kind
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer

METRICS = (0.84, 0.8, None, 0.82, 0.8, 0.86)


@pytest.fixture
def parent(hub: Hub, http: TestClient, volta: Volunteer) -> str:
    """The baseline, with children that scored so, one of them not at all."""
    root = str(http.get("/v1/goals/toy").json()["baseline"])
    wish = Wish(Kind.EXPLORE, Operator.TWEAK, "a test wants it", parent=root)
    for number, metric in enumerate(METRICS):
        with hub.database.work() as work:
            goal = work.session.get_one(GoalRow, "toy")
            scheduling.put(work, scheduling.new_order(work.now, goal, wish))
        order = volta.exploring()
        assert order.parent == root
        assert volta.propose(order, learning_rate=0.2 + number / 100).status_code == 200
        assert volta.report(order, metric=metric).status_code == 200
    return root


def children(http: TestClient, sha: str, **asked: Any) -> dict[str, Any]:
    answer = http.get(f"/v1/experiments/{sha}/children", params={"sort": "best", **asked})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_children_come_best_first_page_by_page_and_those_without_a_score_last(
    http: TestClient, parent: str
) -> None:
    whole = children(http, parent)["experiments"]
    scores = [each["score"] for each in whole]
    known = [score for score in scores if score is not None]
    assert (len(known), len(scores)) == (len(METRICS) - 1, len(METRICS))

    assert known == sorted(known) and scores[len(known) :] == [None] * (len(scores) - len(known))
    paged: list[int] = []
    cursor: str | None = None
    while True:
        page = children(http, parent, limit=2, **({"cursor": cursor} if cursor else {}))
        paged += [each["number"] for each in page["experiments"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert paged == [each["number"] for each in whole]


def test_the_spread_counts_every_child_once(http: TestClient, parent: str) -> None:
    told = http.get(f"/v1/experiments/{parent}/spread").json()
    whole = children(http, parent)["experiments"]

    assert told["total"] == len(whole)
    assert sum(told["counts"]) + told["beyond"] + told["without"] == told["total"]
    assert told["low"] == min(each["score"] for each in whole if each["score"] is not None)


def test_an_experiment_without_children_has_an_empty_spread(
    http: TestClient, volta: Volunteer
) -> None:
    root = http.get("/v1/goals/toy").json()["baseline"]

    told = http.get(f"/v1/experiments/{root}/spread").json()

    assert (told["total"], told["counts"], told["low"]) == (0, [], None)


def test_a_mistyped_sha_is_answered_with_what_begins_like_it(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    sha = str(volta.explore(0.2, 0.8).experiment)
    wrong = sha[:5] + ("0" if sha[5] != "0" else "1") + sha[6:9]

    said = http.get(f"/v1/experiments/{wrong}")

    assert (said.status_code, said.json()["data"]["choices"]) == (404, [f"{sha[:12]} toy #1"])
    Curator.of(hub, http).acts("experiment.hide", experiment=sha)
    assert http.get(f"/v1/experiments/{wrong}").json()["data"]["choices"] == []
    assert http.get("/v1/experiments/nonsense").json()["data"]["choices"] == []


def test_a_hidden_child_is_told_to_no_mutator(hub: Hub, http: TestClient, volta: Volunteer) -> None:
    order = volta.explore(0.2, 0.8)
    Curator.of(hub, http).acts("experiment.hide", experiment=order.experiment)

    for by in ("number", "best"):
        found = http.get(f"/v1/experiments/{order.parent}/children", params={"order": by}).json()
        assert found["experiments"] == []


def test_changes_of_white_space_alone_are_left_out_when_asked(
    http: TestClient, volta: Volunteer
) -> None:
    order = volta.exploring()
    text = http.get(f"/v1/experiments/{order.parent}/files/train.py").text
    spaced = text.replace("LEARNING_RATE = 0.1", "LEARNING_RATE  =  0.1").replace("= 2", "= 3")
    assert volta.propose(order, files={"train.py": spaced}).status_code == 200

    def changed(**asked: Any) -> int:
        diff = http.get(f"/v1/experiments/{order.experiment}/diff", params=asked).json()
        return sum(file["added"] for file in diff["files"])

    assert (changed(), changed(ignore_space=True)) == (2, 1)


def test_a_log_is_read_from_its_end_upwards(http: TestClient, volta: Volunteer) -> None:
    order = volta.exploring()
    volta.propose(order, learning_rate=0.2)
    volta.report(order, metric=0.8, log="".join(f"line {n}\n" for n in range(1, 11)))
    (run,) = http.get(f"/v1/experiments/{order.experiment}/runs").json()

    last = http.get(f"/v1/runs/{run['id']}/log", params={"tail": 3})
    first = last.headers["X-First-Line"]
    earlier = http.get(f"/v1/runs/{run['id']}/log", params={"tail": 3, "before": first})

    assert (last.text, first, last.headers["X-Lines"]) == ("line 8\nline 9\nline 10", "8", "10")
    assert (earlier.text, earlier.headers["X-First-Line"]) == ("line 5\nline 6\nline 7", "5")
