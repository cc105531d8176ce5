"""A goal's readings as arrays: shifted and scaled so that the typical noise is about one."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hub import belief_faith
from hub.belief_solver import Problem, is_dense
from hub.snapshot import Snapshot
from hub.votes import Booth

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

PSEUDO = 12.0
"""How many observations the starting values of the spreads are worth."""
NOISE_OF_LEVEL = 2e-4
"""Noise as a share of the metric's level, until the goal says otherwise (search.md 7: 1.6e-4)."""
PERIOD_OF_NOISE, DEVICE_OF_NOISE, STEP_OF_NOISE, CLASS_OF_NOISE = 2.5, 1.5, 5.0, 60.0
"""The other spreads in units of the noise; periods: 5.6e-4, steps: 1e-3 (search.md 7)."""
FARTHEST = 1e8
"""Guessed noises from the usual reading beyond which one tells no more: squares have 16 digits."""
UNUSUAL = 3.0
"""How many usual distances apart repeats count as at most, before belief was asked."""
APART = float(np.sqrt(1 + PERIOD_OF_NOISE**2 + DEVICE_OF_NOISE**2))
"""How far repeats by different devices lie apart, in units of the noise."""


@dataclass(frozen=True)
class Table:
    """The snapshot as arrays, shifted and scaled so that the typical noise is about one.

    `faith` is how far each reading is believed to begin with; `disputed` are all readings of an
    experiment of which some are believed less, `open` those of one of which none is believed;
    `booth` has those of experiments that enough owners measured.
    """

    parent: Ints
    node: Ints
    value: Floats
    columns: Ints
    kind: Ints
    n: Ints
    brought: tuple[tuple[int, float, tuple[int, ...]], ...]
    names: tuple[tuple[str, ...], ...]
    sign: float
    level: float
    unit: float
    known_noise: bool
    faith: Floats
    disputed: NDArray[np.bool_]
    open: NDArray[np.bool_]
    booth: Booth

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Table":
        """Number the devices and periods, turn the metric so that smaller is better."""
        sign = snapshot.sign
        value = _within_reach(sign * np.array([one.value for one in snapshot.readings]))
        node = np.array([one.node for one in snapshot.readings], dtype=np.intp)
        up = [-1 if one.parent is None else one.parent for one in snapshot.nodes]
        names, columns, kind = _columns(snapshot)
        if not is_dense(len(up), len(kind)):  # too many for both: a device is then its periods
            names, columns, kind = _columns(snapshot, devices=False)
        level = float(np.median(value))
        again, guess = belief_faith.repeats(snapshot), _guess(value)
        faith = belief_faith.of(snapshot, again, value, snapshot.rules.noise_sd or guess, APART)
        known = ~faith.disputed
        unit = snapshot.rules.noise_sd or _unit(again[known], faith.value[known], guess)
        return cls(
            parent=np.array(up, dtype=np.intp),
            node=node,
            value=np.clip((value - level) / unit, -FARTHEST, FARTHEST),
            columns=columns,
            kind=kind,
            n=np.bincount(node, minlength=len(up)),
            brought=_brought(snapshot),
            names=names,
            sign=sign,
            level=level,
            unit=unit,
            known_noise=snapshot.rules.noise_sd is not None,
            faith=faith.share,
            disputed=faith.disputed,
            open=np.bincount(again, faith.share == 1)[again] == 0,
            booth=Booth.of(snapshot),
        )

    def problem(self, weight: Floats, shift: Floats, faith: Floats | float = 1.0) -> Problem:
        """What the solver takes: the steps' weights, expected steps, and faith in readings."""
        shift = np.where(self.parent < 0, self._root_level(), shift)
        return Problem(
            parent=self.parent,
            shift=shift,
            weight=weight,
            node=self.node,
            value=self.value,
            columns=self.columns,
            kind=self.kind,
            faith=faith,
        )

    def _root_level(self) -> float:
        at_roots = self.value[self.parent[self.node] < 0]
        return float(np.median(at_roots)) if len(at_roots) else 0.0


def _brought(snapshot: Snapshot) -> tuple[tuple[int, float, tuple[int, ...]], ...]:
    """Merges with the experiments whose own steps they take over; ablations take theirs back."""
    return tuple(
        (place, -1.0 if one.operator == "ablate" else 1.0, one.sides)
        for place, one in enumerate(snapshot.nodes)
        if one.second is not None
    )


def _columns(
    snapshot: Snapshot, devices: bool = True
) -> tuple[tuple[tuple[str, ...], ...], Ints, Ints]:
    """One offset a device class (but the commonest, which is the reference), device and period.

    A class under other rules of measuring is another class.
    """
    classes = Counter(one.group for one in snapshot.readings)
    reference = min(classes, key=lambda name: (-classes[name], name))
    place: dict[tuple[str, ...], int] = {}
    columns = np.full((len(snapshot.readings), 3), -1, dtype=np.intp)
    for row, one in enumerate(snapshot.readings):
        names = (
            ("class", one.group),
            ("device", one.device),
            ("period", one.device, one.period),
        )
        for column, name in enumerate(names):
            if name != ("class", reference) and (devices or column != 1):
                columns[row, column] = place.setdefault(name, len(place))
    order = {"class": 0, "device": 1, "period": 2}
    kind = np.array([order[name[0]] for name in place], dtype=np.intp)
    return tuple(place), columns, kind


def _within_reach(value: Floats) -> Floats:
    """Readings without the part that lies too far from the usual one to be calculated with."""
    level, reach = float(np.median(value)), FARTHEST * _guess(value)
    near: Floats = np.clip(value, level - reach, level + reach)
    return near


def _guess(value: Floats) -> float:
    return max(NOISE_OF_LEVEL * float(np.median(np.abs(value[:20]))) or NOISE_OF_LEVEL, 1e-12)


def _unit(again: Ints, value: Floats, guess: float) -> float:
    """The noise in metric units to start from: seen in repeats, or a guess.

    Repeats come from several periods, whose spread is taken out by the usual ratio.
    """
    count = np.bincount(again)
    mean = np.bincount(again, value) / np.maximum(count, 1)
    repeated = count[again] > 1
    freedom = float(repeated.sum() - (count > 1).sum())
    off = np.abs(value - mean[again])[repeated]
    # A few that went wrong must not pass for what is usual: only belief finds out which they are.
    usual = max(1.4826 * float(np.median(off)), guess) if len(off) else guess
    squares = float((np.minimum(off, UNUSUAL * usual) ** 2).sum())
    variance = (PSEUDO / 2 * guess**2 + squares / APART**2) / (PSEUDO / 2 + freedom)
    return max(float(np.sqrt(variance)), 1e-12)
