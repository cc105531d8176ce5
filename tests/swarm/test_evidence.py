"""The test of a claim, number by number: a belief that a test states stands for one that is fitted.

The noise is 1, and the root's loss 100. So a run that gains g adds 2 g - 2 to the likelihood ratio
of a claim whose gain is tested for at 2, which is accepted above 2.944 and refused below -2.944.
"""

from dataclasses import replace

import numpy as np
import pytest

from hub.belief import Belief
from hub.snapshot import Node, Reading, Rules, Snapshot
from hub.verification import Verdict, judge, posterior_better, surely_better

ROOT = 100.0
OTHERS = ("bo", "cy", "di", "ed")


def believed(snapshot: Snapshot, loss: list[float], **changes: object) -> Belief:
    """What a test states of the losses; everything else is sure and plain."""
    nodes, readings = len(snapshot.nodes), len(snapshot.readings)
    none, flat = np.zeros(nodes), np.zeros(readings)
    of = [one.node for one in snapshot.readings]
    made = Belief(
        score=np.array(loss), sd=none, n=np.bincount(of, minlength=nodes), delta=none,
        delta_sd=none, loss=np.array(loss), loss_sd=none, noise_sd=1.0, period_sd=0.0,
        device_sd=0.0, step_mean=0.0, step_sd=1.0, z=flat, rest=flat, rest_sd=flat,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def read(node: int, gain: float, owner: str) -> Reading:
    return Reading(node, ROOT - gain, owner, f"{owner}-gpu")


def a_line(*gains: float, unseen: tuple[int, ...] = (), **rules: float) -> Snapshot:
    """Ada's experiments on one another, so far ahead of the root; bo ran all but these."""
    made = [Node(f"n{place + 1}", place + 1, place, owner="ada") for place in range(len(gains))]
    readings = [read(0, 0.0, "ada")]
    for place, gain in enumerate(gains, 1):
        readings += [read(place, gain, who) for who in ("ada", "bo") if place not in unseen]
        readings += [read(place, gain, "ada")] * (place in unseen)
    kept = Rules(**rules)  # type: ignore[arg-type]
    return Snapshot(rules=kept, nodes=(Node("root", 0), *made), readings=tuple(readings))


def lined_up(*gains: float, **changes: object) -> list[Verdict]:
    known = a_line(*gains, **changes)  # type: ignore[arg-type]
    return judge(known, believed(known, [ROOT, *(ROOT - gain for gain in gains)]))


def a_test(*gains: float, claim: float = 3.0, **rules: object) -> Verdict:
    """Ada claims a gain; of each of the others one run gained so much."""
    nodes = (Node("root", 0), Node("claim", 1, 0, owner="ada"))
    runs = [read(1, gain, who) for gain, who in zip(gains, OTHERS, strict=False)]
    readings = (read(0, 0.0, "ada"), read(1, claim, "ada"), *runs)
    made = Rules(**rules)  # type: ignore[arg-type]
    known = Snapshot(rules=made, nodes=nodes, readings=readings)
    return judge(known, believed(known, [ROOT, ROOT - claim]))[1]


@pytest.mark.parametrize(
    ("min_gain", "claim", "worth"),
    [(0.0, 3.0, 2.0), (5.0, 3.0, 5.0), (0.0, 8.0, 4.0), (3.0, 8.0, 4.0)],
    ids=["the noise", "the goal's own", "half of what is claimed", "the most of them"],
)
def test_the_likelihood_ratio_is_wald_s(min_gain: float, claim: float, worth: float) -> None:
    nodes = (Node("root", 0), Node("claim", 1, 0, owner="ada"))
    readings = (read(0, 0.0, "ada"), read(1, claim, "ada"), read(1, 5.0, "bo"), read(1, 9.0, "cy"))
    known = Snapshot(rules=Rules(min_gain=min_gain), nodes=nodes, readings=readings)
    rest, rest_sd = np.array([0.0, 0.0, 1.0, -2.0]), np.array([0.0, 0.0, 0.75, 2.0])
    sure = {"loss_sd": np.array([0.5, 0.0]), "rest": rest, "rest_sd": rest_sd}

    found = judge(known, believed(known, [ROOT, ROOT - claim], **sure))[1]

    weights = 1 / np.array([1 + 0.75**2, 1 + 2.0**2])
    gain = float(np.average([5.0 + 1.0, 9.0 - 2.0], weights=weights))
    variance = 1 / float(weights.sum()) + 0.5**2
    assert (found.gain, found.gain_sd) == pytest.approx((gain, variance**0.5))
    assert found.llr == pytest.approx(worth * (2 * gain - worth) / (2 * variance))
    assert (found.lower, found.upper) == pytest.approx((-2.944, 2.944), abs=1e-3)


def test_what_was_accepted_once_stays_so_until_the_whole_of_the_runs_speaks_against_it() -> None:
    runs = (3.0, -0.5, -0.5, -0.5)
    states = [a_test(*runs[: many + 1]).state for many in range(len(runs))]

    assert states == ["verified", "verified", "disputed", "rejected"]


def test_what_was_refused_once_is_not_lost_where_the_next_bear_it_out() -> None:
    runs = (-1.0, 3.0, 3.0)
    states = [a_test(*runs[: many + 1]).state for many in range(len(runs))]

    assert states == ["rejected", "provisional", "verified"]


def test_who_is_not_sure_after_as_many_runs_as_a_test_may_take_stays_so() -> None:
    assert a_test(1.0, 1.0, max_runs=3).state == "provisional"
    assert a_test(1.0, 1.0, max_runs=2).state == "disputed"


def test_four_verified_ancestors_and_the_root_are_what_a_claim_is_held_against() -> None:
    level = (51.0,) * 4  # each of these gains nothing over the one before, and 1 over the third
    found = lined_up(20.0, 40.0, 50.0, *level)

    assert [one.state for one in found[1:]] == ["verified"] * 7
    assert [one.reference for one in found[1:]] == [0, 1, 2, 2, 2, 2, 0]


def test_an_older_ancestor_settles_what_the_nearest_leaves_open_and_not_what_it_refuses() -> None:
    lost = lined_up(20.0, 15.0)[2]
    open_ = lined_up(20.0, 20.0, max_runs=1)[2]

    assert (lost.state, lost.reference) == ("rejected", 1)
    assert (open_.state, open_.reference) == ("verified", 0)


def test_a_claim_names_what_it_will_be_held_against() -> None:
    for owners, words in ((2, "nobody else has measured it"), (1, "it was not repeated")):
        known = a_line(20.0, 40.0, unseen=(2,), owners=owners)
        again = [replace(one, kind="replicate") for one in known.readings if one.owner == "bo"]
        known = replace(known, readings=(*known.readings, *again))

        found = judge(known, believed(known, [ROOT, 80.0, 60.0]))[2]

        assert (found.state, found.reference) == ("claimed", 1)
        assert words in found.sentence
        assert found.sentence.endswith("against #1 yet.")


def test_what_came_since_the_belief_was_made_waits_for_the_next() -> None:
    known = a_line(20.0, 40.0)
    before = replace(known, readings=known.readings[:3])

    found = judge(known, believed(before, [ROOT, 80.0, 60.0]))

    assert [one.state for one in found] == ["provisional", "verified", "none"]
    assert found[2].sentence == "Nothing was measured yet."


def test_sentences_say_who_agreed_and_how_far_apart_the_others_are() -> None:
    outvoted = a_test(4.0, 4.0, -20.0)
    torn, over = a_test(4.0, -20.0), a_test(4.0, -20.0, max_runs=2)

    assert outvoted.sentence == (
        "Verified by 3 owners: a gain of +4.00000 ± 0.70711 over #0. 1 other read otherwise."
    )
    apart = "The owners' runs contradict each other: gains of -20.00000 to +4.00000 over #0."
    nobody = "Nobody else works on this goal: an operator may have it run again."
    assert torn.sentence == f"{apart} {nobody}"
    assert over.sentence == apart
    assert (torn.hope, over.hope) == (ROOT - 4.0, None)


def test_where_one_owner_verifies_sentences_speak_of_repeats() -> None:
    nodes = (Node("root", 0), Node("claim", 1, 0, owner="ada"))

    def said(*gains: float) -> str:
        runs = [replace(read(1, gain, "ada"), kind="replicate") for gain in gains]
        readings = (read(0, 0.0, "ada"), read(1, 3.0, "ada"), *runs)
        known = Snapshot(rules=Rules(owners=1), nodes=nodes, readings=readings)
        return judge(known, believed(known, [ROOT, ROOT - 3.0]))[1].sentence

    assert said(1.0).startswith("Repeats measured a gain")
    assert said(4.0, 4.0).startswith("Verified by 2 repeats")
    assert said(-20.0) == (
        "The runs contradict each other: gains of -20.00000 to +3.00000 over #0. "
        "One more run may decide."
    )


def test_which_of_two_is_better_is_as_sure_as_their_errors_together_let_it_be() -> None:
    known = a_line(1.0, 1.0)
    spread = {"loss_sd": np.array([0.6, 0.8, 0.0])}
    found = believed(known, [ROOT, ROOT - 1.0, ROOT - 1.0], **spread)
    exact = believed(known, [ROOT, ROOT - 1.0, ROOT - 1.0])

    assert posterior_better(found, 1, 0) == pytest.approx(0.8413, abs=1e-4)
    assert [posterior_better(exact, *pair) for pair in ((1, 0), (0, 1), (1, 2))] == [1.0, 0.0, 0.0]
    assert surely_better(found, 1, 0, 0.99)
    assert not surely_better(found, 1, 0, 1.01)
