"""Claims count when other owners repeat them; who falls takes down what hung on them, exactly."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import belief, verification
from hub.snapshot import Node, Rules, Snapshot
from hub.titles import Referee
from tests.swarm.states import GAIN, LEVEL, a_claim, a_random_goal, a_reading, two_claims


def verdict_of(snapshot: Snapshot, node: int = 1) -> verification.Verdict:
    return verification.judge(snapshot, belief.fit(snapshot))[node]


def test_a_claim_that_only_its_author_measured_stays_a_claim() -> None:
    found = verdict_of(a_claim())

    assert found.state == "claimed"
    assert "nobody else" in found.sentence


def test_the_author_s_own_repeats_prove_nothing() -> None:
    own = a_claim()
    own = replace(own, readings=own.readings + (a_reading(1, LEVEL - GAIN, period="later"),) * 9)

    assert verdict_of(own).state == "claimed"


def test_another_owner_s_run_verifies_a_clear_gain() -> None:
    found = verdict_of(a_claim(LEVEL - GAIN))

    assert found.state == "verified"
    assert found.llr > found.upper
    assert found.owners == 2


def test_a_gain_that_others_do_not_see_is_rejected() -> None:
    found = verdict_of(a_claim(LEVEL, LEVEL + 1e-4))

    assert found.state == "rejected"
    assert found.llr < found.lower


def test_a_goal_that_asks_for_three_owners_waits_for_the_third() -> None:
    two, three = a_claim(LEVEL - GAIN), a_claim(LEVEL - GAIN, LEVEL - GAIN)
    rules = Rules(noise_sd=2e-4, owners=3)

    assert verdict_of(replace(two, rules=rules)).state == "provisional"
    assert verdict_of(replace(three, rules=rules)).state == "verified"


def test_owners_who_contradict_each_other_make_it_disputed() -> None:
    found = verdict_of(a_claim(LEVEL - 2 * GAIN, LEVEL - GAIN / 3))

    assert found.state == "disputed"


WRONG = [LEVEL + 0.02, 9.0, LEVEL, LEVEL - 0.5]


@pytest.mark.parametrize("wrong", WRONG)
def test_one_repeat_that_went_wrong_calls_for_others_and_decides_nothing(wrong: float) -> None:
    right = LEVEL - GAIN
    found = [verdict_of(a_claim(wrong, *[right] * more)) for more in range(3)]
    later = verdict_of(a_claim(right, right, wrong))

    assert [one.state for one in found] == ["disputed", "disputed", "verified"]
    assert [one.hope is None for one in found] == [False, False, True]
    assert (later.state, later.n) == ("verified", 2)
    assert "1 other read otherwise" in later.sentence
    assert "contradict" in found[0].sentence and "together" not in found[0].sentence


def test_what_all_owners_contradict_each_other_over_is_an_operators_to_have_run_again() -> None:
    right, wrong = LEVEL - GAIN, LEVEL + 0.02
    two = a_claim(wrong)
    another = replace(two, readings=(*two.readings, a_reading(0, LEVEL, "carol")))
    again = [a_reading(1, right, "bo0") for _ in range(2)]
    repeated = verdict_of(replace(two, readings=(*two.readings, *again)))

    assert "Another owner's run may decide" in verdict_of(another).sentence
    assert "Nobody else works on this goal: an operator may" in verdict_of(two).sentence
    assert (repeated.state, repeated.n) == ("verified", 2)


def test_a_false_claim_is_refused_by_two_whoever_bears_it_out() -> None:
    lie, truth = LEVEL - GAIN, LEVEL

    assert verdict_of(a_claim(truth, truth)).state == "rejected"
    assert verdict_of(a_claim(truth, lie, truth)).state == "rejected"
    assert verdict_of(a_claim(lie, truth)).state == "disputed"
    assert verdict_of(a_claim(lie, truth, truth)).state == "rejected"


def test_who_runs_it_again_and_again_has_one_voice() -> None:
    contested = a_claim(LEVEL - GAIN, LEVEL + 0.02, LEVEL - GAIN)
    again = [a_reading(1, LEVEL + 0.02, "bo1") for _ in range(3)]

    found = verdict_of(replace(contested, readings=(*contested.readings, *again)))

    assert (found.state, found.n) == ("verified", 2)


def test_an_owner_s_word_is_their_run_in_the_middle() -> None:
    confirmed = a_claim(LEVEL - GAIN)
    more = [a_reading(1, value, "bo0") for value in (LEVEL - 0.5, LEVEL - GAIN)]

    found = verdict_of(replace(confirmed, readings=(*confirmed.readings, *more)))

    assert (found.state, found.n) == ("verified", 2)


def test_who_is_outvoted_is_none_of_the_owners_that_a_goal_asks_for() -> None:
    known = a_claim(LEVEL + 0.02, LEVEL - GAIN, LEVEL - GAIN)
    states = [
        verdict_of(replace(known, rules=replace(known.rules, owners=owners))).state
        for owners in (3, 4)
    ]

    assert states == ["verified", "provisional"]


def test_after_the_most_runs_of_a_test_nobody_more_is_asked_who_is_right() -> None:
    known = a_claim(LEVEL + 0.02, LEVEL - GAIN)

    found = verdict_of(replace(known, rules=replace(known.rules, max_runs=2)))

    assert (found.state, found.hope) == ("disputed", None)


def test_the_champion_is_never_what_only_its_author_measured() -> None:
    snapshot = a_claim()
    believed = belief.fit(snapshot)

    crowned = Referee().champion(snapshot, believed, verification.judge(snapshot, believed))

    assert crowned is None


def test_the_champion_stays_when_an_equal_is_verified_later_whatever_its_number() -> None:
    better = a_claim(LEVEL - GAIN)
    nodes = (better.nodes[0], Node("equal", 1, 0, owner="ada"), Node("claim", 2, 0, owner="ada"))
    moved = [replace(one, node=2) if one.node else one for one in better.readings]
    later = [a_reading(1, LEVEL - GAIN + 1e-5), a_reading(1, LEVEL - GAIN + 1e-5, "bo0")]
    both = replace(better, nodes=nodes, readings=(*moved, *later))
    believed = belief.fit(both)
    verdicts = verification.judge(both, believed)

    assert [one.state for one in verdicts[1:]] == ["verified", "verified"]
    assert Referee().champion(both, believed, verdicts) == 2


def crowned_of(snapshot: Snapshot) -> int | None:
    believed = belief.fit(snapshot)
    return Referee().champion(snapshot, believed, verification.judge(snapshot, believed))


def test_two_others_must_have_run_what_takes_over_from_a_champion() -> None:
    assert crowned_of(two_claims("bo0")) == 1
    assert crowned_of(two_claims("bo0", "bo0")) == 1
    assert crowned_of(two_claims("bo0", "bo1")) == 2


def test_where_only_one_other_runs_anything_that_one_is_enough() -> None:
    alone = two_claims("bo0")
    kept = tuple(one for one in alone.readings if one.owner != "bo1")

    assert crowned_of(replace(alone, readings=kept)) == 2


def a_line(*gains: float, unseen: tuple[int, ...] = ()) -> Snapshot:
    """Ada's experiments on one another, so much ahead of the root; two others ran all but these."""
    nodes = [Node("root", 0)] + [
        Node(f"n{place}", place, place - 1, owner="ada") for place in range(1, len(gains) + 1)
    ]
    readings = [
        a_reading(place, LEVEL - gain, who)
        for place, gain in enumerate((0.0, *gains))
        for who in ("ada", "bo0", "bo1")
        if who == "ada" or place not in unseen
    ]
    return Snapshot(rules=Rules(noise_sd=2e-4), nodes=tuple(nodes), readings=tuple(readings))


