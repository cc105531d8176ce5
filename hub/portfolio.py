"""Which kind of change to ask for: a small bandit over operators that never starves one."""

from collections.abc import Mapping

import numpy as np
from numpy.random import Generator

from hub.policies import View

OPERATORS = ("tweak", "bold", "simplify", "constants", "fix")
CUES = {
    "tweak": "Try one small idea, so that its effect can be told.",
    "bold": "Try a different structure rather than one more small step.",
    "simplify": "Make it simpler without losing what it gained.",
    "constants": "Move one or two of its constants.",
    "fix": "Mend what made it fail.",
    "baseline": "Run it as it is.",
}
PRIOR = {"tweak": 4.0, "bold": 1.0, "simplify": 0.6, "constants": 1.6, "fix": 0.0}
"""Weights before any result: most published gains were one-line changes (search.md 3)."""
TRUST = 20.0
"""How many results the prior weights are worth."""
MEMORY = 200
"""Only so many of the latest results count, because what pays changes as a goal matures."""


def choose(view: View, random: Generator, wanted: Mapping[str, float]) -> str:
    """One operator at random by its share; operators of the hub may weight or (0) forbid them."""
    names, shares = shares_of(view, wanted)
    return str(random.choice(names, p=shares)) if names else "tweak"


def shares_of(view: View, wanted: Mapping[str, float]) -> tuple[list[str], list[float]]:
    """Operators and how often each is asked for.

    The reward of a result is its posterior gain in noise sigmas, no less than 0 and no more
    than 10; its mean is shrunk to the prior, and each operator keeps its least share.
    """
    names = [one for one in OPERATORS if PRIOR[one] * wanted.get(one, 1.0) > 0]
    if not names:
        return [], []
    rewards = _rewards(view)
    usual = float(np.mean([one for many in rewards.values() for one in many] or [1.0])) + 1e-3
    worth = np.array([_worth(rewards.get(one, []), usual, PRIOR[one]) for one in names])
    worth *= np.array([wanted.get(one, 1.0) for one in names])
    least = min(view.tuning.least_operator, 1 / len(names))
    shares = least + (1 - least * len(names)) * worth / worth.sum()
    return names, [float(one) for one in shares / shares.sum()]


def _rewards(view: View) -> dict[str, list[float]]:
    first = max(0, len(view.parent) - MEMORY)
    gains = view.steps[0][first:].tolist()
    noise = max(view.belief.noise_sd, 1e-12)
    found: dict[str, list[float]] = {}
    for row, gain in zip(view.snapshot.nodes[first:], gains, strict=True):
        if row.parent is not None and row.status in ("finished", "failed"):
            found.setdefault(row.operator, []).append(min(max(gain / noise, 0.0), 10.0))
    return found


def _worth(rewards: list[float], usual: float, prior: float) -> float:
    mean = (TRUST * usual + sum(rewards)) / (TRUST + len(rewards))
    return prior * mean / usual
