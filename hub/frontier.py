"""What is worth doing next: a pure function from a goal's state to one work order that says why."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from hub import portfolio
from hub.belief import Belief
from hub.merge_arm import propose
from hub.policies import PLAIN, POLICIES, Choice, Floats, Ints, Tuning, View
from hub.replication import due, stalled, unverified_best
from hub.snapshot import Snapshot, group
from hub.verification import Verdict

DEFAULT = "believed"
PINNED = 1 / 3
"""Share of the explore orders that goes to what operators pinned, while they pin something."""
WARM = 0.25
"""How far a parent that the agent has at hand may be from the chosen one, in units of the noise."""


@dataclass(frozen=True)
class Asker:
    """Who asks: `warm` are keys of experiments whose files and caches the agent has at hand.

    `after_refusals` counts proposals refused as tried before under the present lease; `barred`
    are merges (first parent, second) that turned out to be nothing new.
    """

    owner: str
    agent: str
    device: str = ""
    device_class: str = ""
    period: str = ""
    can_mutate: bool = True
    warm: frozenset[str] = frozenset()
    after_refusals: int = 0
    barred: frozenset[tuple[int, int]] = frozenset()

    def voice(self, view: View) -> str:
        """Who would be heard with what it repeats, as `Snapshot.voice` has it."""
        return self.device if view.snapshot.rules.alone else self.owner


@dataclass(frozen=True)
class Order:
    """What to do: explore, merge and ablate start from `parent`; the other two run `node` again.

    A merge brings over what `others` (the first of them is the second parent) changed against
    their own parents. An ablation takes back what `second` changed.
    """

    kind: str
    operator: str
    why: str
    parent: int | None = None
    second: int | None = None
    node: int | None = None
    others: tuple[int, ...] = ()


@dataclass(frozen=True)
class Switches:
    """Parts of the default that an ablation turns off, its tuning, and what operators want."""

    merge: bool = True
    replicate: bool = True
    anchor: bool = True
    ablate: bool = True
    weights: dict[str, float] = field(default_factory=dict)
    tuning: Tuning = field(default_factory=Tuning)


ALL = Switches()


def ask(
    snapshot: Snapshot,
    belief: Belief,
    verdicts: Sequence[Verdict],
    asker: Asker,
    *,
    champion: int | None = None,
    policy: str = DEFAULT,
    seed: int = 0,
    switches: Switches | None = None,
) -> Order | None:
    """One order for this agent, or None where there is nothing that it could do.

    `champion` is who holds the title now (`hub.titles`), None where nobody does.

    Raises:
        KeyError: there is no such policy; `POLICIES` lists them.
    """
    on = switches or Switches()
    view = View(snapshot, belief, on.tuning, champion)
    return decide(view, verdicts, asker, policy=policy, seed=seed, on=on)


def decide(
    view: View,
    verdicts: Sequence[Verdict],
    asker: Asker,
    *,
    policy: str = DEFAULT,
    seed: int = 0,
    on: Switches = ALL,
) -> Order | None:
    """The same of a view, which may remember what earlier claims had worked out."""
    random = np.random.default_rng(seed)
    if policy in PLAIN:
        return (
            _explore(view, asker, policy, random, on)
            if asker.can_mutate
            else _spare(view, verdicts, asker)
        )
    first = _anchor(view, asker) if on.anchor else None
    again = _replicate(view, verdicts, asker) if on.replicate and first is None else None
    return first or again or _create(view, verdicts, asker, policy, random, on)


def foresee(view: View, verdicts: Sequence[Verdict]) -> None:
    """Work out what hangs on no lease, before a claim that keeps others waiting asks for it."""
    nobody = Asker("", "")
    _anchor(view, nobody)
    _replicate(view, verdicts, nobody)
    _merge(view, nobody)
    _explore(view, nobody, DEFAULT, np.random.default_rng(0), ALL)


def _create(
    view: View,
    verdicts: Sequence[Verdict],
    asker: Asker,
    policy: str,
    random: Generator,
    on: Switches,
) -> Order | None:
    """Something new: a merge, an ablation or an exploration; or a repeat where that is barred."""
    merged = _merge(view, asker) if on.merge else None
    if merged is not None:
        return merged
    if not asker.can_mutate or asker.after_refusals >= 3:
        return _spare(view, verdicts, asker, needed=asker.can_mutate)
    ablated = _ablate(view, random) if on.ablate else None
    return ablated or _explore(view, asker, policy, random, on)


def _explore(
    view: View, asker: Asker, policy: str, random: Generator, on: Switches
) -> Order | None:
    nodes = view.candidates
    if not len(nodes):
        return None
    pinned = view.pinned[nodes]
    wanted = bool(pinned.any()) and random.random() < PINNED
    if wanted:
        nodes = nodes[pinned]
    scores = POLICIES[policy](Choice(view, nodes, random, asker.agent))
    node = _best(view, asker, nodes, scores)
    operator = portfolio.choose(view, random, on.weights)
    why = _why(view, node, operator, wanted)
    return Order("explore", operator, why, parent=node)


def _best(view: View, asker: Asker, nodes: Ints, scores: Floats) -> int:
    """The best score after operators' boosts; what the agent has at hand wins near-ties."""
    boost = view.boost[nodes]
    if (boost != 1).any():
        scale = float(np.std(scores[np.isfinite(scores)])) or 1.0
        scores = scores + scale * np.log(np.maximum(boost, 1e-9))
    top = int(np.argmax(scores))
    if asker.warm:
        apart = np.abs(view.belief.loss[nodes] - view.belief.loss[nodes[top]])
        close = (apart <= WARM * view.belief.noise_sd) & np.isfinite(scores)
        close &= boost >= boost[top]
        warm = [
            place
            for place in np.flatnonzero(close)
            if view.snapshot.nodes[nodes[place]].key in asker.warm
        ]
        top = int(warm[0]) if warm else top
    return int(nodes[top])


