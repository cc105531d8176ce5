"""Whose word counts where owners contradict each other: that of most of them.

An owner's word on an experiment is their run in the middle, with the offsets of its device and
period taken off. Two words contradict each other where luck does not explain how far they lie
apart (ADR 0120).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from hub.snapshot import Snapshot

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

DISAGREE = 4.0
"""Two owners this many standard deviations apart on one experiment contradict each other."""
FEWEST = 3
"""Of so many owners two can be most."""
MOST = 1e4
"""Beyond so many times as far no reading is believed any less; its fourth power is enough."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What an owner's run says of an experiment: its loss, offsets taken off, and how surely."""

    owner: str
    loss: float
    variance: float


@dataclass(frozen=True)
class Count:
    """The word that most others agree with, and how many words contradict it."""

    middle: Vote
    outvoted: int
    words: int

    @property
    def decided(self) -> bool:
        """Whether most words agree."""
        return 2 * self.outvoted < self.words


def count(words: Iterable[Vote]) -> Count:
    """Find the middle of the words; of equals the worse."""
    said = sorted(words, key=attrgetter("loss"), reverse=True)
    middle = max(said, key=lambda one: sum(agree(one, other) for other in said))
    return Count(middle, sum(not agree(middle, one) for one in said), len(said))


def words(votes: Iterable[Vote]) -> dict[str, Vote]:
    """Each owner's run in the middle; of two the worse."""
    by: dict[str, list[Vote]] = {}
    for vote in votes:
        by.setdefault(vote.owner, []).append(vote)
    return {owner: sorted(own, key=attrgetter("loss"))[len(own) // 2] for owner, own in by.items()}


def agree(one: Vote, other: Vote) -> bool:
    """Whether luck explains how far two votes lie apart."""
    return abs(one.loss - other.loss) <= DISAGREE * math.sqrt(one.variance + other.variance)


def faith(far: Floats) -> Floats:
    """How far readings are believed that lie so many times as far off as luck explains."""
    share: Floats = 1 / np.clip(far, 1.0, MOST) ** 4
    return share


@dataclass(frozen=True)
class Booth:
    """The readings of experiments that enough owners measured; `places` has one array for each."""

    owner: Sequence[str]
    places: Sequence[Ints]

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Booth":
        """Gather them."""
        readings = snapshot.readings
        node = np.array([one.node for one in readings], dtype=np.intp)
        order = np.argsort(node, kind="stable")
        starts = np.flatnonzero(np.diff(node[order])) + 1
        groups = [each for each in np.split(order, starts) if len(each) >= FEWEST]
        owner = [snapshot.word(place) for place in range(len(readings))]
        many = (each for each in groups if len({owner[place] for place in each}) >= FEWEST)
        return cls(owner, tuple(many))

    def faith(self, loss: Floats, sd: Floats) -> Floats:
        """How far each reading is believed: what most owners contradict, the less the further."""
        share = np.ones(len(loss))
        for places in self._contradicting(loss, sd):
            votes = [
                Vote(self.owner[place], float(loss[place]), float(sd[place]) ** 2)
                for place in places
            ]
            found = count(words(votes).values())
            if found.decided:
                apart = DISAGREE * np.sqrt(sd[places] ** 2 + found.middle.variance)
                far = np.abs(loss[places] - found.middle.loss) / apart
                share[places] = faith(far)
        return share

    def _contradicting(self, loss: Floats, sd: Floats) -> Iterator[Ints]:
        for places in self.places:
            own, known = loss[places], sd[places]
            if np.ptp(own) > DISAGREE * math.sqrt(2) * known.min():
                yield places
