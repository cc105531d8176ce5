"""Which devices read oddly, and whose word has been borne out: both from the belief's residuals.

Trust is BOINC's consecutive-valid rule per goal, owner and device class; the residual test is
Fishtest's, for continuous readings, with Bonferroni thresholds over the devices that were tested.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special  # scipy.stats would be a third of what starting a hub costs

from hub.belief import Belief
from hub.snapshot import Snapshot

Floats = NDArray[np.float64]

LEAST = 5
"""Readings below which a device is not judged."""
QUARANTINE = 7.0
"""Standard deviations from which the hub acts by itself (Fishtest's automatic threshold)."""
ONE_IN = 20
"""Of so many readings one may have gone wrong by itself: a run diverges now and then."""
TYPICAL = 0.2
"""The noise is never taken for less than this share of what was learned."""
VALID, INVALID = 3.0, 5.0
"""A replicated reading within / beyond so many standard deviations confirms / breaks trust."""
TINY = 1e-300
"""Tails below this underflow, so that their logarithm is taken instead."""
FURTHEST = 1e6
"""Standard deviations beyond which a reading is no odder: their squares could overflow."""


@dataclass(frozen=True)
class Suspicion:
    """How oddly a device reads: `z` in standard deviations, `colour` green, yellow or red."""

    device: str
    owner: str
    n: int
    z: float
    colour: str
    sentence: str


@dataclass(frozen=True)
class Record:
    """How many readings in a row others bore out, and whether one before them was far off."""

    valid: int = 0
    broken: bool = False


def suspicions(snapshot: Snapshot, belief: Belief) -> list[Suspicion]:
    """Every device with enough readings, the oddest first."""
    places: dict[str, list[int]] = {}
    for place, reading in enumerate(snapshot.readings):
        if belief.n[reading.node] > 1:  # a reading that stands alone always fits itself
            places.setdefault(reading.device, []).append(place)
    judged = {device: found for device, found in places.items() if len(found) >= LEAST}
    limits = thresholds(len(judged))
    z = _unmasked(belief.z, [place for found in judged.values() for place in found])
    # Of two that contradict each other one is wrong, and nobody knows which.
    pairs = np.array([belief.n[one.node] == 2 for one in snapshot.readings], dtype=bool)
    z = np.where(pairs, np.clip(z, -INVALID, INVALID), z)
    told = [
        _one(snapshot, belief, device, _forgiven(z[np.array(found)]), found[-1], limits)
        for device, found in judged.items()
    ]
    return sorted(told, key=lambda one: (-one.z, one.device))


def _forgiven(residuals: Floats) -> Floats:
    """Residuals of which one in so many, the farthest, tells only that something went wrong."""
    few = -(-len(residuals) // ONE_IN)
    farthest = np.argsort(-np.abs(residuals), kind="stable")[:few]
    residuals[farthest] = np.clip(residuals[farthest], -INVALID, INVALID)
    return residuals


def _unmasked(z: Floats, places: Sequence[int]) -> Floats:
    """Residuals in units of what is typical: one wild device widens the learned noise for all."""
    if not places:
        return z
    typical = 1.4826 * float(np.median(np.abs(z[np.array(places)])))
    return z / min(max(typical, TYPICAL), 1.0)


def thresholds(devices: int) -> tuple[float, float]:
    """Where one of so many honest devices would land by chance once in 20 and once in 100."""
    count = max(devices, 1)
    return _deviate(0.05 / count), _deviate(0.01 / count)


def _deviate(tail: float) -> float:
    """The normal deviate that so much of the distribution lies above."""
    return -float(special.ndtri(tail))


def _one(
    snapshot: Snapshot,
    belief: Belief,
    device: str,
    residuals: Floats,
    last: int,
    limits: tuple[float, float],
) -> Suspicion:
    z = max(_scatter(residuals), _shift(belief, device))
    colour = "red" if z > limits[1] else "yellow" if z > limits[0] else "green"
    word = {"green": "as expected", "yellow": "somewhat oddly", "red": "oddly"}[colour]
    said = f"{device} reads {word}: {z:+.1f} standard deviations over {len(residuals)} readings."
    return Suspicion(device, snapshot.readings[last].owner, len(residuals), z, colour, said)


def _scatter(residuals: Floats) -> float:
    """How much wider than the goal's noise a device's residuals spread, as a normal deviate."""
    squares = float((np.clip(residuals, -FURTHEST, FURTHEST) ** 2).sum())
    tail = float(special.chdtrc(len(residuals), squares))
    if tail > TINY:
        return _deviate(tail)
    # Leading terms of both tails: chi-square's (incomplete gamma function) and the normal's.
    half, at = len(residuals) / 2, squares / 2
    return math.sqrt(2.0 * (at - (half - 1) * math.log(at) + float(special.gammaln(half))))


def _shift(belief: Belief, device: str) -> float:
    """How far a device's constant offset lies from its fellows', as a normal deviate."""
    offset = belief.devices.get(device)
    if offset is None or belief.device_sd <= 0:
        return 0.0
    return abs(offset.mean) / belief.device_sd - 1.0


def earned(snapshot: Snapshot, belief: Belief) -> dict[tuple[str, str], Record]:
    """A goal's record of each owner and device class, from replicated readings as they came."""
    owners: dict[int, set[str]] = {}
    for reading in snapshot.readings:
        owners.setdefault(reading.node, set()).add(reading.owner)
    found: dict[tuple[str, str], Record] = {}
    for place, reading in enumerate(snapshot.readings):
        if len(owners[reading.node]) < 2:
            continue
        key, odd = (reading.owner, reading.device_class), abs(float(belief.z[place]))
        if odd > INVALID:
            found[key] = Record(broken=True)
        elif odd <= VALID:
            known = found.get(key, Record())
            found[key] = replace(known, valid=known.valid + 1)
    return found


def total(records: Iterable[Record]) -> int:
    """What several records are worth together: their sum, but no more than any broken one.

    A lie in one goal costs an owner's word in all of them, until it is earned again where it was
    lost; a new goal or a second device costs nothing.
    """
    every = list(records)
    return min([sum(one.valid for one in every), *(one.valid for one in every if one.broken)])
