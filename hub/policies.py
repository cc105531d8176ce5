"""How a parent is chosen: each policy scores every node of the tree, not only its leaves."""

import math
from collections import Counter
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hub.belief import Belief
from hub.snapshot import Reading, Snapshot
from hub.words import counted, number

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Flags = NDArray[np.bool_]
Merges = list[tuple[int, tuple[int, ...]]]


@dataclass(frozen=True)
class Tuning:
    """What the bake-off in benchmarks/swarm chose; shares are of all orders.

    `attempts` are those after which nobody is asked any more for what fails where they run it.
    """

    kappa: float = 0.5
    prior_tries: float = 10.0
    puct: float = 1.0
    merge_share: float = 0.25
    merge_margin: float = 0.5
    merge_sides: int = 3
    replicate_share: float = 0.08
    promote_sigmas: float = 6.0
    ablate_share: float = 0.02
    anchor_share: float = 0.02
    least_operator: float = 0.03
    attempts: int = 2


T = TypeVar("T")


class lasting(Generic[T]):  # noqa: N801 - it is used as `property` is
    """A property of a view that hangs on no lease: worked out for one claim, it serves the next."""

    def __init__(self, make: "Callable[[View], T]") -> None:
        self._make, self.__doc__ = make, make.__doc__

    def __get__(self, view: "View", _owner: type | None = None) -> T:
        """What was worked out before, by whatever view of the same."""
        return view.once(self._make.__name__, lambda: self._make(view))


