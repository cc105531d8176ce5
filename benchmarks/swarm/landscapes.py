"""What the simulated experiments are worth: two landscapes calibrated on published numbers.

Both speak one language: a design is a frozenset of (site, value) settings; a change replaces the
settings of a few sites. So three-way merges and ablations are the same thing on both.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Design = dict[str, float]

BASELINE = 0.9979
"""val_bpb of autoresearch's starting point on an H100 (search.md 6)."""


class Landscape(Protocol):
    """A truth to be searched."""

    @property
    def name(self) -> str:
        """What it is called in tables."""

    def root(self) -> Design:
        """The starting point."""

    def truth(self, design: Design) -> float:
        """The true metric, lower is better."""

    def propose(self, design: Design, operator: str, random: Generator) -> Design:
        """The changed settings of one idea, as the stand-in of a language model has it."""

    def crashes(self, design: Design, random: Generator) -> bool:
        """Whether training it fails."""


@dataclass(frozen=True)
class EditBag:
    """A bag of 300 edits: few help, pairs interact, architecture switches redraw many effects.

    Effects of single edits have the quantiles of karpathy's mar8 branch (search.md 8): 5 % below
    -9e-4, a quarter below 1.5e-4, half below 6e-4. Popular ideas are proposed again and again.
    """

    effect: Floats
    pair: Floats
    switched: Floats
    site: NDArray[np.intp]
    popular: Floats
    name: str = "ideas"

    EDITS, SITES, SWITCHES = 300, 220, 18

    @classmethod
    def drawn(cls, seed: int) -> "EditBag":
        """One bag."""
        random = np.random.default_rng((seed, 1))
        many = cls.EDITS
        pair = np.triu(
            random.normal(0, 2.5e-4, (many, many)) * (random.random((many, many)) < 0.12), 1
        )
        switched = np.full((cls.SWITCHES, many), np.nan)
        redrawn = random.random((cls.SWITCHES, many)) < 0.45
        switched[redrawn] = _effects(random, int(redrawn.sum()))
        return cls(
            effect=_effects(random, many),
            pair=pair + pair.T,
            switched=switched,
            site=random.integers(0, cls.SITES, many),
            popular=_shares(random.gamma(0.7, 1.0, many)),
        )

    def root(self) -> Design:
        """No edit applied."""
        return {}

    def truth(self, design: Design) -> float:
        """Baseline plus every applied edit's effect (redrawn by switches) plus the pairs'."""
        applied = np.array([int(value) for value in design.values()], dtype=np.intp)
        effect = self.effect[applied]
        for switch in sorted(applied[applied < self.SWITCHES]):
            new = self.switched[switch, applied]
            effect = np.where(np.isnan(new), effect, new)
        return float(BASELINE + effect.sum() + self.pair[np.ix_(applied, applied)].sum() / 2)

    def propose(self, design: Design, operator: str, random: Generator) -> Design:
        """One edit that is not applied yet: bold ones are switches more often."""
        if operator == "simplify" and design:
            gone = sorted(design)[int(random.integers(len(design)))]
            return {gone: -1.0}
        share = self.popular.copy()
        if operator == "bold":
            share[: self.SWITCHES] *= 8
        edges, applied = np.cumsum(share), set(design.values())
        while True:  # one number a try, so that policies that share a stream hear the same ideas
            edit = int(np.searchsorted(edges[:-1], random.random() * edges[-1]))
            if edit not in applied:
                return {f"s{self.site[edit]:03d}": float(edit)}

    def crashes(self, design: Design, random: Generator) -> bool:
        """One run in twenty."""
        return bool(random.random() < 0.05)


def _effects(random: Generator, many: int) -> Floats:
    """Mostly a little worse; the rare gains have the heavier tail (t with 2.2 and 4 degrees)."""
    worse = np.abs(random.standard_t(4, many)) * 10.5e-4
    better = -np.abs(random.standard_t(2.2, many)) * 6e-4
    return 7e-4 + np.where(random.random(many) < 0.5, worse, better)


def _shares(weight: Floats) -> Floats:
    shares: Floats = weight / weight.sum()
    return shares


def apply(design: Design, change: Design) -> Design:
    """A design with a change made; -1 takes a site back to the starting point."""
    changed = {**design, **change}
    return {site: value for site, value in changed.items() if value != -1.0}


def difference(before: Design, after: Design) -> Design:
    """The change that leads from one design to another."""
    sites = {*before, *after}
    return {site: after.get(site, -1.0) for site in sites if before.get(site) != after.get(site)}


def source(design: Design) -> str:
    """A design as a file, so that the hub's own comparison of code can read it."""
    return "".join(f"{site} = {value!r}\n" for site, value in sorted(design.items()))
