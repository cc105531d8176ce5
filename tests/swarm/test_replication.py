"""What is run again: what owners contradict each other over, and what fails wherever it is run."""

from dataclasses import replace

import pytest

from hub.snapshot import Failure
from tests.swarm.states import GAIN, LEVEL, a_claim, a_goal, a_reading
from tests.swarm.test_frontier import BO, asked


@pytest.mark.parametrize("wrong", [LEVEL + 6e-3, LEVEL + 0.02, 9.0])
def test_a_claim_that_one_repeat_contradicts_is_run_by_others_until_most_agree(
    wrong: float,
) -> None:
    run_by = [a_claim(wrong), a_claim(wrong, LEVEL - GAIN)]

    orders = [asked(known, replace(BO, owner="cy")) for known in run_by]
    decided = asked(a_claim(wrong, LEVEL - GAIN, LEVEL - GAIN), replace(BO, owner="cy"))

    for order in orders:
        assert order is not None
        assert (order.kind, order.node) == ("replicate", 1)
        assert "contradict" in order.why
    assert decided is not None and decided.kind != "replicate"


def test_a_contradiction_that_makes_no_new_best_is_nobody_s_work() -> None:
    known = a_claim(LEVEL + 0.02)
    worse = replace(known.readings[1], value=LEVEL + GAIN)
    readings = (known.readings[0], worse, *known.readings[2:])

    order = asked(replace(known, readings=readings), replace(BO, owner="cy"))

    assert order is not None and order.kind != "replicate"


def test_what_is_held_back_is_run_by_nobody_though_its_test_has_begun() -> None:
    known = a_claim(LEVEL + 0.02)
    held_back = replace(known.nodes[1], forbidden=True)

    order = asked(replace(known, nodes=(known.nodes[0], held_back)), replace(BO, owner="cy"))

    assert order is not None and order.kind != "replicate"


def test_what_fails_wherever_it_is_run_is_not_asked_of_everybody() -> None:
    known = a_goal(LEVEL, LEVEL - 6e-3, noise_sd=2e-4)
    failures = tuple(Failure(1, f"bo{turn // 2}", f"bo{turn // 2}-gpu") for turn in range(16))

    again, enough = [asked(replace(known, failures=failures[:most])) for most in (14, 15)]

    assert again is not None and enough is not None
    assert [again.kind, enough.kind] == ["replicate", "explore"]


def test_what_more_owners_ran_than_failed_at_stays_open() -> None:
    known = a_goal(LEVEL)
    ran = [a_reading(0, LEVEL, f"dee{place}") for place in range(9)]
    failures = tuple(Failure(0, f"bo{place}", f"bo{place}-gpu") for place in range(8))
    known = replace(known, readings=(*known.readings, *ran), failures=failures)

    order = asked(known, replace(BO, owner="cy", can_mutate=False))

    assert order is not None and (order.kind, order.node) == ("replicate", 0)
