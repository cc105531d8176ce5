"""Bad states of a goal: each is defined, and explained in words that an owner can read."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hub import belief, frontier, trust, verification
from hub.frontier import Asker
from hub.snapshot import Node, Pending, Reading, Rules, Snapshot
from hub.titles import Referee
from tests.swarm.states import LEVEL, a_goal, a_random_goal, a_reading

BO = Asker(owner="bo", agent="bo-1", device="bo-gpu", device_class="H100")
MANY = 12_707


def no_run() -> Snapshot:
    return Snapshot(nodes=(Node("root", 0),))


def all_crashed() -> Snapshot:
    return a_goal(LEVEL, *[None] * 20)


def nothing_ever_worked() -> Snapshot:
    return a_goal(None, *[None] * 20)


def one_device_only() -> Snapshot:
    return a_goal(LEVEL, LEVEL - 3e-3, LEVEL - 1e-3)


def all_tied() -> Snapshot:
    return a_goal(*[LEVEL] * 12)


def below_zero() -> Snapshot:
    return a_goal(-1.0, -1.5, -0.5, -1.2)


def around_zero() -> Snapshot:
    return a_goal(0.0, 0.0, 1e-9, -1e-9)


def to_maximise() -> Snapshot:
    return a_goal(0.5, 0.6, 0.4, direction="max")


def many_children() -> Snapshot:
    nodes = [Node("root", 0), *[Node(f"n{n}", n, 0, owner="ada") for n in range(1, MANY + 1)]]
    luck = np.random.default_rng(0).normal(0, 2e-4, MANY + 1)
    readings = [Reading(n, LEVEL + luck[n], "ada", "gpu", "p", "H100") for n in range(MANY + 1)]
    return Snapshot(nodes=tuple(nodes), readings=tuple(readings))


BAD = [
    no_run,
    all_crashed,
    nothing_ever_worked,
    one_device_only,
    all_tied,
    below_zero,
    around_zero,
    to_maximise,
    many_children,
]


@pytest.mark.parametrize("state", BAD)
def test_there_is_always_something_to_do_and_a_sentence_for_it(
    state: Callable[[], Snapshot],
) -> None:
    snapshot = state()
    believed = belief.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)

    order = frontier.ask(snapshot, believed, verdicts, BO)

    assert order is not None
    assert len(order.why) > 20
    assert all(one.sentence for one in verdicts)
    measured = believed.n > 0
    assert np.isfinite(believed.score[measured]).all() and np.isfinite(believed.sd[measured]).all()
    assert np.isnan(believed.score[~measured]).all()


def a_wild_goal(seed: int) -> Snapshot:
    """A small tree of which a third of all readings lie anywhere that the hub takes."""
    random = np.random.default_rng(seed)
    size = int(random.integers(2, 15))
    nodes = [Node("root", 0)]
    nodes += [Node(f"n{n}", n, int(random.integers(n)), owner=f"o{n % 4}") for n in range(1, size)]
    usual = float(random.choice([0.8, 0.0, 1e-9, 1e5, -3.0, 1e40]))
    readings = []
    for turn in range(int(random.integers(1, 25))):
        value = usual * (1 + 1e-3 * random.normal())
        if random.random() < 0.3:
            value = float(random.choice([1e3, 1e9, 1e12, 1e20, 1e50, 1e99])) * random.normal()
        who = f"o{random.integers(4)}"
        node = int(random.integers(size))
        readings.append(Reading(node, value, who, f"{who}-gpu", f"p{turn % 3}", f"C{turn % 2}"))
    noise = random.choice([0.0, 1e-12, 5e-4, 10.0])
    rules = Rules(direction=str(random.choice(["min", "max"])), noise_sd=float(noise) or None)
    return Snapshot(rules=rules, nodes=tuple(nodes), readings=tuple(readings))


@pytest.mark.filterwarnings("error")
def test_no_reading_however_wild_keeps_the_others_from_being_believed() -> None:
    for seed in range(100):
        snapshot = a_wild_goal(seed)
        believed = belief.fit(snapshot)
        verification.judge(snapshot, believed)
        measured = believed.n > 0
        assert np.isfinite(believed.score[measured]).all(), seed
        assert np.isfinite(believed.sd[measured]).all(), seed


@pytest.mark.parametrize("direction", ["min", "max"])
def test_a_liar_alone_is_never_the_champion(direction: str) -> None:
    sign = 1 if direction == "min" else -1
    values = [LEVEL, *[LEVEL - sign * gain for gain in (1e-3, 50.0)]]
    snapshot = a_goal(*values, direction=direction, noise_sd=2e-4)
    nodes = (*snapshot.nodes[:2], replace(snapshot.nodes[2], owner="mallory"))
    lies = [a_reading(2, values[2], "mallory", f"p{turn}") for turn in range(9)]
    honest = [a_reading(node, values[node], "bo") for node in (0, 1)]
    told = replace(snapshot, nodes=nodes, readings=(*snapshot.readings[:2], *lies, *honest))

    believed = belief.fit(told)
    verdicts = verification.judge(told, believed)

    assert Referee().champion(told, believed, verdicts) != 2
    assert "nobody else has measured it" in verdicts[2].sentence


def test_a_lie_that_another_owner_measures_is_refused_in_words() -> None:
    snapshot = a_goal(LEVEL, LEVEL - 9e-3, noise_sd=2e-4)
    truth = [a_reading(node, LEVEL, "bo") for node in (0, 1)]
    told = replace(snapshot, readings=(*snapshot.readings, *truth))

    believed = belief.fit(told)
    verdict = verification.judge(told, believed)[1]

    assert verdict.state in ("rejected", "provisional", "disputed")
    assert Referee().champion(told, believed, verification.judge(told, believed)) != 1


def test_a_device_that_drifts_from_day_to_day_is_read_by_its_days() -> None:
    snapshot, truth = a_random_goal(60, 12)
    drift = {"p11": -4e-3}
    readings = tuple(
        replace(one, value=one.value + drift.get(one.period, 0.0)) for one in snapshot.readings
    )

    believed = belief.fit(replace(snapshot, readings=readings))

    raw = np.array([one.value for one in readings])
    node = np.array([one.node for one in readings])
    wrong = np.abs(raw - truth[node]).max()
    error = believed.score[node] - truth[node]
    assert np.abs(error - np.median(error)).max() < 0.6 * wrong


def test_one_device_alone_can_be_neither_confirmed_nor_suspected() -> None:
    snapshot = one_device_only()
    believed = belief.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)

    assert Referee().champion(snapshot, believed, verdicts) is None
    assert trust.suspicions(snapshot, believed) == []
    alone = replace(BO, owner="ada", agent="ada-1", device="ada-gpu")
    order = frontier.ask(snapshot, believed, verdicts, alone)
    assert order is not None
    assert order.kind in ("explore", "merge")


def test_who_may_do_nothing_is_told_so_by_none() -> None:
    snapshot = replace(a_goal(LEVEL, LEVEL + 1e-3), pending=(Pending("anchor", "ada", node=0),))
    believed = belief.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)
    idle = replace(BO, owner="ada", agent="ada-1", device="ada-gpu", can_mutate=False)

    assert frontier.ask(snapshot, believed, verdicts, idle) is None
