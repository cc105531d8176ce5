"""The scheduler: every state has an order or a reason, every order says why, switches are kept."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import belief, frontier, verification
from hub.frontier import Asker, Order, Switches
from hub.policies import POLICIES
from hub.snapshot import Node, Pending, Snapshot
from tests.swarm.states import LEVEL, a_goal, a_random_goal, a_reading

BO = Asker(owner="bo", agent="bo-1", device="bo-gpu", device_class="H100")


def asked(
    snapshot: Snapshot, who: Asker = BO, policy: str = frontier.DEFAULT, seed: int = 0
) -> Order | None:
    believed = belief.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)
    return frontier.ask(snapshot, believed, verdicts, who, policy=policy, seed=seed)


def test_a_fresh_goal_starts_with_its_baseline() -> None:
    order = asked(Snapshot(nodes=(Node("root", 0),)))

    assert order is not None
    assert (order.kind, order.node) == ("anchor", 0)


def test_while_the_baseline_runs_others_explore() -> None:
    running = Pending("anchor", "ada", node=0, agent="ada-1")

    order = asked(Snapshot(nodes=(Node("root", 0),), pending=(running,)))

    assert order is not None
    assert (order.kind, order.parent) == ("explore", 0)


@pytest.mark.parametrize("policy", sorted(POLICIES))
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), size=st.integers(1, 30))
def test_every_policy_gives_an_order_with_a_reason(policy: str, seed: int, size: int) -> None:
    snapshot, _ = a_random_goal(size, 4, seed)

    order = asked(snapshot, policy=policy, seed=seed)

    assert order is not None
    assert len(order.why) > 20
    for place in (order.parent, order.second, order.node):
        assert place is None or 0 <= place < size


def test_a_claimed_new_best_is_given_to_another_owner_to_check() -> None:
    snapshot = a_goal(LEVEL, LEVEL - 6e-3, noise_sd=2e-4)

    order = asked(snapshot)

    assert order is not None
    assert (order.kind, order.node) == ("replicate", 1)
    assert "#1" in order.why


def test_nobody_confirms_an_own_claim() -> None:
    snapshot = a_goal(LEVEL, LEVEL - 6e-3, noise_sd=2e-4)

    order = asked(snapshot, replace(BO, owner="ada"))

    assert order is not None
    assert order.kind != "replicate"


def test_one_check_at_a_time() -> None:
    snapshot = a_goal(LEVEL, LEVEL - 6e-3, noise_sd=2e-4)
    busy = replace(snapshot, pending=(Pending("replicate", "cy", node=1, agent="cy-1"),))

    order = asked(busy)

    assert order is not None
    assert order.kind != "replicate"


def test_two_sure_gains_of_one_parent_are_merged_once() -> None:
    snapshot = a_goal(LEVEL, *[LEVEL - 5e-3, LEVEL - 4e-3] + [LEVEL + 1e-3] * 8, noise_sd=2e-4)
    again = a_reading(1, LEVEL - 5e-3, "bo")
    checked = replace(snapshot, readings=(*snapshot.readings, again, a_reading(0, LEVEL, "bo")))

    order = asked(checked)
    assert order is not None
    assert (order.kind, {order.parent, order.second}) == ("merge", {1, 2})

    running = Pending("merge", "cy", parent=order.parent, second=order.second, agent="cy-1")
    after = asked(replace(checked, pending=(running,)))
    assert after is not None
    assert {after.parent, after.second} != {1, 2}


def test_what_is_frozen_or_forbidden_is_never_built_on() -> None:
    snapshot = a_goal(LEVEL, LEVEL - 3e-3, LEVEL - 2e-3, noise_sd=2e-4)
    nodes = (
        snapshot.nodes[0],
        replace(snapshot.nodes[1], frozen=True),
        replace(snapshot.nodes[2], forbidden=True),
    )

    order = asked(replace(snapshot, nodes=nodes), replace(BO, owner="ada"))

    assert order is not None
    assert order.parent == 0


def test_pinned_experiments_get_their_share() -> None:
    snapshot = a_goal(LEVEL, LEVEL - 1e-4, LEVEL + 5e-3)
    nodes = (*snapshot.nodes[:2], replace(snapshot.nodes[2], pinned=True))

    chosen = Counter(order_parent(replace(snapshot, nodes=nodes), seed) for seed in range(60))

    assert 8 < chosen[2] < 36


def order_parent(snapshot: Snapshot, seed: int) -> int | None:
    order = asked(snapshot, replace(BO, owner="ada"), seed=seed)
    return None if order is None else order.parent


def test_after_three_refusals_the_agent_gets_other_work() -> None:
    snapshot = a_goal(LEVEL, LEVEL - 1e-4, LEVEL + 1e-4)

    order = asked(snapshot, replace(BO, after_refusals=3))

    assert order is not None
    assert order.kind in ("replicate", "merge")


def test_an_agent_that_cannot_propose_measures() -> None:
    order = asked(a_goal(LEVEL, LEVEL - 1e-4), replace(BO, can_mutate=False))

    assert order is not None
    assert order.kind in ("replicate", "anchor")


def test_a_new_class_of_device_runs_the_baseline_first() -> None:
    order = asked(a_goal(LEVEL, LEVEL - 1e-4), replace(BO, device_class="T4"))

    assert order is not None
    assert (order.kind, order.node) == ("anchor", 0)


def test_where_everything_crashed_the_root_is_tried_again() -> None:
    order = asked(a_goal(LEVEL, None, None, None), replace(BO, owner="ada"))

    assert order is not None
    assert (order.kind, order.parent) == ("explore", 0)


def test_forbidden_operators_are_not_asked_for() -> None:
    snapshot = a_goal(LEVEL, LEVEL - 1e-4)
    believed = belief.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)
    only = Switches(weights={"tweak": 0.0, "bold": 0.0, "simplify": 0.0})

    asker = replace(BO, owner="ada")
    orders = [
        frontier.ask(snapshot, believed, verdicts, asker, seed=seed, switches=only)
        for seed in range(20)
    ]

    assert {one.operator for one in orders if one and one.kind == "explore"} == {"constants"}
