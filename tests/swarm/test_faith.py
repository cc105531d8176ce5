"""One reading that went wrong: a run that diverged, or a lie. The rest of the goal stands."""

from dataclasses import replace

import numpy as np
import pytest

from hub import belief, trust, verification
from hub.snapshot import Node, Reading, Rules, Snapshot
from tests.swarm.states import LEVEL, NOISE, PERIOD, STEP

DEVICES, SIZE = 8, 80


class Goal:
    """Eighty experiments by eight devices, each of which ran the starting point as well."""

    def __init__(self, noise_sd: float | None, seed: int = 0) -> None:
        self.random, self.rules = np.random.default_rng(seed), Rules(noise_sd=noise_sd)
        self.shift = {place: float(self.random.normal(0, PERIOD)) for place in range(DEVICES)}
        self.nodes, self.truth, self.readings = [Node("root", 0)], [LEVEL], list[Reading]()
        for device in self.shift:
            self.reads(0, device)
        for number in range(1, SIZE):
            below, by = int(self.random.integers(number)), number % DEVICES
            self.reads(self.grows(below, by), by)
        for node in range(2, SIZE, 6):
            self.reads(node, (node + 1) % DEVICES)

    def grows(self, below: int, by: int, step: float | None = None) -> int:
        """A child, by default some usual step away; its number."""
        usual = 2e-4 + STEP * float(self.random.standard_t(4))
        self.truth.append(self.truth[below] + (usual if step is None else step))
        node = len(self.nodes)
        self.nodes.append(Node(f"n{node}", node, below, owner=f"owner{by}"))
        return node

    def reads(self, node: int, device: int, value: float | None = None) -> None:
        """A device's reading: by default what it is, with the device's own shift and luck."""
        luck = self.shift[device] + float(self.random.normal(0, NOISE))
        said = self.truth[node] + luck if value is None else value
        self.readings.append(Reading(node, said, f"owner{device}", f"gpu{device}", "p", "H100"))

    @property
    def snapshot(self) -> Snapshot:
        """What the hub knows."""
        return Snapshot(self.rules, tuple(self.nodes), tuple(self.readings))

    def error(self, found: belief.Belief) -> float:
        """How far the scores lie from the truth, but for a shift of all."""
        return float(np.std(found.score - np.array(self.truth)))


WRONG = [LEVEL + 0.02, 9.0, 0.5]
STATED = [2e-4, None]


@pytest.mark.parametrize("noise_sd", STATED)
@pytest.mark.parametrize("value", WRONG)
def test_a_repeat_that_went_wrong_leaves_everything_else_believed(
    value: float, noise_sd: float | None
) -> None:
    goal = Goal(noise_sd)
    before = belief.fit(goal.snapshot)
    goal.reads(33, 4, value)

    found = belief.fit(goal.snapshot)

    assert found.noise_sd == pytest.approx(before.noise_sd, rel=0.2)
    assert np.median(found.sd) < 1.3 * np.median(before.sd)
    assert goal.error(found) < 1.3 * goal.error(before)


@pytest.mark.parametrize("value", WRONG)
def test_a_gain_is_confirmed_in_a_goal_in_which_another_repeat_went_wrong(value: float) -> None:
    goal = Goal(None)
    goal.reads(33, 4, value)
    good = goal.grows(0, 1, -4e-3)
    for device in (1, 2, 3):
        goal.reads(good, device)

    found = belief.fit(goal.snapshot)

    assert verification.judge(goal.snapshot, found)[good].state == "verified"


@pytest.mark.parametrize("seed", range(6))
def test_nobody_is_set_aside_for_one_pair_of_readings_that_contradict_each_other(
    seed: int,
) -> None:
    goal = Goal(None, seed)
    goal.reads(33, 4, 9.0)
    snapshot = goal.snapshot

    worst = trust.suspicions(snapshot, belief.fit(snapshot))[0]

    assert worst.z < trust.QUARANTINE


@pytest.mark.parametrize("off", [0.004, 0.02, 8.0])
def test_nobody_is_set_aside_for_one_run_that_others_did_not_bear_out(off: float) -> None:
    goal = Goal(None)
    for node in (9, 15, 21, 27):
        goal.reads(node, 4)
    goal.reads(33, 4, goal.truth[33] + off)
    goal.reads(33, 5)
    snapshot = goal.snapshot

    told = {one.device: one for one in trust.suspicions(snapshot, belief.fit(snapshot))}

    assert told["gpu4"].z < trust.QUARANTINE
    assert told["gpu4"].colour != "green"


