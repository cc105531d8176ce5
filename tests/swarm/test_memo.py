"""What a claim works out of a goal is kept for the next: it must hang on nobody's lease."""

import random
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hub import belief, frontier, verification
from hub.policies import POLICIES, View
from hub.snapshot import Pending
from hub.titles import Referee
from tests.swarm.states import a_random_goal
from tests.swarm.test_frontier import BO


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), size=st.integers(1, 30), policy=st.sampled_from(sorted(POLICIES)))
def test_what_earlier_claims_worked_out_changes_no_order(seed: int, size: int, policy: str) -> None:
    """One memo serves claims that differ in leases, asker and luck."""
    snapshot, _ = a_random_goal(size, 4, seed)
    believed = belief.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)
    crowned = Referee().champion(snapshot, believed, verdicts)
    draw, memo = random.Random(seed), dict[str, Any]()
    going: list[Pending] = []
    for turn in range(12):
        there = replace(snapshot, pending=tuple(going))
        who = replace(BO, owner=draw.choice(["ada", "bo", "cy"]), agent=f"agent-{turn}")
        view = View(there, believed, champion=crowned, memo=memo)
        order = frontier.decide(view, verdicts, who, policy=policy, seed=turn)

        assert order == frontier.ask(
            there, believed, verdicts, who, champion=crowned, policy=policy, seed=turn
        )
        assert order is not None
        going.append(
            Pending(
                order.kind,
                who.owner,
                *(order.parent, order.second, order.node),
                agent=who.agent,
                brought=order.others,
            )
        )


def test_leases_are_counted_for_each_claim() -> None:
    snapshot, _ = a_random_goal(5, 2, 1)
    idle = View(snapshot, belief.fit(snapshot))
    going = (Pending("merge", "ada", parent=0, second=1), Pending("replicate", "bo", node=2))
    busy = replace(idle, snapshot=replace(snapshot, pending=going))

    assert idle.memo is busy.memo
    assert [dict(view.under_way) for view in (idle, busy)] == [{}, {"merge": 1, "replicate": 1}]
    assert [len(view.merging) for view in (idle, busy)] == [0, 1]
