"""The event loop: N workers ask the hub's own functions for work, propose, train and report.

Times are minutes: a training takes 5.4 ± 8 %, a crash 0.6, an idea of the language model 0.7.
Workers live in sessions of 2 to 6 hours whose readings are shifted together (search.md 7).
"""

import heapq
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random import Generator

from benchmarks.swarm.landscapes import Design, Landscape, apply, difference, source
from hub import belief as beliefs
from hub import frontier, novelty, titles, verification
from hub.belief import Belief
from hub.frontier import Asker, Order, Switches
from hub.policies import PLAIN, Tuning
from hub.snapshot import Node, Pending, Reading, Snapshot
from hub.verification import Verdict

TRAIN, SPREAD, CRASH, THINK = 5.4, 0.08, 0.6, 0.7
NOISE, PERIOD, DEVICE = 1.6e-4, 5.2e-4, 2e-4
MERGED = 0.85
"""Share of the merged changes that arrive whole; the others are lost in conflicts."""


@dataclass(frozen=True)
class Setting:
    """Who runs: a policy, its tuning and switches, how many workers, how many evaluations."""

    name: str
    policy: str
    workers: int = 16
    evaluations: int = 300
    belief: bool = True
    dedup: bool = True
    objections: bool = True
    noise: float = 1.0
    tuning: Tuning = field(default_factory=Tuning)
    switches: Switches = field(default_factory=Switches)


@dataclass
class Tally:
    """What a run showed: truth and report of the recommended node as evaluations come in."""

    truth: dict[int, float] = field(default_factory=dict)
    reported: dict[int, float] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    gains: dict[str, float] = field(default_factory=dict)
    duplicates: int = 0
    refused: int = 0
    objected: int = 0
    promotions: int = 0
    false_promotions: int = 0
    demotions: int = 0
    false_demotions: int = 0
    raw_promotions: int = 0
    false_raw_promotions: int = 0

    @classmethod
    def of(cls, told: dict[str, Any]) -> "Tally":
        """A tally as it was written down; JSON turns the marks into text."""
        marked = {name: _numbered(told[name]) for name in ("truth", "reported")}
        return cls(**{**told, **marked})


def _numbered(told: dict[str, float]) -> dict[int, float]:
    return {int(mark): value for mark, value in told.items()}


@dataclass
class _Worker:
    owner: str
    name: str
    shift: float
    period: int
    until: float


@dataclass(frozen=True)
class _Luck:
    """Streams of their own for what policies share: all of them are told the same ideas in the
    same order and meet the same machines, so that paired differences are about the policies."""

    ideas: Generator
    asks: Generator
    times: Generator
    crashes: Generator
    merges: Generator
    sessions: Generator
    noise: Generator

    @classmethod
    def of(cls, seed: int) -> "_Luck":
        return cls(*[np.random.default_rng((seed, 2, stream)) for stream in range(7)])


