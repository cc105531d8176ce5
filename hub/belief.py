"""What the hub believes of each experiment: one hierarchical model over all of a goal's readings.

reading = experiment + device class + device + working period + noise, with each child near its
parent by a heavy-tailed step (Student t, as a scale mixture). Given the mixture's weights all of
it is Gaussian and exact: the tree is eliminated leaf by leaf without fill, the offsets by their
Schur complement. A few rounds of expectation maximisation learn the spreads from the goal's own
replicates. Nothing is carried over between fits, so the same readings always give the same belief.

Sources: search.md 7 and 11; Lange, Little & Taylor 1989 (t errors by EM); Rue & Held 2005, ch. 2.
"""

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.belief_solver import DENSE, Posterior, Problem, Spreads, solve
from hub.snapshot import Snapshot

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

TAIL = 2.0
"""Degrees of freedom of the steps: a real jump is taken as one instead of being shrunk away."""
PSEUDO = 12.0
"""How many observations the starting values of the spreads are worth."""
NOISE_OF_LEVEL = 2e-4
"""Noise as a share of the metric's level, until the goal says otherwise (search.md 7: 1.6e-4)."""
PERIOD_OF_NOISE, DEVICE_OF_NOISE, STEP_OF_NOISE, CLASS_OF_NOISE = 2.5, 1.5, 5.0, 60.0
"""The other spreads in units of the noise; periods: 5.6e-4, steps: 1e-3 (search.md 7)."""
ENOUGH = 8
"""Steps from which the goal's own spread of steps replaces the usual one."""
SESSION_OF_NOISE = float(np.hypot(PERIOD_OF_NOISE, DEVICE_OF_NOISE))
ROUNDS = 3


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
    """Infer every experiment's score from all readings (2,000 runs in tens of milliseconds)."""
    if not snapshot.nodes or not snapshot.readings:
        return _blank(snapshot)
    table = _Table.of(snapshot)
    spreads = _start(table)
    steps = _Steps(np.ones(len(table.parent)), np.zeros(len(table.parent)))
    for _ in range(rounds - 1):
        found = solve(table.problem(steps.weight, steps.extra + spreads.drift), spreads)
        spreads, steps = _learn(table, found, spreads, steps)
    found = solve(table.problem(steps.weight, steps.extra + spreads.drift), spreads)
    return _told(table, found, spreads)


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


@dataclass(frozen=True)
class _Table:
    """The snapshot as arrays, shifted and scaled so that the typical noise is about one."""

    parent: Ints
    node: Ints
    value: Floats
    columns: Ints
    kind: Ints
    n: Ints
    second: Ints
    names: tuple[tuple[str, ...], ...]
    sign: float
    level: float
    unit: float
    known_noise: bool

    @classmethod
    def of(cls, snapshot: Snapshot) -> "_Table":
        """Number the devices and periods, turn the metric so that smaller is better."""
        sign = snapshot.sign
        value = sign * np.array([one.value for one in snapshot.readings])
        node = np.array([one.node for one in snapshot.readings], dtype=np.intp)
        up = [-1 if one.parent is None else one.parent for one in snapshot.nodes]
        second = [-1 if one.second is None else one.second for one in snapshot.nodes]
        names, columns, kind = _columns(snapshot)
        if len(up) * len(kind) > DENSE:  # too many for both: a device is then its periods
            names, columns, kind = _columns(snapshot, devices=False)
        level = float(np.median(value))
        unit = _unit(snapshot, node, value)
        return cls(
            parent=np.array(up, dtype=np.intp),
            node=node,
            value=(value - level) / unit,
            columns=columns,
            kind=kind,
            n=np.bincount(node, minlength=len(up)),
            second=np.array(second, dtype=np.intp),
            names=names,
            sign=sign,
            level=level,
            unit=unit,
            known_noise=snapshot.rules.noise_sd is not None,
        )

    def problem(self, weight: Floats, shift: Floats) -> Problem:
        """What the solver takes, for these weights of the steps and expected steps."""
        shift = np.where(self.parent < 0, self._root_level(), shift)
        return Problem(
            parent=self.parent,
            shift=shift,
            weight=weight,
            node=self.node,
            value=self.value,
            columns=self.columns,
            kind=self.kind,
        )

    def _root_level(self) -> float:
        at_roots = self.value[self.parent[self.node] < 0]
        return float(np.median(at_roots)) if len(at_roots) else 0.0


def _columns(
    snapshot: Snapshot, devices: bool = True
) -> tuple[tuple[tuple[str, ...], ...], Ints, Ints]:
    """One offset a device class (but the commonest, which is the reference), device and period."""
    classes = Counter(one.device_class for one in snapshot.readings)
    reference = min(classes, key=lambda name: (-classes[name], name))
    place: dict[tuple[str, ...], int] = {}
    columns = np.full((len(snapshot.readings), 3), -1, dtype=np.intp)
    for row, one in enumerate(snapshot.readings):
        names = (
            ("class", one.device_class),
            ("device", one.device),
            ("period", one.device, one.period),
        )
        for column, name in enumerate(names):
            if name != ("class", reference) and (devices or column != 1):
                columns[row, column] = place.setdefault(name, len(place))
    order = {"class": 0, "device": 1, "period": 2}
    kind = np.array([order[name[0]] for name in place], dtype=np.intp)
    return tuple(place), columns, kind


