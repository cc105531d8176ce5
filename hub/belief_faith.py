"""Which readings contradict others of the same experiment by more than luck or their device.

A run may diverge, or a device lie. Taken for noise, one such reading made all others of the goal
worthless; taken for its device's offset, it shifted all that was run there. So it is believed less,
the less the further it lies from what the rest says. A device that always reads otherwise
contradicts nobody: what it reads otherwise is found first, and taken off.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hub import votes
from hub.snapshot import Snapshot

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

WILD = 40.0
"""Readings of one experiment so many noises apart do not measure one thing."""
REPEATED = 6
"""Repeated readings from which the goal tells by itself how far apart they usually are."""
SHIFTS = 24
"""At most so many devices, and then working periods, have what they always read off taken off."""
LOOKED_AT = 8
"""The farthest off that are looked at in each turn."""
ENOUGH = 64
"""Readings of a device, or of an experiment, that tell what is usual."""


@dataclass(frozen=True)
class Faith:
    """How far readings are believed, and their values with what their devices always read off.

    `disputed` are all readings of an experiment of which some are believed less.
    """

    share: Floats
    disputed: NDArray[np.bool_]
    value: Floats


def repeats(snapshot: Snapshot) -> Ints:
    """Per reading the number of what it is a reading of: an experiment on a class of device.

    Classes differ by far more than by luck.
    """
    place: dict[tuple[int, str], int] = {}
    pairs = ((one.node, one.group) for one in snapshot.readings)
    return np.array([place.setdefault(pair, len(place)) for pair in pairs], dtype=np.intp)


def of(snapshot: Snapshot, again: Ints, value: Floats, noise: float, apart: float) -> Faith:
    """Faith in each reading; `noise` is a guess, `apart` how many of it repeats lie apart."""
    repeated, far = np.bincount(again)[again] > 1, _distance(again, value)
    if not snapshot.rules.noise_sd:
        if repeated.sum() < REPEATED:
            return _plain(value)
        noise = max(noise, 1.4826 * float(np.median(far[repeated])) / apart)
    if far.max() <= WILD * noise:
        return _plain(value)
    of_device = [one.device for one in snapshot.readings]
    odd = {of_device[place] for place in np.flatnonzero(far > WILD * noise)}
    if len(odd) > max(SHIFTS, len(set(of_device)) // 20):
        return _plain(value)  # not odd but usual: belief learns how far such devices lie apart
    of_period = [(one.device, one.period) for one in snapshot.readings]
    for labels in (of_device, of_period):
        value = _Level(snapshot, labels, value).take_off(again, WILD * noise)
    left = _distance(again, value)
    # Where a device explains half of it, belief weighs the rest better than we.
    odd_ones = left > np.maximum(far / 2, WILD * noise)
    less = votes.faith(left / (WILD * noise))
    return Faith(np.where(odd_ones, less, 1.0), (np.bincount(again, odd_ones) > 0)[again], value)


def _plain(value: Floats) -> Faith:
    return Faith(np.ones(len(value)), np.zeros(len(value), dtype=bool), value)


def _distance(again: Ints, value: Floats) -> Floats:
    """How far each reading lies from the median of its like; of two, from the other."""
    order, count = np.lexsort((value, again)), np.bincount(again)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    low, high = value[order][first + (count - 1) // 2], value[order][first + count // 2]
    far: Floats = np.abs(value - ((low + high) / 2)[again]) * np.where(count == 2, 2, 1)[again]
    return far


class _Level:
    """Readings by what they are readings of and by their label, and what labels always read off."""

    def __init__(self, snapshot: Snapshot, labels: Sequence[Hashable], value: Floats) -> None:
        self.snapshot, self.labels, self.value = snapshot, labels, value.copy()
        self.like: dict[tuple[int, str], list[int]] = defaultdict(list)
        self.by: dict[Hashable, list[int]] = defaultdict(list)
        for place, one in enumerate(snapshot.readings):
            self.like[one.node, one.group].append(place)
            self.by[labels[place]].append(place)

    def take_off(self, again: Ints, wild: float) -> Floats:
        """The values without what some labels always read otherwise, the farthest off first."""
        for _ in range(SHIFTS):
            far = _distance(again, self.value)
            odd = np.flatnonzero(far > wild)
            first = odd[np.argsort(-far[odd], kind="stable")]
            farthest = list(dict.fromkeys(self.labels[place] for place in first))[:LOOKED_AT]
            shifts = [(self._shift(label), label) for label in farthest]
            shift, label = max(shifts, key=lambda each: abs(each[0]), default=(0.0, ""))
            if abs(shift) <= wild / 2:
                break
            self.value[self.by[label]] -= shift
        return self.value

    def _shift(self, label: Hashable) -> float:
        """What a label usually reads beyond others, of the same experiment or of its ancestors.

        The median, of two in the middle the smaller: a device that read two things, one of them
        otherwise, does not always read otherwise. Nor is anything usual that was seen once.
        """
        beyond = []
        for place in self.by[label][-ENOUGH:]:
            others = self._others(place, label)
            if others:
                beyond.append(float(self.value[place]) - float(np.median(self.value[others])))
        beyond.sort()
        middle = beyond[(len(beyond) - 1) // 2 : len(beyond) // 2 + 1]
        return min(middle, key=abs) if len(beyond) > 1 else 0.0

    def _others(self, place: int, label: Hashable) -> list[int]:
        """What others read of the same experiment, or else of its nearest ancestor they read."""
        one = self.snapshot.readings[place]
        node: int | None = one.node
        while node is not None:
            like = self.like.get((node, one.group), [])[-ENOUGH:]
            others = [each for each in like if self.labels[each] != label]
            if others:
                return others
            node = self.snapshot.nodes[node].parent
        return []