class Swarm:
    """One simulated goal."""

    def __init__(self, landscape: Landscape, setting: Setting, seed: int) -> None:
        self.land, self.set = landscape, setting
        self.luck = _Luck.of(seed)
        self.designs: list[Design] = [landscape.root()]
        self.truths = [landscape.truth(self.designs[0])]
        self.nodes = [Node("root", 0)]
        self.readings: list[Reading] = []
        self.pending: dict[int, Pending] = {}
        self.crowned = {0}
        self.barred: set[tuple[int, int]] = set()
        self.seen = {_code(self.designs[0])}
        self.belief = beliefs.fit(Snapshot(nodes=tuple(self.nodes)))
        self.verdicts: list[Verdict] = []
        self.tally = Tally()
        self.referee = titles.Referee(beliefs.fit if setting.belief else beliefs.raw)
        self.title: int | None = None
        self.raw_best, self.champion = 0, 0
        self.lowest, self.lowest_truth = np.inf, self.truths[0]
        # A hub thinks again when something came in, but for large swarms some seconds later.
        self.every = max(1, setting.workers // 32)
        self.changes: dict[str, int] = {}
        self.workers = [self._worker(place) for place in range(setting.workers)]

    def _worker(self, place: int) -> _Worker:
        return _Worker(f"owner{place // 2}", f"agent{place}", 0.0, -1, -1.0)

    def run(self) -> Tally:
        """Let the workers work until the budget of evaluations is spent."""
        clock = [(self.luck.times.uniform(0, 1), place) for place in range(len(self.workers))]
        heapq.heapify(clock)
        jobs: dict[int, tuple[Order, int]] = {}
        done = 0
        while done < self.set.evaluations:
            now, place = heapq.heappop(clock)
            if place in jobs:
                self._finish(place, *jobs.pop(place), now)
                done += 1
                self._learn(done)
            order, node = self._start(place)
            jobs[place] = (order, node)
            heapq.heappush(clock, (now + self._minutes(order, node), place))
        return self.tally

    def snapshot(self) -> Snapshot:
        """The goal as the hub would see it now."""
        return Snapshot(
            nodes=tuple(self.nodes),
            readings=tuple(self.readings),
            pending=tuple(self.pending.values()),
        )

    def _start(self, place: int) -> tuple[Order, int]:
        """Ask, propose until the proposal is new, and register it as running."""
        worker, refused = self.workers[place], 0
        plain = self.set.policy in PLAIN
        for attempt in range(ATTEMPTS):
            order = self._ask(worker, min(refused, 3))
            if order is None:
                order, refused = self._ask(worker, 0) or _NOTHING_ELSE, 0
            if order.node is not None:
                self.pending[place] = Pending(
                    order.kind, worker.owner, node=order.node, agent=worker.name
                )
                return order, order.node
            design = self._design(order)
            code = _code(design)
            if order.kind == "explore" and self._objected(order.parent or 0, design, refused):
                self.tally.objected += 1
                refused += 1
                continue
            if code not in self.seen or not self.set.dedup or (plain and attempt >= STUBBORN):
                self.tally.duplicates += code in self.seen
                return order, self._register(place, order, design, code)
            self.tally.refused += 1
            refused += 1
            if order.kind == "merge":
                self.barred.add((order.parent or 0, order.others[0]))
        return self._again(place)

    def _objected(self, parent: int, design: Design, refused: int) -> bool:
        """Whether the hub objects, because the same change did not gain on another parent."""
        earlier = self.changes.get(self._change(parent, design))
        if not self.set.objections or earlier is None:
            return False
        delta = self.belief.delta[earlier] if earlier < len(self.belief.delta) else np.nan
        if np.isnan(delta):
            return novelty.objects(None, 0.0, refused)
        return novelty.objects(-float(delta), float(self.belief.delta_sd[earlier]), refused)

    def _change(self, parent: int, design: Design) -> str:
        return novelty.change_key(source(self.designs[parent]), source(design))

    def _again(self, place: int) -> tuple[Order, int]:
        """The hub trains nothing twice under another name: the best is run again instead."""
        node, worker = self.belief.best or 0, self.workers[place]
        self.pending[place] = Pending("replicate", worker.owner, node=node, agent=worker.name)
        return Order("replicate", "baseline", "nothing new was found", node=node), node

    def _ask(self, worker: _Worker, refused: int) -> Order | None:
        snapshot = self.snapshot()
        asker = Asker(
            owner=worker.owner,
            agent=worker.name,
            device=worker.name,
            device_class="H100",
            after_refusals=refused,
            barred=frozenset(self.barred),
        )
        known = beliefs.extend(self.belief, snapshot)
        verdicts = [*self.verdicts, *[_NOTHING] * (len(self.nodes) - len(self.verdicts))]
        return frontier.ask(
            snapshot,
            known,
            verdicts,
            asker,
            champion=self.title,
            policy=self.set.policy,
            seed=int(self.luck.asks.integers(2**31)),
            switches=replace(self.set.switches, tuning=self.set.tuning),
        )

    def _design(self, order: Order) -> Design:
        parent = self.designs[order.parent or 0]
        if order.kind == "merge":
            return self._merged(parent, order)
        if order.kind == "ablate":
            return apply(parent, self._undone(order.second or 0))
        return apply(parent, self.land.propose(parent, order.operator, self.luck.ideas))

    def _merged(self, design: Design, order: Order) -> Design:
        for side in order.others:
            up = self.nodes[side].parent or 0
            if self.luck.merges.random() < MERGED:
                design = apply(design, difference(self.designs[up], self.designs[side]))
        return design

    def _undone(self, node: int) -> Design:
        return difference(self.designs[node], self.designs[self.nodes[node].parent or 0])

    def _register(self, place: int, order: Order, design: Design, code: str) -> int:
        worker, node = self.workers[place], len(self.nodes)
        self.seen.add(code)
        change = self._change(order.parent or 0, design) if order.kind == "explore" else ""
        if change:
            self.changes[change] = node
        self.designs.append(design)
        self.truths.append(self.land.truth(design))
        self.nodes.append(
            Node(
                str(node),
                node,
                order.parent,
                order.second,
                order.operator,
                worker.owner,
                worker.name,
                "running",
                brought=order.others,
                change=change,
            )
        )
        self.pending[place] = Pending(
            order.kind,
            worker.owner,
            order.parent,
            order.second,
            None,
            order.operator,
            worker.name,
            order.others,
        )
        return node

    def _minutes(self, order: Order, node: int) -> float:
        think = THINK if order.kind == "explore" else 0.1
        fails = order.node is None and self.land.crashes(self.designs[node], self.luck.crashes)
        if fails:
            self.nodes[node] = _with(self.nodes[node], "failed")
            return think + CRASH
        return think + TRAIN * (1 + SPREAD * float(self.luck.times.normal()))

    def _finish(self, place: int, order: Order, node: int, now: float) -> None:
        worker = self.workers[place]
        del self.pending[place]
        self.tally.kinds[order.kind] = self.tally.kinds.get(order.kind, 0) + 1
        if self.nodes[node].status == "failed":
            return
        if now > worker.until:
            worker.period += 1
            worker.until = now + float(self.luck.sessions.uniform(120, 360))
            worker.shift = float(self.luck.sessions.normal(0, np.hypot(PERIOD, DEVICE)))
        luck = float(self.luck.noise.standard_t(5)) * NOISE / np.sqrt(5 / 3)
        value = self.truths[node] + self.set.noise * (worker.shift + luck)
        self.nodes[node] = _with(self.nodes[node], "finished")
        period = str(worker.period)
        self.readings.append(
            Reading(node, value, worker.owner, worker.name, period, "H100", order.kind)
        )
        self._raw(node, value)
        self._gain(order.kind, node)

    def _gain(self, kind: str, node: int) -> None:
        """How far each kind of work truly lowered the best of what was made."""
        gain = self.lowest_truth - self.truths[node]
        if gain > 0:
            self.lowest_truth = self.truths[node]
            self.tally.gains[kind] = self.tally.gains.get(kind, 0.0) + gain

    def _raw(self, node: int, value: float) -> None:
        """What a leaderboard of raw minima would have crowned."""
        if value < self.lowest:
            self.lowest = value
            if node != self.raw_best:
                self.tally.raw_promotions += 1
                self.tally.false_raw_promotions += self.truths[node] >= self.truths[self.raw_best]
            self.raw_best = node

    def _learn(self, done: int) -> None:
        plain = self.set.policy in PLAIN
        snapshot, due = self.snapshot(), done in MARKS or done % self.every == 0
        if due and (not plain or self.set.objections):
            self.belief = self._believe(snapshot)
        if due and not plain:
            self.verdicts = verification.judge(snapshot, self.belief)
            self._crown(snapshot)
        if done in MARKS:
            best = self.raw_best if plain else self.belief.best or 0
            score = self.lowest if plain else float(self.belief.score[best])
            self.tally.truth[done] = self.truths[best]
            self.tally.reported[done] = score

    def _believe(self, snapshot: Snapshot) -> Belief:
        return beliefs.fit(snapshot) if self.set.belief else beliefs.raw(snapshot)

    def _crown(self, snapshot: Snapshot) -> None:
        crowned = self.title = self.referee.champion(snapshot, self.belief, self.verdicts)
        if crowned is None or crowned == self.champion:
            return
        false = self.truths[crowned] >= self.truths[self.champion]
        if crowned in self.crowned:
            self.tally.demotions += 1
            self.tally.false_demotions += false
        else:
            self.tally.promotions += 1
            self.tally.false_promotions += false
        self.crowned.add(crowned)
        self.champion = crowned


MARKS = (50, 100, 200, 300)
ATTEMPTS = 16
"""Proposals of one worker, over leases of three, before it runs the best once more."""
STUBBORN = 4
"""Refusals after which a policy without our arms trains what was tried before."""
_NOTHING_ELSE = Order("replicate", "baseline", "nothing else to do", node=0)
_NOTHING = Verdict("none", 0.0, 0.0, 0.0, 0, 0, None, 0.0, 0.0, "")


def _with(node: Node, status: str) -> Node:
    return Node(
        node.key,
        node.number,
        node.parent,
        node.second,
        node.operator,
        node.owner,
        node.agent,
        status,
        brought=node.brought,
        change=node.change,
    )


def _code(design: Design) -> str:
    return _hashed(source(design))


@lru_cache(maxsize=100_000)
def _hashed(text: str) -> str:
    return novelty.canonical(text)