def test_a_claim_is_held_against_its_nearest_verified_ancestor() -> None:
    assert verdict_of(a_line(GAIN, 2 * GAIN), 2).reference == 1
    assert verdict_of(a_line(GAIN, 2 * GAIN, unseen=(1,)), 2).reference == 0
    assert verdict_of(a_line(GAIN, 2 * GAIN, 3 * GAIN, unseen=(2,)), 3).reference == 1


def test_a_claim_accepted_against_an_older_ancestor_is_not_undone_by_a_nearer_one() -> None:
    equal = verdict_of(a_line(GAIN, GAIN + 2e-4), 2)
    far = verdict_of(a_line(GAIN, 2 * GAIN, 2 * GAIN + 2e-4), 3)

    assert (equal.state, equal.reference) == ("verified", 0)
    assert (far.state, far.reference) == ("verified", 1)


def test_a_goal_to_maximise_is_judged_the_same_way() -> None:
    down = a_claim(LEVEL - GAIN)
    mirrored = tuple(replace(one, value=-one.value) for one in down.readings)
    up = replace(down, rules=replace(down.rules, direction="max"), readings=mirrored)

    assert verdict_of(up).state == "verified"
    assert verdict_of(up).llr == pytest.approx(verdict_of(down).llr)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), size=st.integers(2, 40), gone=st.integers(0, 6))
def test_purging_an_owner_gives_the_state_of_a_hub_that_never_heard_of_them(
    seed: int, size: int, gone: int
) -> None:
    known, _ = a_random_goal(size, 6, seed)
    owner = f"owner{gone}"

    purged = known.without_owner(owner)

    unheard = never_heard_of(known, owner)
    assert purged == unheard
    assert same(belief.fit(purged), belief.fit(unheard))
    assert all(node.owner != owner for node in purged.nodes)
    assert all(one.owner != owner for one in purged.readings)


def never_heard_of(known: Snapshot, owner: str) -> Snapshot:
    """The history told again from the start, leaving out what the owner made and measured."""
    place: dict[int, int] = {}
    nodes: list[Node] = []
    for old, node in enumerate(known.nodes):
        if node.owner == owner:
            continue
        up = node.parent
        while up is not None and up not in place:
            up = known.nodes[up].parent
        place[old] = len(nodes)
        nodes.append(replace(node, parent=None if up is None else place[up]))
    readings = [
        replace(one, node=place[one.node])
        for one in known.readings
        if one.owner != owner and one.node in place
    ]
    return replace(known, nodes=tuple(nodes), readings=tuple(readings))


def same(one: belief.Belief, two: belief.Belief) -> bool:
    return np.array_equal(one.score, two.score, equal_nan=True) and one.noise_sd == two.noise_sd
