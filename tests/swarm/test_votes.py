"""Whose word counts, in round numbers."""

import numpy as np
import pytest

from hub.snapshot import Node, Reading, Rules, Snapshot
from hub.votes import Booth, Vote, agree, count, words


def said(owner: str, loss: float, variance: float = 1.0) -> Vote:
    return Vote(owner, loss, variance)


@pytest.mark.parametrize(("apart", "luck"), [(7.9, True), (8.0, True), (8.1, False)])
def test_luck_explains_four_standard_deviations_of_both(apart: float, luck: bool) -> None:
    one, other = said("ada", 0.0, 3.0), said("bo", apart, 1.0)

    assert agree(one, other) is agree(other, one) is luck


def test_most_decide_and_of_as_many_on_each_side_nobody_does() -> None:
    torn = count([said("ada", 0.0), said("bo", 20.0)])
    clear = count([said("ada", 0.0), said("bo", 20.0), said("cy", 1.0)])

    assert (torn.decided, torn.middle.owner, torn.outvoted) == (False, "bo", 1)
    assert (clear.decided, clear.middle.owner, clear.outvoted) == (True, "cy", 1)


def test_an_owner_s_word_is_their_middle_run_and_of_two_the_worse() -> None:
    found = words(
        [*(said("ada", loss) for loss in (3.0, 1.0, 2.0)), said("bo", 5.0), said("bo", 4.0)]
    )

    assert {owner: vote.loss for owner, vote in found.items()} == {"ada": 2.0, "bo": 5.0}


@pytest.mark.parametrize(
    ("losses", "errors", "believed"),
    [
        ([0.0, 0.0, 20.0], [1.0, 1.0, 2.0], 16 * 5 / 20**2),
        ([0.0, 0.0, 7.0, -6.0], [1.0, 1.0, 1.0, 3.0], 16 * 2 / 7**2),
        ([0.0, 0.0, 1e9], [1.0, 1.0, 1.0], 1e-8),
        ([0.0, 0.0, 5.0], [1.0, 1.0, 1.0], 1.0),
        ([0.0, 20.0], [1.0, 1.0], 1.0),
    ],
    ids=["two against one", "one who knows little", "as far as can be", "luck", "one against one"],
)
def test_what_most_owners_contradict_is_believed_less_by_the_fourth_power(
    losses: list[float], errors: list[float], believed: float
) -> None:
    readings = tuple(Reading(0, loss, f"owner{at}", "gpu") for at, loss in enumerate(losses))
    booth = Booth.of(Snapshot(Rules(), (Node("root", 0),), readings))

    share = booth.faith(np.array(losses), np.array(errors))

    far = int(np.argmax(losses))
    assert share[far] == pytest.approx(believed**2)
    assert np.delete(share, far) == pytest.approx(1.0)


def test_two_owners_of_whom_one_ran_it_again_and_again_decide_nothing() -> None:
    runs = [("ada", 0.0), ("bo", 20.0), ("bo", 20.0)]
    readings = tuple(Reading(0, loss, owner, "gpu") for owner, loss in runs)

    share = Booth.of(Snapshot(Rules(), (Node("root", 0),), readings)).faith(
        np.array([loss for _, loss in runs]), np.ones(3)
    )

    assert list(share) == [1.0, 1.0, 1.0]
