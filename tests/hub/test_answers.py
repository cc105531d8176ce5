"""What was made of a goal's rows is kept, for as long as they say the same."""

import time
from collections.abc import Callable
from itertools import pairwise
from threading import Barrier, Thread
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from hub import contributions, goals, standings
from hub.answers import Answers
from hub.core import Hub
from hub.tables import GoalRow
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer

MAKE: tuple[Callable[[Session, GoalRow], Any], ...] = (
    *(contributions.by_agent, standings.noise, standings.reasons),
    *(goals.view, goals.view_with_files),
)


def test_an_answer_follows_whatever_happens_to_its_goal(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    grace = Curator.of(hub, http)
    seen = [told(hub)]

    def then() -> None:
        seen.append(told(hub))

    order = volta.exploring()
    then()
    assert volta.propose(order, learning_rate=0.2).status_code == 200
    then()
    assert volta.report(order, metric=0.8).is_success
    then()
    held = tesla.claim()
    then()
    tesla.release(held)
    then()
    tesla.explore(0.3, metric=None)
    then()
    grace.acts("goal.pause", goal="toy")
    then()
    grace.acts("experiment.hide", experiment=order.experiment)
    then()
    grace.acts("owner.ban", owner="nikola")
    then()

    assert [kept for kept, _ in seen] == [anew for _, anew in seen]
    assert all(before != after for (before, _), (after, _) in pairwise(seen))


def told(hub: Hub) -> tuple[list[Any], list[Any]]:
    """Each answer as it is kept, and made anew."""
    with hub.database.read() as session:
        goal = session.get_one(GoalRow, "toy")
        kept = [hub.answers.get(session, goal, make) for make in MAKE]
        return kept, [make(session, goal) for make in MAKE]


def test_a_fit_that_moved_no_score_changes_an_answer(hub: Hub) -> None:
    before, _ = told(hub)

    with hub.database.work() as work:
        work.session.get_one(GoalRow, "toy").noise_sd = 0.25

    kept, anew = told(hub)
    assert kept == anew != before


def test_many_who_ask_at_once_have_it_made_once(hub: Hub) -> None:
    made, answers, together = list[str](), Answers(), Barrier(4)

    def make(_session: Session, goal: GoalRow) -> str:
        time.sleep(0.1)  # long enough for the others to come
        made.append(goal.slug)
        return "said"

    def ask() -> None:
        with hub.database.read() as session:
            goal = session.get_one(GoalRow, "toy")
            together.wait()
            answers.get(session, goal, make)

    askers = [Thread(target=ask) for _ in range(together.parties)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()

    assert made == ["toy"]


def test_what_could_not_be_made_is_made_for_the_next_who_asks(hub: Hub) -> None:
    answers, troubles = Answers(), [OSError("a disk in trouble")]

    def make(_session: Session, _goal: GoalRow) -> str:
        if troubles:
            raise troubles.pop()
        return "said"

    with hub.database.read() as session:
        goal = session.get_one(GoalRow, "toy")
        with pytest.raises(OSError, match="in trouble"):
            answers.get(session, goal, make)

        assert answers.get(session, goal, make) == "said"