def _unit(snapshot: Snapshot, node: Ints, value: Floats) -> float:
    """The noise in metric units to start from: stated, or seen in repeats, or a share of the level.

    Repeats come from several periods, whose spread is taken out by the usual ratio.
    """
    if snapshot.rules.noise_sd:
        return float(snapshot.rules.noise_sd)
    guess = NOISE_OF_LEVEL * float(np.median(np.abs(value[:20]))) or NOISE_OF_LEVEL
    count = np.bincount(node)
    mean = np.bincount(node, value) / np.maximum(count, 1)
    repeated = count[node] > 1
    if not repeated.any():
        return max(guess, 1e-12)
    freedom = float(repeated.sum() - (count > 1).sum())
    squares = float(((value - mean[node])[repeated] ** 2).sum())
    apart = 1 + PERIOD_OF_NOISE**2 + DEVICE_OF_NOISE**2
    variance = (PSEUDO / 2 * guess**2 + squares / apart) / (PSEUDO / 2 + freedom)
    return max(float(np.sqrt(variance)), 1e-12)


def _start(table: _Table) -> Spreads:
    """Spreads before any learning, in units of the noise."""
    wide = max(float(np.ptp(table.value)), STEP_OF_NOISE) * 3
    steps = _typical_step(table)
    together = PERIOD_OF_NOISE if (table.kind == 1).any() else SESSION_OF_NOISE
    offsets = (max(CLASS_OF_NOISE, wide), DEVICE_OF_NOISE, together)
    return Spreads(noise=1.0, step=steps, drift=0.0, root=wide, offsets=offsets)


def _typical_step(table: _Table) -> float:
    """Spread of the steps from measured parents to measured children, noise and periods taken out.

    The median is robust to jumps; half of it is left when noise explains it all.
    """
    raw = np.bincount(table.node, table.value, len(table.parent)) / np.maximum(table.n, 1)
    both = (table.parent >= 0) & (table.n > 0)
    both[both] &= table.n[table.parent[both]] > 0
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


def _learn(table: _Table, found: Posterior, old: Spreads, steps: _Steps) -> tuple[Spreads, _Steps]:
    """One round of expectation maximisation, held near the start by `PSEUDO` observations."""
    missed = (table.value - found.fitted) ** 2 + found.fitted_sd**2
    noise = _pooled(1.0, missed, 4 * PSEUDO if table.known_noise else PSEUDO)
    measured = (table.parent >= 0) & (table.n > 0)
    step = found.mean[measured] - found.mean[table.parent[measured]] - steps.extra[measured]
    weight = steps.weight[measured]
    drift = float(weight @ step / (weight.sum() + PSEUDO))
    square = (step - drift) ** 2 + found.step_sd[measured] ** 2
    share = (TAIL + 1) / (TAIL + square / old.step**2)
    new = np.ones(len(table.parent))
    new[measured] = share
    start = _start(table)
    spreads = Spreads(
        noise=noise,
        step=_pooled(start.step, share * square, PSEUDO),
        drift=drift,
        root=old.root,
        offsets=_offset_spreads(table, found, start),
    )
    return spreads, _Steps(new, _merged(table, found.mean))


def _pooled(start: float, squares: Floats, pseudo: float) -> float:
    return float(np.sqrt((pseudo * start**2 + squares.sum()) / (pseudo + len(squares))))


def _offset_spreads(table: _Table, found: Posterior, start: Spreads) -> tuple[float, float, float]:
    square = found.offset**2 + found.offset_sd**2
    device = _pooled(start.offsets[1], square[table.kind == 1], PSEUDO)
    period = _pooled(start.offsets[2], square[table.kind == 2], PSEUDO)
    return start.offsets[0], device, period


def _merged(table: _Table, mean: Floats) -> Floats:
    """A merge is expected to add what the second side gained over the common ancestor."""
    extra = np.zeros(len(mean))
    for node in np.flatnonzero(table.second >= 0):
        second, first = int(table.second[node]), int(table.parent[node])
        base = common_ancestor(table.parent, first, second)
        if base is not None:
            extra[node] = mean[second] - mean[base]
    return extra


def common_ancestor(parent: Ints, first: int, second: int) -> int | None:
    """The nearest experiment from which both descend by first parents, if there is one."""
    while first != second:
        if first < second:
            first, second = second, first
        first = int(parent[first])
        if first < 0:
            return None
    return first


def _told(table: _Table, found: Posterior, spreads: Spreads) -> Belief:
    unit, measured = table.unit, table.n > 0
    loss = found.mean * unit + table.level
    score = np.where(measured, table.sign * loss, np.nan)
    both = measured & (table.parent >= 0) & measured[table.parent]
    delta = np.where(both, table.sign * (loss - loss[table.parent]), np.nan)
    classes, devices, periods = _named(table, found)
    variance = np.maximum(spreads.noise**2 - found.fitted_sd**2, 0.05 * spreads.noise**2)
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
        step_mean=table.sign * spreads.drift * unit,
        step_sd=spreads.step * unit,
        z=(table.value - found.fitted) / np.sqrt(variance),
        rest=found.rest * unit,
        rest_sd=found.rest_sd * unit,
        classes=classes,
        devices=devices,
        periods=periods,
    )


def _named(table: _Table, found: Posterior) -> tuple[dict[Any, Offset], ...]:
    counted = np.bincount(table.columns[table.columns >= 0], minlength=len(table.names))
    told: tuple[dict[Any, Offset], ...] = ({}, {}, {})
    for place, name in enumerate(table.names):
        key = name[1] if len(name) == 2 else name[1:]
        mean = float(table.sign * found.offset[place] * table.unit)
        sd = float(found.offset_sd[place] * table.unit)
        told[int(table.kind[place])][key] = Offset(mean, sd, int(counted[place]))
    return told