def _why(view: View, node: int, operator: str, pinned: bool) -> str:
    tried, good = int(view.tried[node]), int(view.successes[node])
    if pinned:
        reason = "an operator pinned it"
    elif node == view.best:
        reason = "it is the best we believe in"
    elif tried:
        reason = f"{good} of {tried} changes on it helped, so more may"
    else:
        reason = "it is nearly as good as the best, and nobody has built on it"
    return f"Build on {view.told(node)}: {reason}. {portfolio.CUES[operator]}"


def _anchor(view: View, asker: Asker) -> Order | None:
    """The root once on each new kind of device, and on new devices as long as that stays rare."""
    root, anchors = view.root, view.anchors
    if root is None:
        return None
    under_way = [one for one in view.snapshot.pending if one.node == root]
    failed = view.failed_on[root, asker.device]
    if failed >= view.tuning.attempts or any(one.agent == asker.agent for one in under_way):
        return None
    if not anchors and not under_way:
        why = "Run the starting point once: everything is compared with it."
        return Order("anchor", "baseline", why, node=root)
    kind = group(asker.device_class, view.snapshot.era)
    if anchors and kind not in {one.group for one in anchors} and not under_way:
        why = f"Nobody has run the starting point on {kind} yet; that makes its numbers comparable."
        return Order("anchor", "baseline", why, node=root)
    return _new_device(view, asker, root, len(anchors) + len(under_way))


def _new_device(view: View, asker: Asker, root: int, anchors: int) -> Order | None:
    known = asker.device in view.devices
    if known or anchors >= view.tuning.anchor_share * len(view.snapshot.readings):
        return None
    why = (
        f"{asker.agent} is new here: run the starting point once, so that its numbers can be read."
    )
    return Order("anchor", "baseline", why, node=root)


def _replicate(view: View, verdicts: Sequence[Verdict], asker: Asker) -> Order | None:
    wanted = due(view, verdicts, asker.voice(view))
    if wanted is None:
        return None
    return Order("replicate", "baseline", wanted.why, node=wanted.node)


def _merge(view: View, asker: Asker) -> Order | None:
    found = propose(view, asker.barred)
    if found is None:
        return None
    return Order(
        "merge",
        "merge",
        found.why,
        parent=found.parent,
        second=found.others[0],
        others=found.others,
    )


def _ablate(view: View, random: Generator) -> Order | None:
    """On a plateau, now and then: take back the least certain gain on the way to the best."""
    best = view.best_parent
    if best is None or not stalled(view) or random.random() >= view.tuning.ablate_share:
        return None
    done = {(one.parent, one.second) for one in view.snapshot.nodes if one.operator == "ablate"}
    done |= {(one.parent, one.second) for one in view.snapshot.pending if one.kind == "ablate"}
    step, spread = view.steps
    line = [node for node in _line(view, best) if (best, node) not in done and node != best]
    if len(line) < 4:
        return None
    weakest = min(line, key=lambda node: step[node] / spread[node])
    why = (
        f"Take back {view.name(weakest)} on {view.told(best)}: of all the changes on its line "
        "this one is the least sure to pay."
    )
    return Order("ablate", "ablate", why, parent=best, second=weakest)


def _line(view: View, node: int) -> list[int]:
    line = []
    while view.parent[node] >= 0:
        line.append(node)
        node = int(view.parent[node])
    return line


def _spare(
    view: View, verdicts: Sequence[Verdict], asker: Asker, *, needed: bool = False
) -> Order | None:
    """Useful work that needs no new idea: the best experiment that this owner has not run yet."""
    node = unverified_best(view, verdicts, asker.voice(view), needed=needed)
    if node is None:
        return None
    why = f"Run {view.told(node)} again: no new idea is needed, and another reading helps."
    return Order("replicate", "baseline", why, node=node)
