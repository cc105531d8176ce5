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
from hub.titles import Referee
from tests.swarm.states import LEVEL, a_goal, a_random_goal, a_reading, two_claims

BO = Asker(owner="bo", agent="bo-1", device="bo-gpu", device_class="H100")


def asked(
    snapshot: Snapshot, who: Asker = BO, policy: str = frontier.DEFAULT, seed: int = 0
) -> Order | None:
    believed = belief.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)
    crowned = Referee().champion(snapshot, believed, verdicts)
    return frontier.ask(
        snapshot, believed, verdicts, who, champion=crowned, policy=policy, seed=seed
    )


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
@settings(max_examples=10)
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


def test_what_looks_better_than_the_champion_is_run_once_more() -> None:
    contested = two_claims("bo0")

    order = asked(contested, replace(BO, owner="bo1"))

    assert order is not None
    assert (order.kind, order.node) == ("replicate", 2)
    assert "looks better than the champion" in order.why


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


def three_sure_gains() -> Snapshot:
    """Three children of the root that surely gained, confirmed by others."""
    gains = [LEVEL - 5e-3, LEVEL - 4e-3, LEVEL - 3e-3]
    snapshot = a_goal(LEVEL, *gains, *[LEVEL + 1e-3] * 8, noise_sd=2e-4)
    again = [
        a_reading(0, LEVEL, "bo"),
        *[a_reading(1 + n, each, "bo") for n, each in enumerate(gains)],
    ]
    return replace(snapshot, readings=(*snapshot.readings, *again))


def test_several_gains_are_brought_to_the_leader_at_once() -> None:
    order = asked(three_sure_gains())

    assert order is not None
    assert (order.kind, order.parent, order.second, order.others) == ("merge", 1, 2, (2, 3))


def test_a_barred_merge_leaves_the_others() -> None:
    order = asked(three_sure_gains(), replace(BO, barred=frozenset({(1, 2)})))

    assert order is not None
    assert order.kind == "merge"
    assert {1, 2} != {order.parent, order.second}


def test_two_merges_of_one_leader_are_brought_together() -> None:
    """What two agents merged at the same time would otherwise never meet."""
    start = three_sure_gains()
    merges = [
        Node("m1", 12, 1, 2, "merge", "ada", brought=(2,)),
        Node("m2", 13, 1, 3, "merge", "ada", brought=(3,)),
    ]
    readings = [
        a_reading(node, value, owner)
        for node, value in ((12, LEVEL - 9e-3), (13, LEVEL - 8e-3))
        for owner in ("ada", "bo")
    ]
    both = replace(start, nodes=(*start.nodes, *merges), readings=(*start.readings, *readings))

    order = asked(both)

    assert order is not None
    assert (order.kind, order.parent, order.others) == ("merge", 12, (13,))


def test_an_ablation_is_no_merge() -> None:
    start = three_sure_gains()
    taken = Node("a", 12, 1, 2, "ablate", "ada", status="running")

    order = asked(replace(start, nodes=(*start.nodes, taken)))

    assert order is not None
    assert (order.kind, order.others) == ("merge", (2, 3))


def a_line(length: int, idle: int) -> Snapshot:
    """Each gains on the one before, all confirmed; then so many results that do not."""
    nodes = [Node(f"n{n}", n, n - 1 if n else None, owner="ada") for n in range(length)]
    nodes += [Node(f"w{n}", n, 0, owner="ada") for n in range(length, length + idle)]
    readings = [
        a_reading(n, LEVEL - 2e-3 * n if n < length else LEVEL + 1e-3, who)
        for n in range(length + idle)
        for who in ("ada", "bo")
    ]
    rules = replace(Snapshot().rules, noise_sd=2e-4)
    return Snapshot(rules=rules, nodes=tuple(nodes), readings=tuple(readings))


def taken_back(snapshot: Snapshot, seeds: int = 120) -> list[Order]:
    """The ablations among the orders of so many seeds."""
    believed = belief.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)
    crowned, ada = Referee().champion(snapshot, believed, verdicts), replace(BO, owner="ada")
    orders = (
        frontier.ask(snapshot, believed, verdicts, ada, champion=crowned, seed=seed)
        for seed in range(seeds)
    )
    return [one for one in orders if one is not None and one.kind == "ablate"]


def test_changes_are_taken_back_on_a_plateau_only() -> None:
    assert not taken_back(a_line(6, 2))
    assert taken_back(a_line(6, 70))


def test_what_is_being_taken_back_is_not_taken_back_beside_it() -> None:
    plateau = a_line(7, 70)
    first = taken_back(plateau)[0]
    going = Pending("ablate", "cy", parent=first.parent, second=first.second, agent="cy-1")

    then = {one.second for one in taken_back(replace(plateau, pending=(going,)))}

    assert then
    assert first.second not in then


