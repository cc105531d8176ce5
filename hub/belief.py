"""What the hub believes of each experiment: one hierarchical model over all of a goal's readings.

reading = experiment + device class + device + working period + noise, with each child at its
parent plus the usual step plus a heavy-tailed one of its own (Student t, as a scale mixture). Given
the mixture's weights all of it is Gaussian and exact: the tree is eliminated leaf by leaf without
fill, the offsets and the usual step by their Schur complement. A few rounds of expectation
maximisation learn the spreads from the goal's own replicates. Nothing is carried over between fits,
so the same readings always give the same belief.

Sources: search.md 7 and 11; Lange, Little & Taylor 1989 (t errors by EM); Rue & Held 2005, ch. 2.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub import votes
from hub.belief_solver import Posterior, Spreads, solve
from hub.belief_table import (
    CLASS_OF_NOISE,
    DEVICE_OF_NOISE,
    NOISE_OF_LEVEL,
    PERIOD_OF_NOISE,
    PSEUDO,
    STEP_OF_NOISE,
    Floats,
    Ints,
    Table,
)
from hub.snapshot import Snapshot

TAIL = 2.0
"""Degrees of freedom of the steps: a real jump is taken as one instead of being shrunk away."""
ENOUGH = 8
"""Steps from which the goal's own spread of steps replaces the usual one."""
LOOSE = 5.0
"""Standard deviations from which on a disputed reading is believed less, the less the further."""
DECIDED = 1.0
"""Whom to believe is decided when faith moves by less than so much, as a logarithm."""
SESSION_OF_NOISE = float(np.hypot(PERIOD_OF_NOISE, DEVICE_OF_NOISE))
ROUNDS = 3
MORE_ROUNDS = 12
"""At most so many follow where a jump was taken for noise at first and is not yet let go."""
INFLATED, FALLING = 1.25, 0.98
"""Shown by noise above so many times its start, and still below so much of the last round's."""


@dataclass(frozen=True)
class Offset:
    """How far a device (or period) reads from the rest, in metric units."""

    mean: float
    sd: float
    n: int


@dataclass(frozen=True)
class Belief:
    """Scores in metric units, one entry a node; `score` is nan where nothing was ever measured.

    `loss` is the same turned so that smaller is better, with a prior guess where nothing was
    measured. `delta` compares with the (first) parent. Per reading, in the snapshot's order: `z`,
    its residual in standard deviations, and `rest` ± `rest_sd`, what its device and period add to a
    loss according to all the other readings.
    """

    score: Floats
    sd: Floats
    n: Ints
    delta: Floats
    delta_sd: Floats
    loss: Floats
    loss_sd: Floats
    noise_sd: float
    period_sd: float
    device_sd: float
    step_mean: float
    step_sd: float
    z: Floats
    rest: Floats
    rest_sd: Floats
    devices: dict[str, Offset] = field(default_factory=dict)
    periods: dict[tuple[str, str], Offset] = field(default_factory=dict)
    classes: dict[str, Offset] = field(default_factory=dict)

    @property
    def best(self) -> int | None:
        """The measured node with the best score, the first of ties."""
        measured = np.flatnonzero(self.n > 0)
        return None if len(measured) == 0 else int(measured[np.argmin(self.loss[measured])])

    def of(self, node: int) -> tuple[float, float, int]:
        """Score, its standard deviation and the number of readings."""
        return float(self.score[node]), float(self.sd[node]), int(self.n[node])


def fit(snapshot: Snapshot, rounds: int = ROUNDS) -> Belief:
    """Infer every experiment's score from all readings (2,000 runs in tens of milliseconds).

    Rounds begin with all steps alike, so that a confirmed jump of a hundred steps passes for noise
    until its own step counts for less. Where so much was learned of that, `rounds` are too few.
    """
    if not snapshot.nodes or not snapshot.readings:
        return _blank(snapshot)
    table = Table.of(snapshot)
    start = spreads = _start(table)
    steps = _Steps(np.ones(len(table.parent)), np.zeros(len(table.parent)))
    faith, settled, turn = table.faith, True, 1
    found = solve(table.problem(steps.weight, steps.extra, faith), spreads)
    while turn < rounds or (not settled and turn < rounds + MORE_ROUNDS):
        noise, believed = spreads.noise, faith
        faith = _faith(table, found, spreads)
        spreads, steps = _learn(table, found, start, spreads, steps, faith == 1)
        found = solve(table.problem(steps.weight, steps.extra, faith), spreads)
        inflated = INFLATED * start.noise < spreads.noise < FALLING * noise
        settled = not inflated and bool((np.abs(np.log(faith / believed)) < DECIDED).all())
        turn += 1
    return _told(table, found, spreads)


