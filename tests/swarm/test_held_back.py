"""What is held back, frozen or taken out is no yardstick for the work on everything else."""

from dataclasses import replace

import pytest

from hub import belief, frontier, verification
from hub.frontier import Asker, Order
from hub.replication import STALLED
from hub.snapshot import Node, Snapshot
from hub.titles import Referee
from tests.swarm.states import LEVEL, a_goal, a_reading

BO = Asker(owner="bo", agent="bo-1", device="bo-gpu", device_class="H100")


def asked_often(snapshot: Snapshot, who: Asker, times: int = 200) -> list[Order]:
    """The orders of so many seeds."""
    believed = belief.fit(snapshot)
    verdicts = verification.judge(snapshot, believed)
    crowned = Referee().champion(snapshot, believed, verdicts)
    asked = (
        frontier.ask(snapshot, believed, verdicts, who, champion=crowned, seed=seed)
        for seed in range(times)
    )
    return [one for one in asked if one is not None]


def asked(snapshot: Snapshot, who: Asker = BO) -> Order:
    return asked_often(snapshot, who, times=1)[0]


def with_mark(snapshot: Snapshot, node: int, mark: str) -> Snapshot:
    """The goal with an experiment marked as frozen or forbidden."""
    nodes = list(snapshot.nodes)
    nodes[node] = replace(nodes[node], frozen=mark == "frozen", forbidden=mark == "forbidden")
    return replace(snapshot, nodes=tuple(nodes))


def test_a_claim_is_checked_although_what_is_held_back_reads_better() -> None:
    both = a_goal(LEVEL, LEVEL - 6e-3, LEVEL - 30e-3, noise_sd=2e-4)

    order = asked(with_mark(both, 2, "forbidden"))

    assert (order.kind, order.node) == ("replicate", 1)


@pytest.mark.parametrize("mark", ["forbidden", "frozen"])
def test_gains_are_brought_together_although_what_is_closed_reads_better(mark: str) -> None:
    gains = [LEVEL - 5e-3, LEVEL - 4e-3, LEVEL - 30e-3]
    start = a_goal(LEVEL, *gains, *[LEVEL + 1e-3] * 8, noise_sd=2e-4)
    again = [a_reading(node, value, "bo") for node, value in enumerate([LEVEL, *gains])]
    sure = replace(start, readings=(*start.readings, *again))

    order = asked(with_mark(sure, 3, mark))

    assert (order.kind, order.parent, order.others) == ("merge", 1, (2,))


@pytest.mark.parametrize("mark", ["forbidden", "frozen"])
def test_nothing_is_taken_back_on_what_is_closed(mark: str) -> None:
    line = 8
    nodes = [Node(f"n{n}", n, n - 1 if n else None, owner="ada") for n in range(line)]
    nodes += [Node(f"w{n}", n, 0, owner="ada") for n in range(line, line + STALLED + 10)]
    readings = [
        a_reading(n, LEVEL - 2e-3 * n if n < line else LEVEL + 1e-3, who)
        for n in range(len(nodes))
        for who in ("ada", "bo")
    ]
    rules = replace(Snapshot().rules, noise_sd=2e-4)
    plateau = Snapshot(rules=rules, nodes=tuple(nodes), readings=tuple(readings))

    ada = replace(BO, owner="ada")
    orders = asked_often(with_mark(plateau, line - 1, mark), ada)

    taken = [one for one in orders if one.kind == "ablate"]
    assert taken
    assert line - 1 not in {one.parent for one in taken}


def test_leaders_are_told_apart_although_what_is_held_back_reads_better() -> None:
    tied = a_goal(LEVEL, LEVEL - 1e-3, LEVEL - 1e-3, LEVEL - 30e-3, *[LEVEL] * 70, noise_sd=2e-4)
    known = replace(tied, readings=(*tied.readings, a_reading(0, LEVEL, "cy")))

    order = asked(with_mark(known, 3, "forbidden"), replace(BO, device="ada-gpu"))

    assert order.kind == "replicate"
    assert order.node in (1, 2)
