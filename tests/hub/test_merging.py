"""Merges: the hub brings several gains over by itself, and leaves alone what is nothing new."""

from collections.abc import Sequence

import pytest

from hub import experiments, goals, preparing, scheduling, states
from hub.core import Hub
from hub.scheduling import Wish
from hub.tables import OrderRow
from protocol.experiments import Operator
from protocol.work import Kind, Prepared
from tests.builders import TRAIN
from tests.builders import Order as Claimed
from tests.hub.volunteer import Volunteer

RATE, DEPTH, END = "LEARNING_RATE = 0.1", "DEPTH = 2", "print('---')"


@pytest.fixture
def made(hub: Hub, volta: Volunteer) -> dict[str, str]:
    """Children of the starting point by name: two change the rate, one the depth, one the end."""
    changes = {
        "rate": (RATE, "LEARNING_RATE = 0.2"),
        "other rate": (RATE, "LEARNING_RATE = 0.3"),
        "depth": (DEPTH, "DEPTH = 3"),
        "end": (END, "print('-----')"),
    }
    shas = {}
    assert volta.report(volta.claim(), metric=0.9).status_code == 200
    for name, (old, new) in changes.items():
        on_the_root(hub, volta)
        order = volta.claim()
        answer = volta.propose(order, files={"train.py": TRAIN.replace(old, new)}, title=name)
        assert answer.status_code == 200, answer.text
        assert volta.report(order, metric=0.95).status_code == 200
        shas[name] = str(order.experiment)
    return shas


def a_merge(hub: Hub, parent: str, donors: Sequence[str]) -> OrderRow:
    with hub.database.work() as work:
        wish = Wish(
            Kind.MERGE,
            Operator.MERGE,
            "Bring them together.",
            parent=parent,
            second_parent=donors[0],
            brought=donors,
        )
        return scheduling.put(
            work, scheduling.new_order(work.now, goals.find(work.session, "toy"), wish)
        )


def prepared(hub: Hub, order: OrderRow) -> tuple[Prepared | None, OrderRow]:
    with hub.database.work() as work:
        row = work.session.get_one(OrderRow, order.id)
        return preparing.prepare(work.session, hub.git, row), row


def test_several_gains_are_brought_over_in_one_merge(hub: Hub, made: dict[str, str]) -> None:
    order = a_merge(hub, made["rate"], [made["depth"], made["end"]])

    proposal, row = prepared(hub, order)

    assert proposal is not None
    text = proposal.files["train.py"]
    assert ("LEARNING_RATE = 0.2" in text, "DEPTH = 3" in text, "'-----'" in text) == (True,) * 3
    assert row.brought == [made["depth"], made["end"]]
    assert "depth; end" in proposal.title


def test_of_a_merge_that_is_merged_again_only_what_it_brought_is_said(
    hub: Hub, made: dict[str, str]
) -> None:
    with hub.database.work() as work:
        donor = experiments.find(work.session, made["depth"])
        donor.title = "Merge #7, #8 into #1: depth"

    proposal, _ = prepared(hub, a_merge(hub, made["rate"], [made["depth"], made["end"]]))

    assert proposal is not None
    assert proposal.title == "Merge #3, #4 into #1: depth; end"


def test_what_does_not_fit_is_left_out_and_the_first_that_does_is_second_parent(
    hub: Hub, made: dict[str, str]
) -> None:
    order = a_merge(hub, made["rate"], [made["other rate"], made["depth"]])

    proposal, row = prepared(hub, order)

    assert proposal is not None
    assert "LEARNING_RATE = 0.2" in proposal.files["train.py"]
    assert (row.second_parent, row.brought) == (made["depth"], [made["depth"]])


def test_where_nothing_fits_a_mutator_brings_the_first(hub: Hub, made: dict[str, str]) -> None:
    order = a_merge(hub, made["rate"], [made["other rate"], made["other rate"]])

    proposal, row = prepared(hub, order)

    assert proposal is None
    assert (row.second_parent, row.brought) == (made["other rate"], [made["other rate"]])