def _faith(table: Table, found: Posterior, spreads: Spreads) -> Floats:
    """How far each reading is believed: where like contradicts like, by what all the rest says.

    And what most owners contradict, by what they say.
    """
    far = np.abs(_residuals(table, found, spreads))
    less = votes.faith(far / LOOSE)
    own = table.booth.faith(table.value - found.rest, np.hypot(spreads.noise, found.rest_sd))
    faith: Floats = np.minimum(np.where(table.open, less, table.faith), own)
    return faith


def _residuals(table: Table, found: Posterior, spreads: Spreads) -> Floats:
    """Each reading's distance from what is believed of it, in standard deviations."""
    variance = np.maximum(spreads.noise**2 - found.fitted_sd**2, 0.05 * spreads.noise**2)
    far: Floats = (table.value - found.fitted) / np.sqrt(variance)
    return far


def raw(snapshot: Snapshot) -> Belief:
    """Mean readings taken at face value: what remains when the model is switched off."""
    if not snapshot.readings:
        return _blank(snapshot)
    node = np.array([one.node for one in snapshot.readings], dtype=np.intp)
    value = np.array([one.value for one in snapshot.readings])
    size = len(snapshot.nodes)
    n = np.bincount(node, minlength=size)
    mean = np.where(n > 0, np.bincount(node, value, size) / np.maximum(n, 1), np.nan)
    up = np.array([-1 if one.parent is None else one.parent for one in snapshot.nodes])
    delta = np.where(up >= 0, mean - mean[up], np.nan)
    noise = snapshot.rules.noise_sd or NOISE_OF_LEVEL * float(np.median(np.abs(value)))
    sd = noise / np.sqrt(np.maximum(n, 1))
    blank = _blank(snapshot)
    return replace(
        blank,
        score=mean,
        sd=np.where(n > 0, sd, np.nan),
        n=n,
        delta=delta,
        delta_sd=np.where(np.isfinite(delta), math.sqrt(2) * noise, np.nan),
        loss=np.where(n > 0, snapshot.sign * mean, np.inf),
        loss_sd=sd,
        noise_sd=noise,
        step_sd=STEP_OF_NOISE * noise,
        z=np.zeros(len(value)),
        rest=np.zeros(len(value)),
        rest_sd=np.zeros(len(value)),
    )


def extend(belief: Belief, snapshot: Snapshot) -> Belief:
    """An earlier belief with room for the nodes made since: each is guessed from its parent."""
    start, size = len(belief.n), len(snapshot.nodes)
    if size <= start:
        return belief
    loss = np.concatenate([belief.loss, np.zeros(size - start)])
    for place in range(start, size):
        up = snapshot.nodes[place].parent
        loss[place] = 0.0 if up is None else loss[up] + snapshot.sign * belief.step_mean
    nothing = np.full(size - start, np.nan)
    return replace(
        belief,
        score=np.concatenate([belief.score, nothing]),
        sd=np.concatenate([belief.sd, nothing]),
        n=np.concatenate([belief.n, np.zeros(size - start, dtype=np.intp)]),
        delta=np.concatenate([belief.delta, nothing]),
        delta_sd=np.concatenate([belief.delta_sd, nothing]),
        loss=loss,
        loss_sd=np.concatenate([belief.loss_sd, np.full(size - start, np.inf)]),
    )


def _blank(snapshot: Snapshot) -> Belief:
    size = len(snapshot.nodes)
    nothing = np.full(size, np.nan)
    noise = snapshot.rules.noise_sd or 0.0
    return Belief(
        score=nothing,
        sd=nothing,
        n=np.zeros(size, dtype=np.intp),
        delta=nothing,
        delta_sd=nothing,
        loss=np.zeros(size),
        loss_sd=np.full(size, np.inf),
        noise_sd=noise,
        period_sd=noise * PERIOD_OF_NOISE,
        device_sd=noise * DEVICE_OF_NOISE,
        step_mean=0.0,
        step_sd=noise * STEP_OF_NOISE,
        z=np.zeros(0),
        rest=np.zeros(0),
        rest_sd=np.zeros(0),
    )


def _start(table: Table) -> Spreads:
    """Spreads before any learning, in units of the noise."""
    wide = max(float(np.ptp(table.value)), STEP_OF_NOISE) * 3
    steps = _typical_step(table)
    together = PERIOD_OF_NOISE if (table.kind == 1).any() else SESSION_OF_NOISE
    offsets = (max(CLASS_OF_NOISE, wide), DEVICE_OF_NOISE, together)
    return Spreads(noise=1.0, step=steps, drift=steps, root=wide, offsets=offsets)