@dataclass(frozen=True)
class View:
    """A snapshot with its belief and champion, and what policies ask of them, worked out once.

    Views that differ in nothing but `snapshot.pending` may share a memo.
    """

    snapshot: Snapshot
    belief: Belief
    tuning: Tuning = field(default_factory=Tuning)
    champion: int | None = None
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` gave under this name, now or for an earlier claim."""
        if name not in self.memo:
            self.memo[name] = make()
        found: T = self.memo[name]
        return found

    @lasting
    def parent(self) -> Ints:
        """Each node's first parent, -1 at roots."""
        up = [-1 if node.parent is None else node.parent for node in self.snapshot.nodes]
        return np.array(up, dtype=np.intp)

    @lasting
    def candidates(self) -> Ints:
        """Nodes that may be branched from: measured, neither frozen nor forbidden.

        Where nothing was measured yet, the roots.
        """
        free = np.array([not (one.frozen or one.forbidden) for one in self.snapshot.nodes], bool)
        known = self.belief.n if self.belief.n.any() else self.runs
        measured = np.flatnonzero(free & (known > 0))
        return measured if len(measured) else np.flatnonzero(free & (self.parent < 0))

    @lasting
    def ranked(self) -> Ints:
        """The candidates, the best first."""
        return self.candidates[np.argsort(self.belief.loss[self.candidates], kind="stable")]

    @lasting
    def best(self) -> int | None:
        """The measured node with the best score, but for what is held back or taken out."""
        return self._best([not one.forbidden for one in self.snapshot.nodes])

    @lasting
    def best_parent(self) -> int | None:
        """The best of those that may be branched from."""
        return self._best([not (one.frozen or one.forbidden) for one in self.snapshot.nodes])

    def _best(self, free: list[bool]) -> int | None:
        nodes = np.flatnonzero(np.array(free, dtype=bool) & (self.belief.n > 0))
        return None if len(nodes) == 0 else int(nodes[np.argmin(self.belief.loss[nodes])])

    @lasting
    def runs(self) -> Ints:
        """Readings per node."""
        node = np.array([one.node for one in self.snapshot.readings], dtype=np.intp)
        return np.bincount(node, minlength=len(self.parent))

    @lasting
    def children(self) -> Ints:
        """Children per node."""
        return np.bincount(self.parent[self.parent >= 0], minlength=len(self.parent))

    @cached_property
    def tried(self) -> Floats:
        """Children per node, those under way counted as well."""
        under_way = [one.parent for one in self.snapshot.pending if one.parent is not None]
        more = np.bincount(np.array(under_way, dtype=np.intp), minlength=len(self.parent))
        return (self.children + more).astype(np.float64)

    @cached_property
    def under_way(self) -> Counter[str]:
        """Leases of each kind."""
        return Counter(one.kind for one in self.snapshot.pending)

    @cached_property
    def repeated(self) -> Set[int | None]:
        """Nodes that somebody runs now."""
        return {one.node for one in self.snapshot.pending}

    @lasting
    def successes(self) -> Floats:
        """Children per node that are better than it with 84 % belief (one sigma)."""
        step, spread = self.steps
        good = np.flatnonzero(step > spread)
        return np.bincount(self.parent[good], minlength=len(self.parent)).astype(np.float64)

    @lasting
    def steps(self) -> tuple[Floats, Floats]:
        """What each measured node gained over its measured parent, and the spread; else 0, inf."""
        gain = -self.snapshot.sign * self.belief.delta
        known = np.isfinite(gain)
        return np.where(known, gain, 0.0), np.where(known, self.belief.delta_sd, np.inf)

    @lasting
    def usual_gain(self) -> float:
        """Median of the last hundred gains that are surely gains; before any, half a usual step."""
        step, spread = self.steps
        gains = step[step > spread][-100:]
        floor = max(self.belief.noise_sd, 1e-12)
        return max(float(np.median(gains)) if len(gains) else self.belief.step_sd / 2, floor)

    @lasting
    def raw(self) -> Floats:
        """Mean reading per node as it came, turned so that smaller is better."""
        node = np.array([one.node for one in self.snapshot.readings], dtype=np.intp)
        value = np.array([one.value for one in self.snapshot.readings]) * self.snapshot.sign
        return np.bincount(node, value, len(self.parent)) / np.maximum(self.runs, 1)

    @lasting
    def merges(self) -> Merges:
        """First parents with what was brought to them."""
        nodes = self.snapshot.nodes
        return [(one.parent, one.sides) for one in nodes if one.merged and one.parent is not None]

    @cached_property
    def merging(self) -> Merges:
        """The same of merges under way."""
        going = [one for one in self.snapshot.pending if one.kind == "merge"]
        return [(one.parent, one.sides) for one in going if one.parent is not None]

    @lasting
    def measured_by(self) -> Set[tuple[int, str]]:
        """Which owner has a reading of which node."""
        return {(one.node, self.snapshot.voice(one)) for one in self.snapshot.readings}

    @lasting
    def failed_by(self) -> Counter[tuple[int, str]]:
        """How often each owner failed to measure a node."""
        alone = self.snapshot.rules.alone
        failures = self.snapshot.failures
        return Counter((one.node, one.device if alone else one.owner) for one in failures)

    @lasting
    def failed(self) -> Counter[int]:
        """How many owners failed to measure a node."""
        return Counter(node for node, _ in self.failed_by)

    @lasting
    def runs_by(self) -> Counter[str]:
        """Readings of each owner."""
        return Counter(one.owner for one in self.snapshot.readings)

    @lasting
    def repeats_by(self) -> Counter[str]:
        """Those of them that were repeats."""
        return Counter(one.owner for one in self.snapshot.readings if one.kind == "replicate")

    @lasting
    def root(self) -> int | None:
        """The starting point."""
        return next(iter(np.flatnonzero(self.parent < 0).tolist()), None)

    @lasting
    def anchors(self) -> list[Reading]:
        """Readings of the starting point."""
        return [one for one in self.snapshot.readings if one.node == self.root]

    @lasting
    def devices(self) -> Set[str]:
        """Which devices have measured anything."""
        return {one.device for one in self.snapshot.readings}

    @lasting
    def failed_on(self) -> Counter[tuple[int, str]]:
        """How often a node could not be measured on a device."""
        return Counter((one.node, one.device) for one in self.snapshot.failures)

    @lasting
    def pinned(self) -> Flags:
        """Which nodes operators pinned."""
        return np.array([node.pinned for node in self.snapshot.nodes], dtype=bool)

    @lasting
    def boost(self) -> Floats:
        """How much more often operators want each node branched from."""
        return np.array([node.boost for node in self.snapshot.nodes], dtype=np.float64)

    def name(self, node: int) -> str:
        """An experiment as people call it."""
        return f"#{self.snapshot.nodes[node].number}"

    def told(self, node: int) -> str:
        """An experiment with its score."""
        if not self.belief.n[node]:
            return f"{self.name(node)} (not measured yet)"
        score, sd, n = self.belief.of(node)
        return f"{self.name(node)} ({number(score)} ± {number(sd)}, {counted(n, 'run')})"


@dataclass(frozen=True)
class Choice:
    """What a policy scores: these nodes of a view, for this agent, with this luck."""

    view: View
    nodes: Ints
    random: Generator
    agent: str


Scores = Callable[[Choice], Floats]


def greedy(choice: Choice) -> Floats:
    """The lowest raw reading, believed as it is; a baseline."""
    raw = choice.view.raw[choice.nodes]
    return -raw if choice.view.snapshot.readings else np.zeros(len(raw))


def believed(choice: Choice) -> Floats:
    """The best posterior mean."""
    return -choice.view.belief.loss[choice.nodes]


def rank_puct(choice: Choice) -> Floats:
    """ERA's flat UCB tree search on raw readings: rank + c sqrt(T) / (N (1 + visits))."""
    view, nodes, loss = choice.view, choice.nodes, greedy(choice)
    rank = np.empty(len(nodes))
    rank[np.argsort(loss, kind="stable")] = np.arange(len(nodes))
    visits = _visits(view)[nodes]
    many = len(nodes)
    bonus = view.tuning.puct / many * math.sqrt(visits.sum()) / (1 + visits)
    scores: Floats = rank / max(many - 1, 1) + bonus
    return scores


def _visits(view: View) -> Floats:
    """How many measured experiments descend from each node, itself included."""
    visits = (view.runs > 0).astype(np.float64)
    for node in range(len(visits) - 1, 0, -1):
        if view.parent[node] >= 0:
            visits[view.parent[node]] += visits[node]
    return visits


def expected_improvement(choice: Choice) -> Floats:
    """log(fertility) - (loss - best loss) / g.

    That is the expected gain over the best when gains are exponential with mean g (search.md
    11.2); fertility is shrunk to the swarm's own rate.
    """
    view, nodes, best = choice.view, choice.nodes, choice.view.belief.best
    tuning = view.tuning
    tried, successes = view.tried[nodes], view.successes[nodes]
    usual = (view.successes.sum() + 1) / (view.tried.sum() + 5)
    fertility = (tuning.prior_tries * usual + successes) / (tuning.prior_tries + tried)
    if best is None:
        return np.zeros(len(nodes))
    behind = view.belief.loss[nodes] - view.belief.loss[best]
    scores: Floats = np.log(fertility) - behind / (tuning.kappa * view.usual_gain)
    return scores


def thompson(choice: Choice) -> Floats:
    """The best of one draw from each node's belief."""
    belief, nodes = choice.view.belief, choice.nodes
    spread = np.where(np.isfinite(belief.loss_sd[nodes]), belief.loss_sd[nodes], 0.0)
    return -choice.random.normal(belief.loss[nodes], spread)


def uniform(choice: Choice) -> Floats:
    """Any node as likely as any other; a baseline."""
    return choice.random.random(len(choice.nodes))


def independent(choice: Choice) -> Floats:
    """Each agent climbs alone from the root by its own raw readings; the baseline of no swarm."""
    view = choice.view
    mine = np.array(
        [
            view.parent[node] < 0 or view.snapshot.nodes[node].agent == choice.agent
            for node in choice.nodes
        ]
    )
    scores: Floats = np.where(mine, greedy(choice), -np.inf)
    return scores


POLICIES: dict[str, Scores] = {
    "greedy": greedy,
    "believed": believed,
    "rank-puct": rank_puct,
    "expected-improvement": expected_improvement,
    "thompson": thompson,
    "uniform": uniform,
    "independent": independent,
}
PLAIN = frozenset({"greedy", "rank-puct", "uniform", "independent"})
"""Baselines: they explore and nothing else, so that they are what their papers say."""