def test_a_merge_remembers_all_that_it_brought(
    hub: Hub, made: dict[str, str], tesla: Volunteer
) -> None:
    a_merge(hub, made["rate"], [made["depth"], made["end"]])
    order = tesla.ask().order
    assert order is not None and order.prepared is not None
    assert order.brought == [made["depth"], made["end"]]

    claimed = tesla.claim()
    assert tesla.propose(claimed, files=order.prepared.files).status_code == 200

    said = tesla.http.get(f"/v1/experiments/{claimed.experiment}").json()
    assert said["brought"] == [made["depth"], made["end"]]
    with hub.database.read() as session:
        state = states.read(session, goals.find(session, "toy"))
    place = state.place[str(claimed.experiment)]
    sides = state.snapshot.nodes[place].sides
    assert [state.sha(side) for side in sides] == [made["depth"], made["end"]]


def test_a_merge_of_which_something_was_left_out_is_taken_as_it_was_told(
    hub: Hub, made: dict[str, str], tesla: Volunteer
) -> None:
    a_merge(hub, made["rate"], [made["other rate"], made["depth"]])
    order = tesla.ask().order
    assert order is not None and order.prepared is not None
    assert order.second_parent == made["depth"]

    claimed = tesla.claim()
    answer = tesla.propose(claimed, files=order.prepared.files)

    assert answer.status_code == 200, answer.text


def test_a_merge_that_was_nothing_new_is_not_asked_for_again(
    hub: Hub, made: dict[str, str], tesla: Volunteer
) -> None:
    a_merge(hub, made["rate"], [made["depth"]])
    order = tesla.claim()
    again = TRAIN.replace(RATE, "LEARNING_RATE = 0.3")
    assert tesla.propose(order, files={"train.py": again}).json()["code"] == "tried_before"
    tesla.release(order)

    assert barred(hub) == {(made["rate"], made["depth"])}


def test_a_merge_is_left_alone_once_two_agents_gave_it_up(
    hub: Hub, made: dict[str, str], tesla: Volunteer
) -> None:
    for count in (1, 2):
        a_merge(hub, made["rate"], [made["depth"]])
        tesla.release(tesla.claim())
        assert len(barred(hub)) == count - 1


def test_what_was_given_up_is_not_ordered_again(
    hub: Hub, volta: Volunteer, tesla: Volunteer
) -> None:
    assert volta.report(volta.claim(), metric=0.9).status_code == 200
    for old, new, metric in ((RATE, "LEARNING_RATE = 0.2", 0.5), (DEPTH, "DEPTH = 3", 0.6)):
        on_the_root(hub, tesla)
        order = tesla.claim()
        assert tesla.propose(order, files={"train.py": TRAIN.replace(old, new)}).status_code == 200
        assert tesla.report(order, metric=metric).status_code == 200

    merges = [order for order in asked_for(tesla, 8) if order.extra["kind"] == "merge"]

    assert len(merges) == scheduling.GIVEN_UP


def on_the_root(hub: Hub, agent: Volunteer) -> None:
    """The next one who asks is to build on the starting point."""
    root = agent.http.get("/v1/goals/toy").json()["baseline"]
    wish = Wish(Kind.EXPLORE, Operator.TWEAK, "A script says so.", parent=root)
    with hub.database.work() as work:
        goal = goals.find(work.session, "toy")
        scheduling.put(work, scheduling.new_order(work.now, goal, wish))


def asked_for(agent: Volunteer, times: int) -> list[Claimed]:
    """What an agent is asked for that does nothing of what needs a proposal."""
    orders = []
    for _ in range(times):
        order = agent.claim()
        orders.append(order)
        if order.experiment is None:
            agent.release(order)
        else:
            assert agent.report(order, metric=0.9).status_code == 200
    return orders


def barred(hub: Hub) -> set[tuple[str, str]]:
    with hub.database.read() as session:
        goal = goals.find(session, "toy")
        state = states.read(session, goal)
        pairs = scheduling.barred(session, goal, state.place)
        return {(state.sha(one), state.sha(two)) for one, two in pairs}


@pytest.mark.parametrize(
    ("ours", "theirs", "both"),
    [
        ("a = 5\nb = 2\n", "a = 1\nb = 7\n", "a = 5\nb = 7\n"),
        ("a = 5\nb = 2\n", "a = 5\nb = 2\n", "a = 5\nb = 2\n"),
        ("a = 5\nb = 2\n", "a = 6\nb = 2\n", None),
        ("a = 5\nb = 2\n", "a = 1\nc = 0\nb = 3\n", None),
        ("", "a = 5\nb = 2\n", None),
    ],
)
def test_neighbouring_lines_are_two_ideas_and_one_line_is_one(
    ours: str, theirs: str, both: str | None
) -> None:
    assert preparing.merged("a = 1\nb = 2\n", ours, theirs) == both
