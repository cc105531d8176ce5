"""Builders of goal states for the tests of belief, verification and scheduling."""

from dataclasses import replace

import numpy as np

from hub.snapshot import Node, Pending, Reading, Rules, Snapshot

NOISE, PERIOD, STEP, LEVEL = 1.6e-4, 5.6e-4, 1e-3, 0.9979
GAIN = 4e-3


def a_reading(
    node: int = 0, value: float = LEVEL, owner: str = "ada", period: str = "p"
) -> Reading:
    return Reading(node, value, owner, f"{owner}-gpu", period, "H100")


def a_goal(
    *values: float | None, direction: str = "min", noise_sd: float | None = None
) -> Snapshot:
    """A root and children of it; the value of each (None: it failed), all by one owner."""
    nodes = [Node("root", 0)]
    nodes += [
        Node(f"n{place}", place, 0, owner="ada", status="failed" if value is None else "finished")
        for place, value in enumerate(values[1:], 1)
    ]
    readings = [a_reading(place, value) for place, value in enumerate(values) if value is not None]
    rules = Rules(direction=direction, noise_sd=noise_sd)
    return Snapshot(rules=rules, nodes=tuple(nodes), readings=tuple(readings))


def a_claim(*confirmations: float, by: str = "bo") -> Snapshot:
    """Ada claims a gain; others measured the root and, in the same period, her experiment."""
    nodes = (Node("root", 0), Node("claim", 1, 0, owner="ada"))
    readings = [a_reading(0), a_reading(1, LEVEL - GAIN)]
    for place, value in enumerate(confirmations):
        who = f"{by}{place}"
        readings += [a_reading(0, LEVEL, who), a_reading(1, value, who)]
    return Snapshot(rules=Rules(noise_sd=2e-4), nodes=nodes, readings=tuple(readings))


def two_claims(*confirmed: str, better: float = GAIN) -> Snapshot:
    """Ada's claim was confirmed by two others; her better one by these."""
    first = a_claim(LEVEL - GAIN, LEVEL - GAIN)
    nodes = (*first.nodes, Node("better", 2, 0, owner="ada"))
    more = [a_reading(2, LEVEL - GAIN - better, who) for who in ("ada", *confirmed)]
    return replace(first, nodes=nodes, readings=(*first.readings, *more))


def a_random_goal(size: int, periods: int, seed: int = 0) -> tuple[Snapshot, np.ndarray]:
    """A tree grown half from the best, measured once each in drifting periods, and the truth."""
    random = np.random.default_rng(seed)
    truth, nodes = [LEVEL], [Node("root", 0)]
    for number in range(1, size):
        greedy = random.random() < 0.5
        parent = int(np.argmin(truth)) if greedy else int(random.integers(number))
        nodes.append(Node(f"n{number}", number, parent, owner=f"owner{number % 7}"))
        truth.append(truth[parent] + 6e-4 + STEP * float(random.standard_t(4)))
    shift = random.normal(0, PERIOD, periods)
    readings = []
    for node in range(size):
        when = int(random.integers(periods))
        value = truth[node] + shift[when] + random.normal(0, NOISE)
        who = f"owner{when % 7}"
        readings.append(Reading(node, float(value), who, f"gpu{when % 16}", f"p{when}", "H100"))
    return Snapshot(nodes=tuple(nodes), readings=tuple(readings)), np.array(truth)


def a_crowd(seed: int, size: int = 150) -> Snapshot:
    """A starting point and its children, mostly a little worse; each was run once, elsewhere."""
    random = np.random.default_rng(seed)
    truth = LEVEL + np.append(0.0, 8e-4 + STEP * random.standard_t(3, size))
    value = truth + random.normal(0, np.hypot(PERIOD, NOISE), len(truth))
    nodes = [Node("root", 0), *(Node(f"n{one}", one, 0) for one in range(1, len(truth)))]
    readings = [a_reading(node, float(one), f"owner{node}") for node, one in enumerate(value)]
    return Snapshot(nodes=tuple(nodes), readings=tuple(readings))


__all__ = [
    "GAIN",
    "Node",
    "Pending",
    "Reading",
    "Rules",
    "Snapshot",
    "a_claim",
    "a_crowd",
    "a_goal",
    "a_random_goal",
    "a_reading",
    "two_claims",
]
