"""Titles are held until somebody else's run surely says better, and nothing is remembered."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import belief, titles, verification
from hub.belief import Belief
from hub.snapshot import Node, Reading, Snapshot
from hub.titles import Referee
from tests.swarm.states import GAIN, LEVEL, a_claim, a_reading, two_claims

SD = 2e-4
FIRST, EARLY, BETTER = 1, 2, 3
LAST = two_claims("bo0", "bo1").readings[-1]
MADE = two_claims("bo0", "bo1").nodes[-1]


def champion_of(snapshot: Snapshot, referee: Referee | None = None) -> int | None:
    believed = belief.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)
    return (referee or Referee()).champion(snapshot, believed, verdicts)


def three_claims() -> Snapshot:
    """Ada's first claim; an early one and a better one, near equals, each confirmed by two."""
    first = a_claim(LEVEL - GAIN, LEVEL - GAIN)
    nodes = (*first.nodes, *[Node(name, 0, 0, owner="ada") for name in ("early", "better")])
    more = [
        a_reading(node, LEVEL - 2 * GAIN, who)
        for who in ("ada", "bo0", "bo1")
        for node in (EARLY, BETTER)
    ]
    return replace(first, nodes=nodes, readings=(*first.readings, *more))


def drifting(until: int, ahead: dict[int, float], later: dict[int, float]) -> Referee:
    """A referee whose belief of these nodes' gains over the first drifts after so many readings."""

    def fit(snapshot: Snapshot) -> Belief:
        believed = belief.fit(snapshot)
        gains = ahead if len(snapshot.readings) <= until else later
        loss, spread = believed.loss.copy(), believed.loss_sd.copy()
        for node, gain in ({FIRST: 0.0} | gains).items():
            if node < len(loss):
                loss[node], spread[node] = loss[FIRST] - gain * SD, SD
        return replace(believed, loss=loss, loss_sd=spread)

    return Referee(fit)


def told_again(snapshot: Snapshot, node: int, who: str) -> Snapshot:
    """The same with one more run, as good as the earlier ones."""
    return replace(
        snapshot, readings=(*snapshot.readings, a_reading(node, LEVEL - 2 * GAIN, who, "later"))
    )


def judged(referee: Referee, snapshot: Snapshot) -> int | None:
    believed = referee.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)
    return referee.champion(snapshot, believed, verdicts)


def test_a_near_equal_that_was_run_earlier_does_not_take_over_when_belief_drifts() -> None:
    known = three_claims()
    close = {EARLY: 3.1, BETTER: 4.0}
    drifted = {EARLY: 3.3, BETTER: 4.0}
    referee = drifting(len(known.readings), close, drifted)

    before, after = judged(referee, known), judged(referee, told_again(known, FIRST, "bo2"))

    assert before == BETTER
    assert after == BETTER


def test_who_surely_beats_the_holder_takes_over_with_somebody_else_s_run() -> None:
    known = three_claims()
    referee = drifting(len(known.readings), {EARLY: 3.1, BETTER: 4.0}, {EARLY: 7.3, BETTER: 4.0})

    assert judged(referee, known) == BETTER
    assert judged(referee, told_again(known, EARLY, "bo2")) == EARLY


def test_what_is_believed_between_decisions_changes_no_title() -> None:
    known = three_claims()
    referee = drifting(len(known.readings), {EARLY: 3.1, BETTER: 4.0}, {EARLY: 9.0, BETTER: 1.0})

    assert judged(referee, told_again(known, EARLY, "ada")) == BETTER


def test_a_holder_whose_claim_fell_meanwhile_loses_the_title_at_once() -> None:
    known = two_claims("bo0", "bo1")
    believed = belief.fit(known)
    verdicts = verification.judge(known, believed)
    fallen = [*verdicts[:2], replace(verdicts[2], state="disputed")]

    assert Referee().champion(known, believed, verdicts) == 2
    assert Referee().champion(known, believed, fallen) == 1


def test_a_forbidden_experiment_holds_no_title_and_gets_it_back() -> None:
    known = two_claims("bo0", "bo1")
    hidden = replace(known, nodes=(*known.nodes[:2], replace(known.nodes[2], forbidden=True)))
    referee = Referee()

    assert [champion_of(each, referee) for each in (known, hidden, known)] == [2, 1, 2]


def test_a_title_is_decided_by_others_runs_of_what_two_of_them_have_run() -> None:
    known = two_claims("bo0", "bo1")

    decided = titles.decisions(known)

    runs = [known.readings[place] for place in decided]
    assert all(one.owner != known.nodes[one.node].owner for one in runs)
    assert decided[-1] == len(known.readings) - 1
    assert len(known.readings) - 2 not in decided


def test_nobody_is_another_for_what_is_theirs() -> None:
    known = three_claims()

    by = titles.confirmed_by(known)

    assert by[EARLY] == by[BETTER] == {"bo0", "bo1"}