def test_who_lies_again_and_again_is_set_aside() -> None:
    goal = Goal(None)
    for node in range(31, 41, 2):
        goal.reads(node, 4, goal.truth[node] + 0.02 * (-1) ** (node // 2))
    snapshot = goal.snapshot

    worst = trust.suspicions(snapshot, belief.fit(snapshot))[0]

    assert (worst.device, worst.z > trust.QUARANTINE) == ("gpu4", True)


@pytest.mark.parametrize("gain", [0.03, 0.3])
def test_of_three_readings_the_two_that_agree_are_believed(gain: float) -> None:
    goal = Goal(None)
    jump = goal.grows(0, 1, -gain)
    for device, value in ((1, None), (2, 9.0), (3, None)):
        goal.reads(jump, device, value)

    found = belief.fit(goal.snapshot)

    assert found.delta[jump] == pytest.approx(-gain, abs=1e-3)


@pytest.mark.parametrize("noise_sd", STATED)
@pytest.mark.parametrize("off", [0.006, 0.008, 0.012, -0.008])
def test_a_reading_that_three_others_contradict_moves_nothing(
    off: float, noise_sd: float | None
) -> None:
    goal = Goal(noise_sd)
    good = goal.grows(0, 1, -4e-3)
    for device in (1, 2, 3):
        goal.reads(good, device)
    before = belief.fit(goal.snapshot)
    goal.reads(good, 4, goal.truth[good] + goal.shift[4] + off)

    found = belief.fit(goal.snapshot)

    assert found.delta[good] == pytest.approx(before.delta[good], abs=1.5e-4)
    assert found.noise_sd < 1.5 * before.noise_sd


def test_two_owners_contradict_a_third_however_often_that_one_ran_it() -> None:
    goal = Goal(2e-4)
    good = goal.grows(0, 1, -4e-3)
    for device in (1, 2, 3, 3, 3, 3):
        goal.reads(good, device, goal.truth[good] + goal.shift[device] + 0.006 * (device == 3))

    assert belief.fit(goal.snapshot).delta[good] == pytest.approx(-4e-3, abs=6e-4)


def test_where_as_many_say_the_one_as_the_other_none_is_believed_less() -> None:
    goal = Goal(2e-4)
    good = goal.grows(0, 1, -4e-3)
    for device in (1, 2, 3, 4):
        goal.reads(good, device, goal.truth[good] + goal.shift[device] + 0.004 * (device > 2))

    assert belief.fit(goal.snapshot).delta[good] == pytest.approx(-2e-3, abs=4e-4)


def test_a_lie_that_was_refuted_once_is_not_believed() -> None:
    goal = Goal(None)
    lie = goal.grows(0, 1, 0.0)
    goal.reads(lie, 1, LEVEL - 0.5)
    goal.reads(lie, 2)

    found = belief.fit(goal.snapshot)

    assert abs(found.delta[lie]) < 1e-3
    assert goal.error(found) < 3e-4


@pytest.mark.parametrize("noise_sd", STATED)
@pytest.mark.parametrize("slower", [0.05, -0.05, 0.5])
def test_a_device_that_always_reads_otherwise_is_no_liar(
    slower: float, noise_sd: float | None
) -> None:
    goal = Goal(noise_sd)
    before = belief.fit(goal.snapshot)
    once = goal.error(before)
    goal.shift[99] = slower
    goal.reads(0, 99)
    own = [goal.grows(0, 99) for _ in range(5)]
    for node in own:
        goal.reads(node, 99)
    snapshot = goal.snapshot

    found = belief.fit(snapshot)

    assert goal.error(found) < 1.5 * once
    assert found.noise_sd == pytest.approx(before.noise_sd, rel=0.7)
    assert trust.suspicions(snapshot, found)[0].z < trust.QUARANTINE


def test_the_same_holds_where_larger_is_better() -> None:
    goal = Goal(None)
    goal.reads(33, 4, 9.0)
    least = belief.fit(goal.snapshot)
    turned = [replace(one, value=-one.value) for one in goal.readings]
    rules = replace(goal.rules, direction="max")

    most = belief.fit(replace(goal.snapshot, rules=rules, readings=tuple(turned)))

    assert most.score == pytest.approx(-least.score)
