"""Tried before: the earlier result is the answer."""

import pytest
from fastapi.testclient import TestClient

from hub import goals, scheduling
from hub.core import Hub
from hub.likeness import ALIKE, Change, nearest
from hub.scheduling import Wish
from protocol.experiments import Operator
from protocol.work import Kind
from tests.builders import FILES, TRAIN, Clock, a_spec
from tests.hub.volunteer import Volunteer


@pytest.mark.parametrize(
    "again",
    [
        TRAIN.replace("0.1", "0.2"),
        TRAIN.replace("0.1", "0.20") + "\n# a comment makes no difference\n",
        TRAIN.replace("0.1", "1 / 5"),
    ],
)
def test_the_same_change_is_answered_with_its_result(
    http: TestClient, volta: Volunteer, tesla: Volunteer, again: str
) -> None:
    first = volta.explore(learning_rate=0.2, metric=0.95)
    order = tesla.exploring()

    answer = tesla.propose(order, files={"train.py": again})

    assert (answer.status_code, answer.json()["code"]) == (409, "tried_before")
    assert answer.json()["data"]["earlier"]["sha"] == first.experiment
    assert "worse than its parent" in answer.json()["detail"]
    assert http.get("/v1/goals/toy").json()["experiments"] == 2


def test_the_same_idea_in_other_lines_is_told_from_the_same_knob_at_another_value() -> None:
    def change(added: str, said: str = "Warm up longer to calm the start") -> Change:
        return Change(added, said)

    earlier = [change("WARMUP = 200\n"), change("schedule = cosine(step, warmup=200)\n")]
    same = change("schedule = cosine(step,  warmup = 200.0)\n")
    other = change("schedule = cosine(step, warmup=400)\n")

    place, likeness = nearest(same, earlier) or (-1, 0.0)
    assert (place, likeness > ALIKE) == (1, True)
    assert nearest(other, earlier) is None


def warmup(name: str) -> str:
    """The same function under any name."""
    return f"def {name}(step, base=1.0):\n    return base * min(1.0, step / 200)\n"


def test_a_change_that_reads_the_same_is_answered_with_the_earlier_result(
    volta: Volunteer, tesla: Volunteer
) -> None:
    first = volta.exploring()
    volta.propose(first, files={"train.py": TRAIN + warmup("plan")})
    volta.report(first, metric=0.95)

    answer = tesla.propose(tesla.exploring(), files={"train.py": TRAIN + warmup("schedule")})
    assert answer.json()["code"] == "tried_before"
    assert answer.json()["data"]["earlier"]["level"] == "likeness"


def test_what_was_tried_in_another_goal_is_new_in_this_one(hub: Hub, volta: Volunteer) -> None:
    volta.explore(learning_rate=0.2, metric=0.99)
    with hub.database.work() as work:
        goals.open_goal(work, hub.git, a_spec("another"), FILES)
        goals.find(work.session, "toy").state = "paused"

    answer = volta.propose(volta.exploring(), learning_rate=0.2)

    assert answer.status_code == 200, answer.text


def test_what_was_abandoned_unmeasured_may_be_tried_again(volta: Volunteer) -> None:
    order = volta.exploring()
    assert volta.propose(order, learning_rate=0.3).status_code == 200
    volta.release(order)

    again = volta.exploring()
    assert volta.propose(again, learning_rate=0.3).status_code == 200


def test_what_was_abandoned_is_known_again_when_its_result_comes_late(
    volta: Volunteer, tesla: Volunteer
) -> None:
    late = volta.exploring()
    volta.propose(late, files={"train.py": TRAIN + warmup("plan")})
    volta.release(late)
    for rate in (0.5, 0.6):
        order = tesla.explore(learning_rate=rate, metric=0.95)
        assert order.parent == late.parent
    assert volta.report(late, metric=0.95).json()["late"]
    order = tesla.exploring()
    assert order.parent == late.parent

    answer = tesla.propose(order, files={"train.py": TRAIN + warmup("schedule")})

    assert (answer.status_code, answer.json().get("code")) == (409, "tried_before")
    assert answer.json()["data"]["earlier"]["sha"] == late.experiment


def test_after_three_repeats_the_agent_gets_other_work(
    clock: Clock, volta: Volunteer, tesla: Volunteer
) -> None:
    volta.explore(learning_rate=0.2, metric=0.95)
    tesla.release(tesla.exploring())
    clock.forward(1)
    order = tesla.exploring()
    for _ in range(3):
        assert tesla.propose(order, learning_rate=0.2).json()["code"] == "tried_before"
    tesla.release(order)

    reply = tesla.ask()
    assert reply.order is not None  # a GPU never waits for ever
    assert reply.order.kind.value in ("replicate", "anchor", "merge")


def test_where_nothing_can_be_repeated_a_refused_agent_may_try_afresh(
    clock: Clock, volta: Volunteer
) -> None:
    volta.release(volta.exploring())
    clock.forward(1)
    order = volta.exploring()
    for _ in range(3):
        assert volta.propose(order, files={"train.py": TRAIN + "# same\n"}).status_code == 409
    volta.release(order)

    reply = volta.ask()

    assert reply.order is not None
    assert reply.order.kind.value == "explore"


def test_what_surely_lost_on_another_parent_is_objected_to_twice(
    hub: Hub, volta: Volunteer, tesla: Volunteer
) -> None:
    lost, gained = TRAIN.replace("DEPTH = 2", "DEPTH = 9"), TRAIN.replace("0.1", "0.2")
    made = []
    for text, metric in ((lost, 0.99), (gained, 0.8)):
        order = volta.exploring()
        assert volta.propose(order, files={"train.py": text}).status_code == 200
        assert volta.report(order, metric=metric).status_code == 200
        made.append(order.experiment)
    wish = Wish(Kind.EXPLORE, Operator.TWEAK, "Build on it.", parent=made[1])
    with hub.database.work() as work:
        goal = goals.find(work.session, "toy")
        scheduling.put(work, scheduling.new_order(work.now, goal, wish))

    order = tesla.claim()
    both = {"train.py": gained.replace("DEPTH = 2", "DEPTH = 9")}
    answers = [tesla.propose(order, files=both) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [409, 409, 200]
    assert answers[0].json()["data"]["earlier"]["level"] == "elsewhere"
    assert answers[0].json()["detail"].startswith("The same change of another parent is #1")