def test_before_anything_was_run_by_enough_others_any_of_their_runs_decides() -> None:
    once = a_claim(LEVEL - GAIN)
    own = tuple(one for one in once.readings if one.owner == "ada")[1:]

    assert titles.decisions(replace(once, readings=own)) == []
    assert titles.decisions(replace(once, readings=(*own, *once.readings)))[0] == len(own)


def test_retracing_begins_at_the_same_decision_while_the_next_ones_come() -> None:
    begun = [titles.retraced(crowded(many)) for many in range(2, 60)]

    assert all(len(one) < 2 * titles.RETRACED for one in begun)
    assert all(len(one) >= min(titles.RETRACED, many) for many, one in enumerate(begun, 2))
    assert len({one[0] for one in begun}) <= 1 + 60 // titles.RETRACED


def test_large_goals_retrace_fewer_decisions() -> None:
    assert len(titles.retraced(crowded(titles.READINGS))) == 1


def crowded(many: int) -> Snapshot:
    """A starting point that as many owners ran."""
    readings = tuple(a_reading(0, LEVEL, f"owner{place}") for place in range(many))
    return Snapshot(nodes=(Node("root", 0),), readings=readings)


def a_contested_goal(seed: int, many: int) -> Snapshot:
    """Small steps from the best, each claimed by its author and run by up to three others."""
    random = np.random.default_rng(seed)
    owners = [f"owner{place}" for place in range(5)]
    shift = {owner: float(random.normal(0, 3e-4)) for owner in owners}
    nodes, truth, readings = [Node("root", 0)], [LEVEL], list[Reading]()
    for owner in owners[:2]:
        readings.append(a_reading(0, LEVEL + shift[owner], owner))
    for number in range(1, many):
        author = owners[int(random.integers(5))]
        parent = int(np.argmin(truth))
        nodes.append(Node(f"n{number}", number, parent, owner=author))
        truth.append(truth[parent] + float(random.normal(0, 1.5e-3)))
        for owner in [author, *random.permutation(owners)[: int(random.integers(4))]]:
            luck = shift[str(owner)] + float(random.normal(0, 2e-4))
            readings.append(a_reading(number, truth[-1] + luck, str(owner)))
    return Snapshot(nodes=tuple(nodes), readings=tuple(readings))


@settings(max_examples=5)
@given(seed=st.integers(0, 10_000), many=st.integers(2, 25))
def test_a_referee_who_watched_all_along_says_what_a_fresh_one_says(seed: int, many: int) -> None:
    known, watching = a_contested_goal(seed, many), Referee()
    told = [replace(known, readings=known.readings[:size]) for size in range(len(known.readings))]

    watched = [champion_of(each, watching) for each in told]

    assert watched == [champion_of(each) for each in told]


@settings(max_examples=12)
@given(seed=st.integers(0, 10_000), many=st.integers(2, 25), gone=st.integers(0, 4))
def test_a_purge_leaves_the_title_where_a_hub_has_it_that_never_heard_of_them(
    seed: int, many: int, gone: int
) -> None:
    known, watching = a_contested_goal(seed, many), Referee()
    champion_of(known, watching)
    purged = known.without_owner(f"owner{gone}")
    grown = [replace(purged, readings=purged.readings[:size]) for size in range(1, 9)]

    unheard = Referee()
    never = [champion_of(each, unheard) for each in (*grown, purged)]

    assert champion_of(purged, watching) == never[-1]


@pytest.mark.parametrize(
    "other",
    [
        replace(LAST, value=1.0),
        replace(LAST, node=1),
        replace(LAST, owner="emmy"),
        replace(LAST, device="else"),
        replace(LAST, period="later"),
        replace(LAST, device_class="T4"),
    ],
)
def test_what_a_decision_is_remembered_by_tells_all_that_it_depends_on(other: Reading) -> None:
    known = two_claims("bo0", "bo1")
    changed = replace(known, readings=(*known.readings[:-1], other))
    assert_thought_again(known, changed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (MADE, replace(MADE, parent=1)),
        (MADE, replace(MADE, second=1)),
        (replace(MADE, second=1), replace(MADE, second=1, operator="ablate")),
        (replace(MADE, second=1), replace(MADE, second=1, brought=(1, 0))),
        (replace(MADE, owner="cy"), replace(MADE, owner="emmy")),
    ],
)
def test_and_all_of_the_experiments(one: Node, other: Node) -> None:
    goal = two_claims("bo0", "bo1")
    known, changed = (replace(goal, nodes=(*goal.nodes[:-1], each)) for each in (one, other))

    assert_thought_again(known, changed)


def assert_thought_again(known: Snapshot, changed: Snapshot) -> None:
    """A referee who knows the one goal needs no thought for it again, but does for the other."""
    asked = list[Snapshot]()

    def fit(snapshot: Snapshot) -> Belief:
        asked.append(snapshot)
        return belief.fit(snapshot)

    referee = Referee(fit)
    champion_of(known, referee)
    before = len(asked)
    champion_of(known, referee)
    assert len(asked) == before

    champion_of(changed, referee)

    assert len(asked) > before