def test_what_altered_the_same_is_brought_over_once() -> None:
    start = three_sure_gains()
    nodes = [replace(one, change="same") if one.number in (2, 3) else one for one in start.nodes]

    order = asked(replace(start, nodes=tuple(nodes)))

    assert order is not None
    assert (order.kind, order.parent, order.others) == ("merge", 1, (2,))


def test_a_merge_under_way_is_awaited_before_the_next_beside_it() -> None:
    start = three_sure_gains()
    running = Pending("merge", "cy", parent=1, second=2, agent="cy-1", brought=(2, 3))

    order = asked(replace(start, pending=(running,)))

    assert order is not None
    assert order.kind != "merge"


def a_claim_and_a_hard_worker() -> Snapshot:
    """A new best by ada that bo and cy may check; bo has done all the repeats so far."""
    snapshot = a_goal(LEVEL, LEVEL - 1e-5, LEVEL - 1e-5, LEVEL - 1e-5, LEVEL - 9e-3, noise_sd=2e-4)
    repeats = [replace(a_reading(n, LEVEL, "bo"), kind="replicate") for n in (1, 2, 3)]
    new = [a_reading(0, LEVEL, "cy") for _ in range(60)]
    return replace(snapshot, readings=(*snapshot.readings, *repeats, *new))


def test_an_owner_who_repeated_much_leaves_repeats_to_others_at_work() -> None:
    snapshot = a_claim_and_a_hard_worker()
    busy = replace(snapshot, pending=(Pending("explore", "cy", parent=0, agent="cy-1"),))

    spared, other = asked(busy), asked(busy, replace(BO, owner="cy", device="cy-gpu"))

    assert spared is not None and other is not None
    assert (spared.kind != "replicate", other.kind, other.node) == (True, "replicate", 4)


def test_a_claim_is_checked_by_whoever_is_there() -> None:
    order = asked(a_claim_and_a_hard_worker())

    assert order is not None
    assert (order.kind, order.node) == ("replicate", 4)


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


@pytest.mark.parametrize(("behind", "parent"), [(1e-6, 2), (1e-2, 1)])
def test_what_the_agent_has_at_hand_wins_near_ties_only(behind: float, parent: int) -> None:
    snapshot = a_goal(LEVEL + 5e-2, LEVEL, LEVEL + behind, noise_sd=2e-4)
    tied = [replace(one, period="") for one in snapshot.readings]
    at_hand = replace(BO, owner="ada", warm=frozenset({"n2"}))

    order = explored(replace(snapshot, readings=tuple(tied)), at_hand)

    assert order is not None
    assert order.parent == parent


def test_a_boost_holds_for_an_agent_with_something_better_at_hand_too() -> None:
    snapshot = a_goal(LEVEL, LEVEL - 3e-3, LEVEL - 1e-3, LEVEL - 2e-3, noise_sd=2e-4)
    boosted = replace(snapshot.nodes[2], boost=10.0)
    wanted = replace(snapshot, nodes=(*snapshot.nodes[:2], boosted, snapshot.nodes[3]))

    for at_hand in ("n1", "n3"):
        order = explored(wanted, replace(BO, owner="ada", warm=frozenset({at_hand})))
        assert order is not None
        assert order.parent == 2


def test_uniform_stays_uniform_whatever_an_agent_has_at_hand() -> None:
    snapshot = a_goal(*[LEVEL + 1e-3 * place for place in range(8)], noise_sd=2e-4)
    who = replace(BO, warm=frozenset({"n1"}))

    orders = (asked(snapshot, who, policy="uniform", seed=seed) for seed in range(80))
    parents = Counter(order.parent for order in orders if order is not None)

    assert parents[1] < 30


def explored(snapshot: Snapshot, who: Asker) -> Order | None:
    believed = belief.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)
    return frontier.ask(snapshot, believed, verdicts, who, switches=Switches(merge=False))


def order_parent(snapshot: Snapshot, seed: int) -> int | None:
    order = asked(snapshot, replace(BO, owner="ada"), seed=seed)
    return None if order is None else order.parent


def test_after_three_refusals_the_agent_gets_other_work() -> None:
    snapshot = a_goal(LEVEL, LEVEL - 1e-4, LEVEL + 1e-4)

    order = asked(snapshot, replace(BO, after_refusals=3))

    assert order is not None
    assert order.kind in ("replicate", "merge")


def test_what_was_measured_often_enough_is_no_work_after_refusals() -> None:
    snapshot = a_goal(LEVEL)
    often = [a_reading(0, LEVEL, owner=f"owner{place}") for place in range(8)]
    crowd = replace(snapshot, readings=(*snapshot.readings, *often))

    assert asked(crowd, replace(BO, after_refusals=3)) is None
    assert asked(crowd, replace(BO, can_mutate=False)) is not None


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
