"""Which gains to bring together: the swarm's own operator, which no single climber has."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hub.policies import Ints, Merges, View
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
    donors = view.once("donors", lambda: _donors(view))
    found: tuple[float, int, tuple[int, ...]] | None = None
    for leader in view.ranked[:LEADERS].tolist():
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
        float(view.belief.loss[parent] - sum(gains[side] for side in sides))
        for parent, sides in view.merging
    ]
    return min(promises, default=math.inf)


def _affordable(view: View) -> bool:
    merges = len(view.merges) + view.under_way["merge"]
    total = len(view.parent) + len(view.snapshot.pending)
    return merges < view.tuning.merge_share * total


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
    held, changes, before = view.once(f"leader {leader}", lambda: _leader(view, leader))
    tried = before | {one for pair in barred if leader in pair for one in pair}
    tried |= _tried_with(view.merging, held)
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


class _Leader(NamedTuple):
    """What a leader holds, what that altered, and what was merged with it."""

    held: set[int]
    changes: set[str]
    tried: set[int]


def _leader(view: View, node: int) -> _Leader:
    held = contents(view, node)
    return _Leader(held, _changes(view, held), _tried_with(view.merges, held))


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


def _tried_with(merges: Merges, line: set[int]) -> set[int]:
    """What of these merges was merged with a leader or with the line through it."""
    tried: set[int] = set()
    for parent, sides in merges:
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
