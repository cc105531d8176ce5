"""A hub that somebody runs alone: where a goal lets one owner verify, repeats test a claim."""

from dataclasses import replace

import pytest

from hub import belief, frontier, titles, verification
from hub.frontier import Asker, Switches
from hub.snapshot import Node, Reading, Rules, Snapshot
from tests.swarm.states import GAIN, LEVEL

ALONE = Rules(noise_sd=2e-4, owners=1)
ME = Asker(owner="ada", agent="volta", device="volta")


def reads(node: int, value: float, kind: str = "replicate", device: str = "volta") -> Reading:
    return Reading(node, value, "ada", device, "p", "H100", kind)


def a_claim(*repeats: float, gain: float = GAIN, rules: Rules = ALONE) -> Snapshot:
    """Ada's starting point and her experiment, which her own device repeated."""
    nodes = (Node("root", 0), Node("claim", 1, 0, owner="ada", agent="volta"))
    claimed = (reads(0, LEVEL, "anchor"), reads(1, LEVEL - gain, "explore"))
    again = tuple(reads(1, value) for value in repeats)
    return Snapshot(rules=rules, nodes=nodes, readings=claimed + again)


def judged(snapshot: Snapshot) -> tuple[verification.Verdict, int | None]:
    believed = belief.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)
    return verdicts[1], titles.Referee().champion(snapshot, believed, verdicts)


def asked(snapshot: Snapshot, asker: Asker = ME) -> frontier.Order | None:
    believed = belief.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)
    champion = titles.Referee().champion(snapshot, believed, verdicts)
    switches = Switches(anchor=False)
    return frontier.ask(snapshot, believed, verdicts, asker, champion=champion, switches=switches)


def test_a_claim_of_one_s_own_is_repeated_before_it_is_believed() -> None:
    verdict, champion = judged(a_claim())
    order = asked(a_claim())

    assert (verdict.state, champion) == ("claimed", 0)
    assert order is not None
    assert (order.kind, order.node) == ("replicate", 1)


def test_repeats_that_bear_it_out_verify_it_and_crown_it() -> None:
    verdict, champion = judged(a_claim(LEVEL - GAIN))

    assert (verdict.state, champion, verdict.owners) == ("verified", 1, 1)
    assert "Verified by 1 repeat" in verdict.sentence


def test_a_lucky_draw_is_rejected_by_its_own_owner_s_repeats() -> None:
    lucky = a_claim(LEVEL, LEVEL + 1e-4, LEVEL - 1e-4)

    verdict, champion = judged(lucky)

    assert (verdict.state, champion) == ("rejected", 0)


def test_a_repeat_that_contradicts_the_claim_is_repeated_until_most_agree() -> None:
    torn = a_claim(LEVEL + 0.02)
    order = asked(torn)
    decided = a_claim(LEVEL + 0.02, LEVEL - GAIN, LEVEL - GAIN)

    assert judged(torn)[0].state == "disputed"
    assert order is not None
    assert (order.kind, order.node) == ("replicate", 1)
    assert judged(decided)[0].state == "verified"
    assert belief.fit(decided).delta[1] == pytest.approx(-GAIN, abs=4e-4)


def test_no_more_repeats_are_asked_for_than_a_test_may_take() -> None:
    many = a_claim(*[LEVEL + 0.02 * (-1) ** place for place in range(ALONE.max_runs - 1)])
    order = asked(many)

    assert order is not None
    assert order.kind == "explore"


@pytest.mark.parametrize("owners", [2, 3])
def test_where_others_must_agree_own_repeats_are_no_evidence(owners: int) -> None:
    rules = replace(ALONE, owners=owners)

    verdict, champion = judged(a_claim(LEVEL - GAIN, LEVEL - GAIN, rules=rules))

    assert (verdict.state, champion) == ("claimed", None)
    order = asked(a_claim(rules=rules))
    assert order is not None
    assert order.kind == "explore"


def test_another_device_of_hers_may_repeat_it_as_well() -> None:
    both = a_claim()
    both = replace(both, readings=(*both.readings, reads(0, LEVEL, "anchor", "tesla")))
    order = asked(both, Asker(owner="ada", agent="tesla", device="tesla"))

    assert order is not None
    assert (order.kind, order.node) == ("replicate", 1)
