"""Which gains to bring together: the swarm's own operator, which no single climber has."""

import math
from dataclasses import dataclass

import numpy as np

from hub.policies import Ints, View
from hub.words import number

LEADERS, DONORS = 6, 24
"""How many of the best take part as first parent, and how many sure gains as the other side."""


@dataclass(frozen=True)
class Merge:
    """A first parent, and experiments whose own change against their parent it should take over."""

    parent: int
    others: tuple[int, ...]
    why: str


def propose(view: View, barred: frozenset[tuple[int, int]] = frozenset()) -> Merge | None:
    """The merge that promises most, if it promises more than the best has and is affordable.

    The promise is the parent's score plus each donor's own gain over its own parent, all of them
    posterior means, so a lucky reading promises little.
    """
    best = view.best_parent
    if best is None or not _affordable(view):
        return None
    donors = _donors(view)
    found: tuple[float, int, tuple[int, ...]] | None = None
    for leader in _leaders(view):
        sides = _sides(view, leader, donors, barred)
        if sides:
            promised = float(view.belief.loss[leader] - sum(view.steps[0][one] for one in sides))
            found = min(found or (math.inf, 0, ()), (promised, leader, sides))
    if found is None:
        return None
    promised, leader, sides = found
    margin = view.tuning.merge_margin * view.belief.noise_sd
    if promised > min(float(view.belief.loss[best]), _awaited(view)) - margin:
        return None
    return Merge(leader, sides, _why(view, leader, sides, promised))


def _awaited(view: View) -> float:
    """The best that merges under way promise: what comes next should build on it, not beside it."""
    gains = view.steps[0]
    promises = [
        float(view.belief.loss[one.parent] - sum(gains[side] for side in one.sides))
        for one in view.snapshot.pending
        if one.kind == "merge" and one.parent is not None
    ]
    return min(promises, default=math.inf)


def _affordable(view: View) -> bool:
    merges = sum(one.merged for one in view.snapshot.nodes)
    under_way = sum(one.kind == "merge" for one in view.snapshot.pending)
    total = len(view.parent) + len(view.snapshot.pending)
    return merges + under_way < view.tuning.merge_share * total


def _leaders(view: View) -> list[int]:
    nodes = view.candidates
    order = np.argsort(view.belief.loss[nodes], kind="stable")
    return [int(node) for node in nodes[order][:LEADERS]]


def _donors(view: View) -> Ints:
    """Sure gains over their own parents, the largest first."""
    step, spread = view.steps
    usable = np.zeros(len(step), dtype=bool)
    usable[view.candidates] = True
    sure = np.flatnonzero(usable & (step > spread))
    return sure[np.argsort(-step[sure], kind="stable")][:DONORS]


def _sides(
    view: View, leader: int, donors: Ints, barred: frozenset[tuple[int, int]]
) -> tuple[int, ...]:
    """Donors that the leader does not hold yet, and with which it was not merged before.

    Its own children are no donors to it: what they bring to it is what they are.
    """
    held = contents(view, leader)
    tried = _tried_with(view, held) | {one for pair in barred if leader in pair for one in pair}
    changes = _changes(view, held)
    chosen: list[int] = []
    for one in map(int, donors):
        brings = {one, *view.snapshot.nodes[one].sides}
        new = _changes(view, brings)
        if one in tried or view.parent[one] == leader:
            continue
        if held.isdisjoint(brings) and changes.isdisjoint(new):
            chosen.append(one)
            held, changes = held | brings, changes | new
        if len(chosen) == view.tuning.merge_sides:
            break
    return tuple(chosen)


def _changes(view: View, nodes: set[int]) -> set[str]:
    """What these experiments altered: two that altered the same are one gain."""
    return {view.snapshot.nodes[node].change for node in nodes} - {""}


def contents(view: View, node: int) -> set[int]:
    """All experiments whose change is in a node: its ancestors, by either parent of merges."""
    seen: set[int] = set()
    todo = [node]
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        row = view.snapshot.nodes[one]
        todo += [] if row.parent is None else [row.parent]
        todo += row.sides
    return seen


def _tried_with(view: View, line: set[int]) -> set[int]:
    """What was merged, or is being merged, with a leader or with the line through it."""
    tried: set[int] = set()
    for parent, sides in view.merges:
        if parent in line:
            tried |= set(sides)
        if not line.isdisjoint(sides):
            tried.add(parent)
    return tried


def _why(view: View, leader: int, sides: tuple[int, ...], promised: float) -> str:
    names = ", ".join(view.name(one) for one in sides)
    score = view.snapshot.sign * promised
    return (
        f"Bring {names} over to {view.told(leader)}: each gained on its own line, and together "
        f"they promise {number(score)}."
    )
