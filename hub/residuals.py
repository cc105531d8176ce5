"""Who measures differently from everybody else: lying or broken devices, and earned trust.

For each experiment that several owners measured, an owner's mean is held against the others',
device offsets taken off. z = sum of residuals / sqrt(sum of variances); the bound for a look by
eye is the normal quantile at 1 - 0.05 / owners (Bonferroni), quarantine is automatic beyond
`QUARANTINE`, the worst owner first and one a pass, because a liar makes its checkers look bad too
(Fishtest's residual test; volunteer.md 4.4). Trust is BOINC's count of consecutive valid results.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import norm

from hub import belief as beliefs
from hub.belief import Belief
from hub.snapshot import Snapshot

QUARANTINE = 7.0
"""Standard deviations beyond which an owner's readings count no more, until a person looks."""
VALID = 3.5
"""A reading this near to what other owners read is valid."""
TRUSTED = 10
"""Consecutive valid results from which an owner is trusted on a device class (BOINC)."""


@dataclass(frozen=True)
class Suspicion:
    """How far an owner reads from others on the same experiments, in standard deviations."""

    owner: str
    z: float
    compared: int
    bound: float

    @property
    def sentence(self) -> str:
        """What an operator reads."""
        side = "better" if self.z < 0 else "worse"
        return (
            f"{self.owner} reads {side} than everybody else on {self.compared} shared experiments: "
            f"{abs(self.z):.1f} standard deviations, where {self.bound:.1f} is usual."
        )


@dataclass(frozen=True)
class _Gap:
    place: int
    owner: str
    device_class: str
    loss: float
    variance: float


def suspicions(snapshot: Snapshot, belief: Belief) -> list[Suspicion]:
    """Owners who can be compared with others, the most suspect first."""
    gaps = _gaps(snapshot, belief)
    total: dict[str, float] = defaultdict(float)
    variance: dict[str, float] = defaultdict(float)
    for gap in gaps:
        total[gap.owner] += gap.loss
        variance[gap.owner] += gap.variance
    counts = Counter(gap.owner for gap in gaps)
    bound = float(norm.ppf(1 - 0.05 / max(len(counts), 1)))
    found = [
        Suspicion(owner, total[owner] / math.sqrt(variance[owner]), counts[owner], bound)
        for owner in counts
    ]
    return sorted(found, key=lambda one: (-abs(one.z), one.owner))


def quarantined(snapshot: Snapshot, most: int = 20) -> list[Suspicion]:
    """Owners whose readings should count no more, found one a pass with everything refitted."""
    found: list[Suspicion] = []
    for _ in range(most):
        worst = next(iter(suspicions(snapshot, beliefs.fit(snapshot))), None)
        if worst is None or abs(worst.z) <= QUARANTINE:
            break
        found.append(worst)
        gone = [place for place, one in enumerate(snapshot.readings) if one.owner == worst.owner]
        snapshot = snapshot.without_readings(gone)
    return found


def trust(snapshot: Snapshot, belief: Belief) -> dict[tuple[str, str], int]:
    """Consecutive valid results per owner and device class; one bad result starts again at 0."""
    earned: dict[tuple[str, str], int] = {}
    for gap in _gaps(snapshot, belief):
        key = (gap.owner, gap.device_class)
        valid = abs(gap.loss) <= VALID * math.sqrt(gap.variance)
        earned[key] = earned.get(key, 0) + 1 if valid else 0
    return earned


def _gaps(snapshot: Snapshot, belief: Belief) -> list[_Gap]:
    """Each comparable reading against the other owners' mean of the same experiment."""
    runs: dict[int, list[_Gap]] = defaultdict(list)
    for place, one in enumerate(snapshot.readings[: len(belief.rest)]):
        loss = snapshot.sign * one.value
        variance = belief.noise_sd**2 + belief.period_sd**2 + belief.device_sd**2
        runs[one.node].append(_Gap(place, one.owner, one.device_class, loss, variance))
    gaps = [gap for many in runs.values() for gap in _held_against_others(many)]
    return sorted(gaps, key=lambda gap: gap.place)


def _held_against_others(runs: Sequence[_Gap]) -> list[_Gap]:
    found = []
    for run in runs:
        others = [
            one for one in runs if one.owner != run.owner and one.device_class == run.device_class
        ]
        if others:
            mean = sum(one.loss for one in others) / len(others)
            spread = run.variance * (1 + 1 / len(others))
            found.append(_Gap(run.place, run.owner, run.device_class, run.loss - mean, spread))
    return found