def _typical_step(table: Table) -> float:
    """Spread of the steps from measured parents to measured children, noise and periods taken out.

    The median is robust to jumps; half of it is left when noise explains it all. What other classes
    than the commonest read is on another scale.
    """
    usual = table.columns[:, 0] < 0
    n = np.bincount(table.node[usual], minlength=len(table.parent))
    raw = np.bincount(table.node[usual], table.value[usual], len(table.parent)) / np.maximum(n, 1)
    both = (table.parent >= 0) & (n > 0)
    both[both] &= n[table.parent[both]] > 0
    if both.sum() < ENOUGH:
        return STEP_OF_NOISE
    steps = raw[both] - raw[table.parent[both]]
    spread = 1.4826 * float(np.median(np.abs(steps - np.median(steps))))
    apart = 1 + (PERIOD_OF_NOISE**2 if len(np.unique(table.columns[:, 2])) > 1 else 0)
    return max(math.sqrt(max(spread**2 - apart, 0.0)), spread / 2, 0.5)


@dataclass(frozen=True)
class _Steps:
    """Expected extra step of merges, and how much each step counts."""

    weight: Floats
    extra: Floats


def _learn(
    table: Table,
    found: Posterior,
    start: Spreads,
    old: Spreads,
    steps: _Steps,
    believed: NDArray[np.bool_],
) -> tuple[Spreads, _Steps]:
    """One round of expectation maximisation, held near the start by `PSEUDO` observations."""
    # A reading that stands alone is explained by its step as well as by noise: of the noise it
    # repeats what was believed before, and hundreds of them keep it from being learned.
    # Nor do readings that contradict each other tell of it: some of them went wrong.
    repeated = (table.n[table.node] > 1) & ~table.disputed & believed
    missed = ((table.value - found.fitted) ** 2 + found.fitted_sd**2)[repeated]
    noise = _pooled(1.0, missed, 4 * PSEUDO if table.known_noise else PSEUDO)
    measured = (table.parent >= 0) & (table.n > 0)
    step = found.mean[measured] - found.mean[table.parent[measured]] - steps.extra[measured]
    square = (step - found.drift) ** 2 + found.surprise_sd[measured] ** 2
    share = (TAIL + 1) / (TAIL + square / old.step**2)
    new = np.ones(len(table.parent))
    new[measured] = share
    spreads = Spreads(
        noise=noise,
        step=_pooled(start.step, share * square, PSEUDO),
        drift=old.drift,
        root=old.root,
        offsets=_offset_spreads(table, found, start),
    )
    return spreads, _Steps(new, _merged(table, found.mean))


def _pooled(start: float, squares: Floats, pseudo: float) -> float:
    return float(np.sqrt((pseudo * start**2 + squares.sum()) / (pseudo + len(squares))))


def _offset_spreads(table: Table, found: Posterior, start: Spreads) -> tuple[float, float, float]:
    square = found.offset**2 + found.offset_sd**2
    device = _pooled(start.offsets[1], square[table.kind == 1], PSEUDO)
    period = _pooled(start.offsets[2], square[table.kind == 2], PSEUDO)
    return start.offsets[0], device, period


def _merged(table: Table, mean: Floats) -> Floats:
    """A merge is expected to add what each side gained over its own parent."""
    extra = np.zeros(len(mean))
    for node, sign, sides in table.brought:
        own = [side for side in sides if table.parent[side] >= 0]
        extra[node] = sign * sum(mean[side] - mean[table.parent[side]] for side in own)
    return extra


def _told(table: Table, found: Posterior, spreads: Spreads) -> Belief:
    unit, measured = table.unit, table.n > 0
    loss = found.mean * unit + table.level
    score = np.where(measured, table.sign * loss, np.nan)
    both = measured & (table.parent >= 0) & measured[table.parent]
    delta = np.where(both, table.sign * (loss - loss[table.parent]), np.nan)
    classes, devices, periods = _named(table, found)
    return Belief(
        score=score,
        sd=np.where(measured, found.sd * unit, np.nan),
        n=table.n,
        delta=delta,
        delta_sd=np.where(both, found.step_sd * unit, np.nan),
        loss=loss,
        loss_sd=found.sd * unit,
        noise_sd=spreads.noise * unit,
        period_sd=spreads.offsets[2] * unit,
        device_sd=spreads.offsets[1] * unit,
        step_mean=table.sign * found.drift * unit,
        step_sd=spreads.step * unit,
        z=_residuals(table, found, spreads),
        rest=found.rest * unit,
        rest_sd=found.rest_sd * unit,
        classes=classes,
        devices=devices,
        periods=periods,
    )


def _named(table: Table, found: Posterior) -> tuple[dict[Any, Offset], ...]:
    counted = np.bincount(table.columns[table.columns >= 0], minlength=len(table.names))
    told: tuple[dict[Any, Offset], ...] = ({}, {}, {})
    for place, name in enumerate(table.names):
        key = name[1] if len(name) == 2 else name[1:]
        mean = float(table.sign * found.offset[place] * table.unit)
        sd = float(found.offset_sd[place] * table.unit)
        told[int(table.kind[place])][key] = Offset(mean, sd, int(counted[place]))
    return told
